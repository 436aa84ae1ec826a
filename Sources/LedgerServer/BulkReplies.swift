import JSON
import Ledger
import NIOCore
import ReconnectionRules

/// The lines that answer a batch, written block by block.
///
/// `{"line":1,"position":7,"outcome":"waiting","state":"waiting","concurrency":"cap-demo/1",
/// "session":"6","deadline":"2026-11-23T11:12:37.236015Z"}`, each on one line. Every key is always
/// there. A reconnect has `positions` and `outcomes` of its three events, and the state after them.
struct BulkReplies {
    /// A block is sent once it has so many bytes.
    private static let blockByteCount = 64 << 10
    /// No line is longer, its concurrency left out: three numbers of 20 digits and three outcomes.
    private static let lineByteCountMax = 512

    private let batch: BulkBatch
    private let reply: ActionBatchReply
    private var names = ProjectNames()
    private var lineIndex = 0
    private var itemIndex = 0
    private var faultIndex = 0

    init(_ batch: BulkBatch, _ reply: ActionBatchReply) {
        self.batch = batch
        self.reply = reply
    }

    /// Nil once every line is answered.
    mutating func nextBlock(_ allocator: ByteBufferAllocator) -> ByteBuffer? {
        guard lineIndex < batch.lines.count else { return nil }
        var block = allocator.buffer(capacity: Self.blockByteCount + 4096)
        while lineIndex < batch.lines.count, block.readableBytes < Self.blockByteCount {
            let number = batch.firstLine + UInt64(lineIndex)
            switch batch.lines[lineIndex] {
            case .blank: break
            case .single:
                write(number, reply[itemIndex], &block)
                itemIndex += 1
            case .reconnect:
                write(number, reconnect: itemIndex, &block)
                itemIndex += 3
            case .faulty:
                Self.write(number, batch.faults[faultIndex], &block)
                faultIndex += 1
            }
            lineIndex += 1
        }
        return block
    }

