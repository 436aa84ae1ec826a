import CloudAPI
import HTTPTypes
import HummingbirdCore
import Ledger
import NIOCore
import ReconnectionRules
import ServiceLifecycle

/// `POST /v1/commands`: actions as JSON lines, answered by a line each, in their order.
///
/// What arrived while the last batch was committed is the next batch. Three tasks work at a time:
/// one reads what arrives, one has the ledger perform what was read, one writes answers. Each waits
/// for the next, so that a client that does not read is not read from.
struct CommandStream: Sendable {
    static let contentType = "application/x-ndjson"
    /// So much of a body is read ahead of the ledger.
    private static let readAheadByteCount = 256 << 10

    let ledger: Ledger
    let gate: Gate

    /// A refusal before the first line, with its HTTP status.
    struct Refusal: Error {
        var status: HTTPResponse.Status
        var error: CloudError
    }

    /// Why a stream ended.
    enum Ending: Sendable {
        /// The body ended, and every line of it was answered.
        case whole
        /// The server is stopping; what had arrived was answered.
        case stopping
        /// The ledger cannot perform; the lines not answered were not performed, or may have been.
        case ledgerFailed
        /// What was sent is no body.
        case malformed
    }

    // MARK: - Who gets in

    func admit(
        _ request: WireRequest, on connection: OpenConnection?
    ) throws(Refusal) -> Gate.Visitor {
        guard request.method == "POST" else {
            throw Refusal(
                status: .methodNotAllowed,
                error: CloudError(.unsupportedProtocol, "Only POST is supported here."))
        }
        let type = request.headers["content-type"] ?? ""
        guard Self.isLines(type) else {
            throw Refusal(
                status: .unsupportedMediaType,
                error: CloudError(.invalidRequest, "The body has to be \(Self.contentType)."))
        }
        do throws(CloudError) {
            return try gate.admitStream(
                request, to: .commandStream, on: connection, nowSeconds: WallClock.nowSeconds)
        } catch {
            throw Refusal(status: EventStream.status(for: error), error: error)
        }
    }

    /// Whether the media type is that of JSON lines, whatever its parameters.
    private static func isLines(_ type: String) -> Bool {
        let name = type.prefix { $0 != ";" && $0 != " " }
        return name.utf8.count == contentType.utf8.count && name.lowercased() == contentType
    }

    // MARK: - Running

    /// Lines performed together, with what came of them.
    private enum Answers: Sendable {
        case lines(BulkBatch, ActionBatchReply)
        case ending(Ending)
    }

    /// Answers until the body ends, the server stops or the ledger fails. Throws if the client is
    /// gone. What the stream came to is written as its last line, unless all is well.
    func run(
        _ body: RequestBody, by visitor: Gate.Visitor, to writer: inout some ResponseBodyWriter
    ) async throws -> (lineCount: UInt64, ending: Ending) {
        let arrived = Pipe<Arrival>(costMax: Self.readAheadByteCount)
        // One batch waits here while another is written and a third is performed.
        let answers = Pipe<Answers>(costMax: 1)
        var writing = Writing()
        try await withGracefulShutdownHandler {
            try await withThrowingTaskGroup(of: Void.self) { group in
                // Before the group waits for the two, which wait here and do not notice a
                // cancellation.
                defer {
                    answers.end()
                    arrived.end()
                }
                group.addTask { await Self.read(body, to: arrived) }
                group.addTask { await perform(arrived, by: visitor, to: answers) }
                try await writing.write(answers, to: &writer)
                group.cancelAll()
            }
        } onGracefulShutdown: {
            arrived.endStopping()
        }
        return (writing.lineCount, writing.ending)
    }
}

/// What comes in: bytes, or the end of them.
enum Arrival: Sendable {
    case bytes(ByteBuffer)
    case end(CommandStream.Ending)
}

extension Pipe<Arrival> {
    /// What has arrived is the last; nothing more is taken.
    fileprivate func endStopping() { end(with: .end(.stopping)) }
}

// MARK: - The three tasks

