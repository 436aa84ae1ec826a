import EventLog
import NIOCore
import ReconnectionRules

@testable import Audit
@testable import Ledger
@testable import LedgerServer

extension FuzzTarget {
    static let lineTargets = [bulkLine, bulkStream, traceLine, traceFile, eventLine]

    // MARK: - POST /v1/commands

    private static let bulkWords = [
        "{\"action\":\"", "\",\"user\":\"", "\",\"project\":\"", ",\"session\":",
        ",\"runMode\":\"RunWithoutClient\"", "createSession", "reconnect", "disconnect", "destroy",
        "repossess", "apply", "\\u00e9", "18446744073709551615", "null",
    ]

    private static let bulkSamples = [
        #"{"action":"apply","user":"u1","project":"p"}"#,
        #"{"action":"createSession","user":"u1","runMode":"RunWithoutClient"}"#,
        #"{"action":"disconnect","user":"u1","session":"12"}"#,
        #"{"action":"destroy","user":"u1","session":12}"# + "\r",
        #"{"action":"repossess","user":"u1"}"#,
        #"{"action":"reconnect","user":"u1","project":"p","session":0}"#,
        #"{ "user" : "u\u00e9", "action" : "destroy", "session":null }"#,
    ]

    static let bulkLine = FuzzTarget(
        name: "bulk-line", subject: "a line of POST /v1/commands, by the quick and strict reader",
        promise: "What the quick reader takes, the strict one takes alike; a command is written "
            + "and read back the same.",
        words: bulkWords,
        seeds: { bulkSamples.map { Array($0.utf8) } },
        run: { input in
            let strict = try? BulkLine(input[...])
            let quick = input.withUnsafeBytes { UsualLine($0).map { plain($0) } }
            if let quick {
                try require(strict.map { isSame($0, quick) } ?? false, "the readers differ")
            }
            guard let strict else { return false }
            let written = Array(line(strict).utf8)
            try require(isSame(try BulkLine(written[...]), strict), "not read back: \(strict)")
            return true
        })

    private static func plain(_ usual: UsualLine) -> BulkLine {
        var line = blank
        line.action = usual.action
        line.user = String(decoding: usual.user, as: UTF8.self)
        line.project = usual.project.map { String(decoding: $0, as: UTF8.self) }
        line.session = usual.session
        line.runsWithoutClient = usual.runsWithoutClient
        return line
    }

    private static let blank: BulkLine = {
        do { return try BulkLine(Array(bulkSamples[4].utf8)[...]) } catch {
            preconditionFailure("\(error)")
        }
    }()

    private static func isSame(_ left: BulkLine, _ right: BulkLine) -> Bool {
        left == right && left.user.utf8.elementsEqual(right.user.utf8)
            && (left.project ?? "").utf8.elementsEqual((right.project ?? "").utf8)
    }

    private static func line(_ line: BulkLine) -> String {
        func quoted(_ text: String) -> String {
            "\"" + text.unicodeScalars.map { scalar in
                scalar.value < 0x30 || scalar == "\\"
                    ? "\\u00" + IndependentSigner.hexadecimal([UInt8(scalar.value)])
                    : String(scalar)
            }.joined() + "\""
        }
        var text = "{\"action\":\"\(line.action)\",\"user\":\(quoted(line.user))"
        if let project = line.project { text += ",\"project\":\(quoted(project))" }
        if let session = line.session { text += ",\"session\":\"\(session)\"" }
        if line.runsWithoutClient { text += ",\"runMode\":\"RunWithoutClient\"" }
        return text + "}"
    }

    /// First bytes: where the body is cut into pieces.
    static let bulkStream = FuzzTarget(
        name: "bulk-stream", subject: "the body of POST /v1/commands as it comes, in pieces",
        promise: "Where pieces end changes nothing; every line is counted once.",
        byteCountMax: 1024, words: bulkWords + ["\n", "\r\n", "e\\u0301"],
        seeds: {
            let body = Array(bulkSamples.joined(separator: "\n").utf8)
            let twins = #"{"action":"apply","user":"u","project":"\u00e9"}"# + "\n"
                + #"{"action":"apply","user":"u","project":"e\u0301"}"# + "\n"
            return [
                [3, 9, 200] + body, [0, 0, 0] + body + [0x0A], [255, 1, 1, 0x0A, 0x0A],
                [0, 0, 0] + Array(twins.utf8),
            ]
        },
        run: { input in
            var reader = InputReader(input)
            let cuts = [reader.byte(), reader.byte(), reader.byte()].map { Int($0) * 4 }
            let body = reader.rest()
            var pieces: [[UInt8]] = []
            var start = 0
            for cut in (cuts + [body.count]).map({ min($0, body.count) }).sorted() {
                pieces.append(Array(body[start ..< cut]))
                start = cut
            }
            let whole = outcome(of: [body])
            try require(outcome(of: pieces) == whole, "pieces \(cuts) change the outcome")
            var lineCount = body.count { $0 == 0x0A }
            if let last = body.last, last != 0x0A { lineCount += 1 }
            try require(whole.lineCount == lineCount, "\(whole.lineCount) of \(lineCount) lines")
            try require(
                whole.faults.map(\.code) == plainFaults(body), "other faults: \(whole.faults)")
            return whole.actionCount > 0
        })

