import Ledger
import NIOCore
import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Lines that were read together, and what they ask the ledger for.
struct BulkBatch: Sendable {
    /// What became of a line.
    enum Line: UInt8 {
        case blank, single, reconnect, faulty
    }

    var actions: ActionBatch
    /// The number of the first line, counted from 1.
    let firstLine: UInt64
    var lines: [Line] = []
    /// Of the faulty lines, in their order.
    var faults: [BulkFault] = []

    init(firstLine: UInt64, expecting lineCount: Int) {
        self.firstLine = firstLine
        actions = ActionBatch(reservingCapacity: 3 * lineCount)
        lines.reserveCapacity(lineCount)
    }

    mutating func add(_ fault: BulkFault) {
        lines.append(.faulty)
        faults.append(fault)
    }
}

/// Cuts what arrives into lines and the lines into actions.
///
/// Bytes go in as they come; a line that is not whole yet waits for its rest, in at most
/// `BulkLine.byteCountMax` bytes.
struct BulkReader {
    /// So many actions at most go to the ledger at once, unless a stream is slowed down.
    static let actionCountMax = 16_384
    /// A shorter line cannot be a command.
    private static let usualByteCount = 64

    /// Why reading stopped.
    enum Pause: Equatable {
        /// There is no further line.
        case needsBytes
        case isFull
        /// The next line names a project that was not asked for yet: `learn` it and read on.
        case needsProject(String)
    }

    private let mayRepossess: Bool
    private let actionCountMax: Int
    private(set) var lineCount: UInt64 = 0
    private var input = ByteBuffer()
    private var isSkipping = false
    private var projects = KnownProjects()

    /// - Parameters:
    ///   - mayRepossess: whether the caller is an operator, too.
    ///   - actionCountMax: nil for as many as there may be.
    init(mayRepossess: Bool = true, actionCountMax: Int? = nil) {
        self.mayRepossess = mayRepossess
        self.actionCountMax = min(actionCountMax ?? .max, Self.actionCountMax)
    }

    var nextLine: UInt64 { lineCount + 1 }

    /// A batch of the size that the bytes at hand make likely.
    mutating func makeBatch() -> BulkBatch {
        projects.forgetUnknown()
        return BulkBatch(
            firstLine: nextLine,
            expecting: min(actionCountMax / 3, input.readableBytes / Self.usualByteCount + 1))
    }

    mutating func append(_ bytes: ByteBuffer) {
        var bytes = bytes
        if input.readableBytes == 0 { input = bytes } else { input.writeBuffer(&bytes) }
    }

    mutating func learn(_ project: String, isKnown: Bool) {
        projects.learn(project, isKnown: isKnown)
    }

    /// - Parameter isEnd: nothing follows, so that the last line needs no line feed.
    mutating func read(into batch: inout BulkBatch, isEnd: Bool) -> Pause {
        var consumed = 0
        let input = input
        let pause = input.withUnsafeReadableBytes { bytes in
            lines(bytes, &consumed, into: &batch, isEnd: isEnd)
        }
        self.input.moveReaderIndex(forwardBy: consumed)
        return pause
    }

    private mutating func lines(
        _ bytes: UnsafeRawBufferPointer, _ consumed: inout Int, into batch: inout BulkBatch,
        isEnd: Bool
    ) -> Pause {
        while consumed < bytes.count {
            if batch.actions.count >= actionCountMax { return .isFull }
            let rest = UnsafeRawBufferPointer(rebasing: bytes[consumed...])
            let feed = memchr(rest.baseAddress!, 0x0A, rest.count)
            guard let feed else {
                if isEnd {
                    return line(rest, rest.count, &consumed, into: &batch) ?? .needsBytes
                }
                if isSkipping || rest.count > BulkLine.byteCountMax {
                    isSkipping = true
                    consumed = bytes.count
                }
                return .needsBytes
            }
            let line = UnsafeRawBufferPointer(
                start: rest.baseAddress, count: UnsafeRawPointer(feed) - rest.baseAddress!)
            if let pause = self.line(line, line.count + 1, &consumed, into: &batch) {
                return pause
            }
        }
        // A line too long that ended with the body, none of it left.
        if isEnd, isSkipping { skipped(into: &batch) }
        return .needsBytes
    }

    /// Takes one line, unless its project has to be asked for first.
    @inline(__always)
    private mutating func line(
        _ line: UnsafeRawBufferPointer, _ byteCount: Int, _ consumed: inout Int,
        into batch: inout BulkBatch
    ) -> Pause? {
        if isSkipping || line.count > BulkLine.byteCountMax {
            skipped(into: &batch)
        } else if let usual = UsualLine(line) {
            if let project = add(usual, to: &batch) { return .needsProject(project) }
            lineCount += 1
        } else {
            if let project = addUnusual(line, to: &batch) { return .needsProject(project) }
            lineCount += 1
        }
        consumed += byteCount
        return nil
    }