extension CommandStream {
    private static func read(_ body: RequestBody, to arrived: Pipe<Arrival>) async {
        var ending = Ending.whole
        do {
            for try await bytes in body {
                guard bytes.readableBytes > 0 else { continue }
                guard await arrived.put(.bytes(bytes), cost: bytes.readableBytes) else { return }
            }
        } catch {
            ending = .malformed
        }
        arrived.end(with: .end(ending))
    }

    private func perform(
        _ arrived: Pipe<Arrival>, by visitor: Gate.Visitor, to answers: Pipe<Answers>
    ) async {
        defer {
            arrived.end()
            answers.end()
        }
        var reader = BulkReader(
            mayRepossess: visitor.access.allows(.repossessLine),
            actionCountMax: gate.limiter?.lineCountAtOnce)
        var ending: Ending?
        while ending == nil {
            let arrivals = await arrived.take()
            if arrivals.isEmpty { return }
            for arrival in arrivals {
                switch arrival {
                case .bytes(let bytes): reader.append(bytes)
                case .end(let end): ending = end
                }
            }
            // A line without its end counts only if the client ended the body there.
            var isEnd = false
            if case .whole? = ending { isEnd = true }
            var hasMore = true
            while hasMore {
                do throws(LedgerError) {
                    var batch = reader.makeBatch()
                    hasMore = try await fill(
                        &batch, from: &reader, for: visitor.access, isEnd: isEnd)
                    if batch.lines.isEmpty { continue }
                    let pause = gate.pace(batch.lines.count, by: visitor.caller)
                    if pause > .zero { try? await Task.sleep(for: pause) }
                    let reply = try await ledger.perform(
                        batch.actions, by: visitor.caller, within: visitor.access.projects)
                    guard await answers.put(.lines(batch, reply)) else { return }
                } catch {
                    _ = await answers.put(.ending(.ledgerFailed))
                    return
                }
            }
        }
        if let ending { _ = await answers.put(.ending(ending)) }
    }

    /// True if the batch is full and there may be more.
    private func fill(
        _ batch: inout BulkBatch, from reader: inout BulkReader, for access: Access,
        isEnd: Bool
    ) async throws(LedgerError) -> Bool {
        while true {
            switch reader.read(into: &batch, isEnd: isEnd) {
            case .needsBytes: return false
            case .isFull: return true
            case .needsProject(let name):
                // Of a project that is not the caller's nothing is told, not even whether it is
                // there: the ledger refuses the action.
                var isKnown = true
                if access.covers(project: name) {
                    isKnown = try await ledger.concurrentCount(inProject: name) != nil
                }
                reader.learn(name, isKnown: isKnown)
            }
        }
    }

    private struct Writing {
        var lineCount: UInt64 = 0
        var ending = Ending.ledgerFailed

        mutating func write(
            _ answers: Pipe<Answers>, to writer: inout some ResponseBodyWriter
        ) async throws {
            let allocator = ByteBufferAllocator()
            while case let taken = await answers.take(), !taken.isEmpty {
                for answer in taken {
                    switch answer {
                    case .lines(let batch, let reply):
                        var replies = BulkReplies(batch, reply)
                        while let block = replies.nextBlock(allocator) {
                            if block.readableBytes > 0 { try await writer.write(block) }
                        }
                        lineCount += UInt64(batch.lines.count)
                    case .ending(let ending):
                        self.ending = ending
                        if let line = ending.line { try await writer.write(line) }
                    }
                }
            }
        }
    }
}

extension CommandStream.Ending {
    /// What the last line says, nil if there is nothing to say.
    fileprivate var line: ByteBuffer? {
        switch self {
        case .whole: nil
        case .stopping:
            BulkReplies.last(
                code: "stopping",
                message: "The server is stopping; lines without an answer were not performed.")
        case .ledgerFailed:
            BulkReplies.last(
                code: "unavailable",
                message: "The ledger cannot answer now. Lines without an answer may or may not "
                    + "have been recorded.")
        case .malformed:
            BulkReplies.last(
                code: "malformedBody",
                message: "The body is malformed; lines without an answer were not performed.")
        }
    }
}