    private mutating func write(
        _ number: UInt64, _ item: ActionBatchReply.Item, _ block: inout ByteBuffer
    ) {
        if let fault = Self.fault(item) { return Self.write(number, fault, &block) }
        line(about: item, &block) { line in
            line.append(#"{"line":"#)
            line.append(number)
            line.append(#","position":"#)
            line.append(item.position)
            line.append(#","outcome":""#)
            line.append(EventWords.outcome(item.outcome))
            line.append("\"")
        }
    }

    private mutating func write(_ number: UInt64, reconnect index: Int, _ block: inout ByteBuffer) {
        let (first, second, third) = (reply[index], reply[index + 1], reply[index + 2])
        for item in [first, second, third] {
            if let fault = Self.fault(item) { return Self.write(number, fault, &block) }
        }
        line(about: third, &block) { line in
            line.append(#"{"line":"#)
            line.append(number)
            line.append(#","positions":["#)
            line.append(first.position)
            line.append(",")
            line.append(second.position)
            line.append(",")
            line.append(third.position)
            line.append(#"],"outcomes":[""#)
            line.append(EventWords.outcome(first.outcome))
            line.append(#"",""#)
            line.append(EventWords.outcome(second.outcome))
            line.append(#"",""#)
            line.append(EventWords.outcome(third.outcome))
            line.append(#""]"#)
        }
    }

    /// A line that begins with `beginning` and goes on with what the item says of a concurrency.
    @inline(__always)
    private mutating func line(
        about item: ActionBatchReply.Item, _ block: inout ByteBuffer,
        _ beginning: (inout LineOutput) -> Void
    ) {
        let project = names.bytes(of: item.project, in: reply)
        let byteCountMax = Self.lineByteCountMax + project.count
        block.writeWithUnsafeMutableBytes(minimumWritableBytes: byteCountMax) { memory in
            var line = LineOutput(memory)
            beginning(&line)
            if item.state == .none {
                line.append(#","state":null"#)
            } else {
                line.append(#","state":""#)
                line.append(EventWords.state(item.state))
                line.append("\"")
            }
            if item.concurrency == 0 {
                line.append(#","concurrency":null"#)
            } else {
                line.append(#","concurrency":""#)
                line.append(project)
                line.append("/")
                line.append(UInt64(item.concurrency))
                line.append("\"")
            }
            if item.session == 0 {
                line.append(#","session":null"#)
            } else {
                line.append(#","session":""#)
                line.append(item.session)
                line.append("\"")
            }
            if item.deadline == 0 {
                line.append(#","deadline":null"#)
            } else {
                line.append(#","deadline":""#)
                line.append(time: item.deadline)
                line.append("\"")
            }
            line.append("}\n")
            return line.count
        }
    }

    // MARK: - Faults

    private static func fault(_ item: ActionBatchReply.Item) -> BulkFault? {
        switch item.fault {
        case .none: nil
        case .invalidUser: .invalidUser
        case .unknownProject: .unknownProject
        case .outOfScope: .otherProject
        }
    }

    private static func write(_ number: UInt64, _ fault: BulkFault, _ block: inout ByteBuffer) {
        block.writeBytes(
            JSONObjectWriter.bytes { line in
                line.unsigned("line", number)
                line.object("error") { error in
                    error.string("code", fault.code.rawValue)
                    error.string("message", fault.message)
                }
            })
        block.writeInteger(UInt8(ascii: "\n"))
    }

    /// The last line of a stream that the server ends.
    static func last(code: String, message: String) -> ByteBuffer {
        let line = JSONObjectWriter.bytes { line in
            line.object("error") { error in
                error.string("code", code)
                error.string("message", message)
            }
        }
        return ByteBuffer(bytes: line + [UInt8(ascii: "\n")])
    }
}

/// The names of projects as they stand inside a JSON string.
private struct ProjectNames {
    private var last: ProjectNumber = 0
    private var lastBytes: [UInt8] = []
    private var known: [ProjectNumber: [UInt8]] = [:]

    @inline(__always)
    mutating func bytes(of number: ProjectNumber, in reply: ActionBatchReply) -> [UInt8] {
        if number == last { return lastBytes }
        if number == 0 { return [] }
        last = number
        lastBytes = known[number] ?? escaped(reply.projectNames[number] ?? "")
        known[number] = lastBytes
        return lastBytes
    }

    /// Names have no control characters, so that two characters alone need a backslash.
    private func escaped(_ name: String) -> [UInt8] {
        var bytes: [UInt8] = []
        for byte in name.utf8 {
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                bytes.append(UInt8(ascii: "\\"))
            }
            bytes.append(byte)
        }
        return bytes
    }
}

/// Outcomes and states as bytes, by their numbers.
private enum EventWords {
    @inline(__always)
    static func outcome(_ outcome: Event.Outcome) -> [UInt8] { outcomes[Int(outcome.rawValue)] }

    @inline(__always)
    static func state(_ state: ConcurrencyState) -> [UInt8] { states[Int(state.rawValue)] }

    private static let outcomes: [[UInt8]] = {
        var words = [[UInt8]](repeating: [], count: 256)
        for value in Event.Outcome.allCases { words[Int(value.rawValue)] = Array(value.name.utf8) }
        return words
    }()

    private static let states: [[UInt8]] = {
        var words = [[UInt8]](repeating: [], count: 256)
        for value in ConcurrencyState.allCases {
            words[Int(value.rawValue)] = Array(value.name.utf8)
        }
        return words
    }()
}

/// Writes to memory that was made large enough beforehand.
private struct LineOutput {
    private let start: UnsafeMutablePointer<UInt8>
    private(set) var count = 0

    init(_ memory: UnsafeMutableRawBufferPointer) {
        start = memory.baseAddress!.assumingMemoryBound(to: UInt8.self)
    }

    @inline(__always)
    mutating func append(_ text: StaticString) {
        (start + count).update(from: text.utf8Start, count: text.utf8CodeUnitCount)
        count += text.utf8CodeUnitCount
    }

    @inline(__always)
    mutating func append(_ bytes: [UInt8]) {
        bytes.withUnsafeBufferPointer { bytes in
            guard let base = bytes.baseAddress else { return }
            (start + count).update(from: base, count: bytes.count)
        }
        count += bytes.count
    }

    @inline(__always)
    mutating func append(_ value: UInt64) {
        var digits = 1
        var bound: UInt64 = 10
        while digits < 20, value >= bound {
            digits += 1
            if digits < 20 { bound &*= 10 }
        }
        var rest = value
        var index = count + digits
        count = index
        repeat {
            index -= 1
            start[index] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        } while rest > 0
    }

    mutating func append(time: Microseconds) {
        if Timestamp.usualTimes.contains(time) {
            Timestamp.write(time, to: start + count)
            count += Timestamp.byteCount
        } else {
            append(Array(Timestamp.text(time).utf8))
        }
    }
}