    private mutating func skipped(into batch: inout BulkBatch) {
        isSkipping = false
        lineCount += 1
        batch.add(.tooLong)
    }

    // MARK: - Actions

    /// Nil if the line was taken; else the project that has to be asked for.
    @inline(__always)
    private mutating func add(_ line: UsualLine, to batch: inout BulkBatch) -> String? {
        let user = line.user
        switch line.action {
        case .apply, .reconnect:
            switch projects.find(line.project!) {
            case .unasked(let name): return name
            case .unknown:
                batch.add(.unknownProject)
                return nil
            case .known(let name):
                if line.action == .apply {
                    batch.actions.apply(userBytes: user, project: name)
                } else {
                    batch.actions.reconnect(
                        userBytes: user, project: name, session: line.session)
                }
            }
        case .createSession:
            batch.actions.createSession(
                userBytes: user, runsWithoutClient: line.runsWithoutClient)
        case .disconnect: batch.actions.disconnect(userBytes: user, session: line.session)
        case .destroy: batch.actions.destroy(userBytes: user, session: line.session)
        case .repossess:
            guard mayRepossess else {
                batch.add(.mayNotRepossess)
                return nil
            }
            batch.actions.repossess(userBytes: user)
        }
        batch.lines.append(line.action == .reconnect ? .reconnect : .single)
        return nil
    }

    private mutating func addUnusual(
        _ bytes: UnsafeRawBufferPointer, to batch: inout BulkBatch
    ) -> String? {
        guard !bytes.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) else {
            batch.lines.append(.blank)
            return nil
        }
        let line: BulkLine
        do throws(BulkFault) { line = try BulkLine(Array(bytes)[...]) } catch {
            batch.add(error)
            return nil
        }
        if var project = line.project {
            switch project.withUTF8({ projects.find(UnsafeRawBufferPointer($0)) }) {
            case .unasked(let name): return name
            case .unknown:
                batch.add(.unknownProject)
                return nil
            case .known: break
            }
        }
        switch line.action {
        case .apply: batch.actions.apply(user: line.user, project: line.project!)
        case .reconnect:
            batch.actions.reconnect(
                user: line.user, project: line.project!, session: line.session)
        case .createSession:
            batch.actions.createSession(
                user: line.user, runsWithoutClient: line.runsWithoutClient)
        case .disconnect: batch.actions.disconnect(user: line.user, session: line.session)
        case .destroy: batch.actions.destroy(user: line.user, session: line.session)
        case .repossess:
            guard mayRepossess else {
                batch.add(.mayNotRepossess)
                return nil
            }
            batch.actions.repossess(user: line.user)
        }
        batch.lines.append(line.action == .reconnect ? .reconnect : .single)
        return nil
    }
}

/// Which projects there are, as far as a stream has asked. Projects are never removed, so that a
/// known one stays known; an unknown one is asked for again with each batch.
private struct KnownProjects {
    enum Finding {
        case known(String)
        case unknown
        case unasked(String)
    }

    /// A stream that names more starts over; far below what one batch may name.
    private static let countMax = 4096

    /// By the bytes of the name: names that only look the same are two.
    private var known: [[UInt8]: Bool] = [:]
    private var hasUnknown = false
    /// The one found last: most streams name one project.
    private var last = ""
    private var lastBytes: [UInt8] = []

    mutating func learn(_ name: String, isKnown: Bool) {
        if known.count >= Self.countMax { known.removeAll() }
        known[Array(name.utf8)] = isKnown
        hasUnknown = hasUnknown || !isKnown
    }

    mutating func forgetUnknown() {
        guard hasUnknown else { return }
        known = known.filter(\.value)
        hasUnknown = false
    }

    @inline(__always)
    mutating func find(_ name: UnsafeRawBufferPointer) -> Finding {
        if name.count == lastBytes.count, !lastBytes.isEmpty,
            memcmp(name.baseAddress!, lastBytes, name.count) == 0
        {
            return .known(last)
        }
        return findAnother(name)
    }

    private mutating func findAnother(_ bytes: UnsafeRawBufferPointer) -> Finding {
        let name = String(decoding: bytes, as: UTF8.self)
        let nameBytes = Array(bytes)
        switch known[nameBytes] {
        case nil: return .unasked(name)
        case false?: return .unknown
        case true?:
            last = name
            lastBytes = nameBytes
            return .known(name)
        }
    }
}