    private struct BulkOutcome: Equatable {
        var lines: [BulkBatch.Line] = []
        var faults: [BulkFault] = []
        var actionCount = 0
        var lineCount: UInt64 = 0
    }

    /// Two of the projects are there; of the others some only look like them.
    private static func isKnown(_ project: String) -> Bool {
        project.utf8.elementsEqual("p".utf8) || project.utf8.elementsEqual("\u{e9}".utf8)
    }

    /// What the strict reader makes of each line alone.
    private static func plainFaults(_ body: [UInt8]) -> [BulkFault.Code] {
        var faults: [BulkFault.Code] = []
        for line in body.split(separator: 0x0A, omittingEmptySubsequences: false) {
            if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { continue }
            do throws(BulkFault) {
                let command = try BulkLine(line)
                if let project = command.project, !isKnown(project) {
                    faults.append(.unknownProject)
                }
            } catch { faults.append(error.code) }
        }
        return faults
    }

    private static func outcome(of pieces: [[UInt8]]) -> BulkOutcome {
        var reader = BulkReader()
        var outcome = BulkOutcome()
        for (index, piece) in pieces.enumerated() {
            reader.append(ByteBuffer(bytes: piece))
            var pause = BulkReader.Pause.isFull
            while pause != .needsBytes {
                var batch = reader.makeBatch()
                while true {
                    pause = reader.read(into: &batch, isEnd: index == pieces.count - 1)
                    guard case .needsProject(let name) = pause else { break }
                    reader.learn(name, isKnown: isKnown(name))
                }
                outcome.lines += batch.lines
                outcome.faults += batch.faults
                outcome.actionCount += batch.actions.count
            }
        }
        outcome.lineCount = reader.lineCount
        return outcome
    }

    // MARK: - Traces

    private static let traceSamples = [
        "2026-11-23T10:15:30Z,ann,c1,start,", "2026-11-23T10:15:30.5Z,\"a,b\",c1,drop,lost",
        "2026-11-23T10:15:31+00:00,\"q\"\"q\",名,close,\"free, text\"",
        "1970-01-01T00:00:00.000001Z,a,b,start,x\r",
    ]
    private static let traceWords = [
        "2026-11-23T10:15:30Z,", ",start,", ",drop,", ",close,", "\"\"", "+00:00", ".000001Z",
    ]

    static let traceLine = FuzzTarget(
        name: "trace-line", subject: "a row of a trace, by the quick and the general reader",
        promise: "What the quick reader takes, the general one takes alike; a row is written and "
            + "read back the same.",
        words: traceWords,
        seeds: { traceSamples.map { Array($0.utf8) } },
        run: { input in
            let quick = input.withUnsafeBufferPointer { TraceRows.usualRow($0) }
            let general: TraceRow?
            do throws(TraceError) { general = try TraceRows.row(input[...], 2, "trace") } catch {
                try require(isPrintable(error.reason), "the refusal has a control character")
                general = nil
            }
            if let quick {
                try require(general.map { isSame($0, quick) } ?? false, "the readers differ")
            }
            guard let general else { return false }
            let written = Array(line(general).utf8)
            let again = try TraceRows.row(written[...], 2, "trace")
            try require(isSame(again, general), "not read back: \(general)")
            return true
        })

    private static func isSame(_ left: TraceRow, _ right: TraceRow) -> Bool {
        left == right && left.user.utf8.elementsEqual(right.user.utf8)
            && left.connection.utf8.elementsEqual(right.connection.utf8)
    }

    private static func line(_ row: TraceRow) -> String {
        func quoted(_ text: String) -> String {
            "\"" + text.unicodeScalars.map { $0 == "\"" ? "\"\"" : String($0) }.joined() + "\""
        }
        return "\(Timestamp.text(row.time)),\(quoted(row.user)),\(quoted(row.connection)),"
            + "\(row.action),"
    }

    static let traceFile = FuzzTarget(
        name: "trace-file", subject: "whole trace files: header, lines, order, the cut off end",
        promise: "Rows and the first fault are those of the lines one by one.",
        byteCountMax: 1024, words: traceWords + [TraceReader.header + "\n", "\r\n"],
        seeds: {
            let rows = Array((traceSamples[0 ... 2].joined(separator: "\n") + "\n").utf8)
            return [Array((TraceReader.header + "\n").utf8) + rows, rows, []]
        },
        run: { input in
            let file = ScratchFile.shared
            file.hold(input)
            var rows: [TraceRow] = []
            var fault: Int?
            do throws(TraceError) {
                var reader = TraceRows(try TraceFile(file.path))
                while let row = try reader.next() { rows.append(row) }
            } catch { fault = error.line }
            let expected = plainRows(input)
            try require(rows.elementsEqual(expected.rows, by: isSame), "the rows differ")
            try require(
                fault == expected.fault,
                "fault in line \(fault ?? -1), not \(expected.fault ?? -1)")
            return fault == nil
        })

    /// The rows of a file and the line of its first fault, 0 for the whole file's.
    private static func plainRows(_ bytes: [UInt8]) -> (rows: [TraceRow], fault: Int?) {
        if bytes.isEmpty { return ([], 0) }
        var lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
        let rest = lines.removeLast()
        var rows: [TraceRow] = []
        for (index, line) in lines.enumerated() {
            let line = line.last == 0x0D ? line.dropLast() : line
            if index == 0 {
                guard line.elementsEqual(TraceReader.header.utf8) else { return ([], 1) }
                continue
            }
            guard let row = try? TraceRows.row(line, index + 1, ""),
                row.time >= rows.last?.time ?? 0
            else { return (rows, index + 1) }
            rows.append(row)
        }
        if !rest.isEmpty { return (rows, lines.count + 1) }
        return (rows, rows.isEmpty ? 0 : nil)
    }

    // MARK: - Exports

    static let eventLine = FuzzTarget(
        name: "event-line", subject: "a line of an export, by the quick and the strict reader",
        promise: "What the quick reader takes, the strict one takes alike, whatever it read "
            + "before; an event is written and read back the same.",
        byteCountMax: 1024,
        words: [
            "{\"position\":", ",\"time\":\"2026-11-23T10:15:30.000250Z\"", ",\"kind\":\"applied\"",
            ",\"outcome\":\"granted\"", ",\"user\":\"", ",\"userNumber\":", ",\"clientAddress\":",
            ",\"project\":", ",\"concurrency\":", ",\"session\":", ",\"state\":\"connected\"",
            ",\"deadline\":", ",\"namedSession\":", ",\"runsWithoutClient\":true",
            ",\"askedProject\":", ",\"caller\":\"command line\"", ",\"previousOfUser\":",
            ",\"previousOfConcurrency\":", "null", "\"192.0.2.0/24\"",
        ],
        seeds: { SampleEvents.named.map { Array(EventJSON.line($0).utf8) } },
        run: { input in
            var fresh = UsualEventLines()
            let quick = input.withUnsafeBytes { fresh.read($0) }
            let warm = input.withUnsafeBytes { fresh.read($0) }
            let strict = input.withUnsafeBytes { try? EventLine(strictly: $0) }
            if let quick {
                try require(strict.map { isSame($0, quick) } ?? false, "the readers differ")
            }
            try require(
                quick == nil ? warm == nil : warm.map { isSame($0, quick!) } ?? false,
                "the quick reader reads otherwise the second time")
            guard let strict else { return false }
            let written = Array(EventJSON.line(named(strict)).utf8)
            let again = try written.withUnsafeBytes { try EventLine(strictly: $0) }
            try require(isSame(again, strict), "not read back: \(text(written))")
            return true
        })

    private static func isSame(_ left: EventLine, _ right: EventLine) -> Bool {
        left.event == right.event && left.user.utf8.elementsEqual(right.user.utf8)
            && left.project.utf8.elementsEqual(right.project.utf8)
            && left.inputProject.utf8.elementsEqual(right.inputProject.utf8)
            && left.clientAddress == right.clientAddress
    }

    private static func named(_ line: EventLine) -> NamedEvent {
        NamedEvent(
            event: line.event, user: line.user, project: line.project,
            inputProject: line.inputProject, clientAddress: line.clientAddress?.description)
    }
}

/// One event of each kind, and some more.
enum SampleEvents {
    static let all: [Event] = Event.Kind.allCases.enumerated().map { index, kind in
        let position = Position(index + 1)
        var event = Event(
            position: position, time: 1_795_429_774_000_250 + Microseconds(index), kind: kind,
            outcome: Event.Outcome.allCases[index])
        event.caller = [0, 1, 2, 3, 4, 1007][index % 6]
        event.user = kind == .opened ? 0 : 3
        event.concurrency = UInt32(index % 3)
        event.project = UInt16(index % 4)
        event.state = ConcurrencyState.allCases[index % ConcurrencyState.allCases.count]
        event.deadline = 90_000_000
        event.session = UInt64(index)
        event.namesSession = index % 2 == 1
        event.inputSession = index % 2 == 1 ? 7 : 0
        event.flag = index % 3 == 0
        event.previousOfUser = UInt64(index / 2)
        event.previousOfConcurrency = UInt64(index / 3)
        return event
    }

    static let named: [NamedEvent] = all.map {
        NamedEvent(
            event: $0, user: $0.user == 0 ? "" : "e\u{301}\"名",
            project: $0.project == 0 ? "" : "p,q",
            inputProject: $0.kind == .applied ? "play" : "",
            clientAddress: $0.kind == .applied ? "192.0.2.0/24" : nil)
    }
}
