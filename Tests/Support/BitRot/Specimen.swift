import Audit
import EventLog
import Ledger
public import LogForge
import ReconnectionRules

/// How bytes go bad.
public enum Decay: String, Sendable, CaseIterable, Codable {
    case bit, byte
    /// 512 bytes of zeros.
    case sector
    /// Two pages in each other's place.
    case swap
}

/// One thing that goes wrong in one file.
public struct Flip: Sendable {
    public var decay: Decay
    public var file: String
    public var offset: Int
    /// What the changed bytes are for: the most that one of them is.
    public var use: ByteUse
    /// The changed bytes by their offsets.
    var changes: [Int: UInt8]
    /// Whether a reader has the ledger open before it happens.
    public var isUnderReader: Bool

    /// Whether it changes nothing but the number of a commit in one of the log's meta pages.
    var isOfTransactionNumber: Bool {
        file == "log/data.mdb"
            && changes.keys.allSatisfy { $0 < 8192 && (144 ..< 152).contains($0 % 4096) }
    }
}

/// What came of one.
public struct Finding: Sendable {
    public enum Outcome: String, Sendable, CaseIterable, Codable {
        /// `verify` says so, and nothing wrong was answered.
        case found
        /// Nothing says so, and every answer is right.
        case harmless
        /// Beneath an open reader: no wrong answer.
        case notServed
        /// A change of live bytes that `verify` does not see.
        case missed
        /// A wrong answer, from whatever command.
        case served
        /// A transaction number became smaller by two, so that LMDB goes by the commit before, and
        /// commands answer as they did then. `verify` says so where a later view is stored.
        case takenBack
        /// `verify` refuses what changes nothing.
        case falseAlarm
        /// The process ended by a signal; told by whoever waits for it.
        case crash
        /// The same beneath an open reader, which LMDB lets follow what it read.
        case stopped
    }

    public var outcome: Outcome
    public var detail: String

    public var isFault: Bool {
        switch outcome {
        case .found, .harmless, .notServed, .stopped, .takenBack: false
        case .missed, .served, .falseAlarm, .crash: true
        }
    }
}

/// A ledger, what is in each byte of its files, and what it answers while it is whole.
public final class Specimen {
    /// A file and the offsets of its bytes by use.
    struct Part {
        let name: String
        let bytes: [UInt8]
        let uses: [ByteUse]
        let offsets: [[Int]]
        let isPaged: Bool
    }

    public let shape: Shape
    let parts: [Part]
    private let directory: DataDirectory
    private let right: Answers
    private let sound: VerifyReport
    private let rightReply: String

    /// Makes the ledger in a directory, which is the specimen's own from then on.
    public init(_ shape: Shape, seed: UInt64, in path: String) throws {
        self.shape = shape
        directory = DataDirectory(path)
        try shape.make(in: path, seed: seed)
        parts = Self.parts(of: path)
        right = Answers(of: directory)
        precondition(right.errors.isEmpty, "\(right.errors)")
        sound = try Verifier.verify(directory)
        precondition(
            sound.checkpointFaults.isEmpty && sound.viewsFault == nil && sound.keyFaults.isEmpty
                && !sound.hasDamagedSignOfLife && sound.keptCheckpointCount > 0, "\(sound)")
        rightReply = try Self.write(directory)
        restore()
    }

    /// Bytes of all files by file and use: what the flips are drawn from.
    public var byteCounts: [(file: String, use: ByteUse, count: Int)] {
        parts.flatMap { part in
            ByteUse.allCases.map { (part.name, $0, part.offsets[Int($0.rawValue)].count) }
        }
    }

    // MARK: - Files

    private static func parts(of path: String) -> [Part] {
        var parts: [Part] = []
        for (name, content) in Files.all(below: path).sorted(by: { $0.key < $1.key }) {
            guard !name.hasSuffix("lock.mdb"), name != "owner.lock", !content.isEmpty else {
                continue
            }
            var bytes = content
            let isPaged = name.hasSuffix("data.mdb")
            var uses = [ByteUse](repeating: .live, count: bytes.count)
            if isPaged {
                // Behind it lies space taken ahead, and of that some stays.
                bytes = Array(bytes.prefix(PageMap.usedByteCount(bytes) + 8192))
                uses = PageMap(bytes).uses
            } else if name == "sign-of-life" {
                uses = bytes.indices.map { $0 % 512 < 24 ? .live : .unused }
            } else if name == "tree" || name == "head.note" {
                uses = bytes.map { _ in .redundant }
            }
            let offsets = ByteUse.allCases.map { use in uses.indices.filter { uses[$0] == use } }
            parts.append(
                Part(name: name, bytes: bytes, uses: uses, offsets: offsets, isPaged: isPaged))
        }
        return parts
    }

    /// Puts every file back.
    public func restore() {
        for name in ["log/lock.mdb", "views/lock.mdb", "owner.lock"] {
            Files.remove(directory.path + "/" + name)
        }
        for part in parts { Files.write(part.bytes, to: directory.path + "/" + part.name) }
        let known = Set(parts.map(\.name))
        for name in Files.all(below: directory.path).keys
        where name.contains("checkpoints/") && !known.contains(name) {
            Files.remove(directory.path + "/" + name)
        }
    }

    // MARK: - Flips

    /// Draws a flip. Nil where the draw changes nothing.
    public func draw(_ generator: inout SeededGenerator) -> Flip? {
        let use: ByteUse =
            switch generator.below(20) {
            case 0: .unused
            case 1 ..< 4: .redundant
            default: .live
            }
        let candidates = parts.filter { !$0.offsets[Int(use.rawValue)].isEmpty }
        // Small files too: each second draw takes any file, the others go by length.
        let total = candidates.reduce(0) { $0 + $1.offsets[Int(use.rawValue)].count }
        guard total > 0 else { return nil }
        var part = candidates[generator.below(candidates.count)]
        if generator.below(2) == 0 {
            var place = generator.below(total)
            for candidate in candidates {
                let count = candidate.offsets[Int(use.rawValue)].count
                if place < count {
                    part = candidate
                    break
                }
                place -= count
            }
        }
        let offsets = part.offsets[Int(use.rawValue)]
        let offset = offsets[generator.below(offsets.count)]
        var decay: Decay =
            switch generator.below(20) {
            case 0: .sector
            case 1: .swap
            case 2, 3: .byte
            default: .bit
            }
        if !part.isPaged, decay == .swap { decay = .bit }
        let isUnderReader = part.name == "log/data.mdb" && generator.below(5) == 0
        return flip(decay, part, offset, isUnderReader, &generator)
    }

    /// A bit of the transaction number of the newest meta page, every one of them: too few bytes to
    /// be hit by chance, and the ones that take a commit back.
    public func transactionFlips() -> [Flip] {
        guard let part = parts.first(where: { $0.name == "log/data.mdb" }) else { return [] }
        return [144, 4096 + 144].flatMap { start in
            (0 ..< 64).map { bit in
                let offset = start + bit / 8
                return Flip(
                    decay: .bit, file: part.name, offset: offset, use: part.uses[offset],
                    changes: [offset: part.bytes[offset] ^ 1 << UInt8(bit % 8)],
                    isUnderReader: false)
            }
        }
    }

    /// Some bits of the keys in the log's branch pages, while a reader has it open.
    public func separatorFlips() -> [Flip] {
        guard let part = parts.first(where: { $0.name == "log/data.mdb" }) else { return [] }
        func number(_ offset: Int) -> Int {
            Int(part.bytes[offset]) | Int(part.bytes[offset + 1]) << 8
        }
        var flips: [Flip] = []
        for page in (2 ..< part.bytes.count / 4096).map({ $0 * 4096 })
        where part.bytes[page + 10] == 1 && part.uses[page + 10] == .live {
            for pointer in stride(from: 18, to: number(page + 12), by: 2) {
                let key = page + number(page + pointer) + 8
                for offset in [key + 6, key + 7] {
                    for bit in 0 ..< 8 {
                        flips.append(
                            Flip(
                                decay: .bit, file: part.name, offset: offset, use: .redundant,
                                changes: [offset: part.bytes[offset] ^ 1 << UInt8(bit)],
                                isUnderReader: true))
                    }
                }
            }
        }
        return flips
    }

    private func flip(
        _ decay: Decay, _ part: Part, _ offset: Int, _ isUnderReader: Bool,
        _ generator: inout SeededGenerator
    ) -> Flip? {
        var changes: [Int: UInt8] = [:]
        let bytes = part.bytes
        switch decay {
        case .bit: changes[offset] = bytes[offset] ^ 1 << UInt8(generator.below(8))
        case .byte: changes[offset] = bytes[offset] ^ UInt8(1 + generator.below(255))
        case .sector:
            let start = offset / 512 * 512
            for index in start ..< min(start + 512, bytes.count) where bytes[index] != 0 {
                changes[index] = 0
            }
        case .swap:
            let pageCount = bytes.count / 4096
            let (first, second) = (offset / 4096, generator.below(pageCount))
            for index in 0 ..< 4096 where first < pageCount {
                let (left, right) = (first * 4096 + index, second * 4096 + index)
                if bytes[left] != bytes[right] {
                    (changes[left], changes[right]) = (bytes[right], bytes[left])
                }
            }
        }
        guard !changes.isEmpty else { return nil }
        let use = changes.keys.map { part.uses[$0] }.max { $0.rawValue < $1.rawValue }!
        return Flip(
            decay: decay, file: part.name, offset: offset, use: use, changes: changes,
            isUnderReader: isUnderReader)
    }

    private func apply(_ flip: Flip) {
        let path = directory.path + "/" + flip.file
        guard let file = UpdatedFile(path) else { preconditionFailure("cannot open \(path)") }
        for (offset, byte) in flip.changes { file.write(byte, at: offset) }
    }

    // MARK: - Looking

    /// Lets it happen, looks, and puts everything back. May crash, which is a finding too: run it
    /// where that can be told.
    public func look(at flip: Flip, writes: Bool) -> Finding {
        defer { restore() }
        if flip.isUnderReader { return lookBeneathReader(flip) }
        apply(flip)
        let alarm = verify()
        let answers = Answers(of: directory)
        if let difference = answers.difference(from: right) {
            // The same bytes as after a cut before the commit: only what stands elsewhere can tell.
            if flip.isOfTransactionNumber {
                return Finding(outcome: .takenBack, detail: alarm ?? difference)
            }
            return Finding(outcome: .served, detail: difference)
        }
        if writes || (alarm == nil && flip.use != .live) {
            if let fault = writeFault(isSound: alarm == nil) {
                return Finding(outcome: .served, detail: fault)
            }
        }
        if let alarm {
            // Bytes that nothing reads are no reason to refuse anything.
            return Finding(outcome: flip.use == .unused ? .falseAlarm : .found, detail: alarm)
        }
        if flip.use == .live { return Finding(outcome: .missed, detail: "verify finds nothing") }
        if let error = answers.errors.first {
            return Finding(outcome: .missed, detail: "refused, and verify finds nothing: \(error)")
        }
        return Finding(outcome: .harmless, detail: "")
    }

    private func lookBeneathReader(_ flip: Flip) -> Finding {
        let reader: LedgerReader
        do { reader = try LedgerReader(opening: directory.path) } catch {
            return Finding(outcome: .falseAlarm, detail: "\(error)")
        }
        apply(flip)
        let answers = Answers(asking: reader)
        if let difference = answers.difference(from: right) {
            return Finding(outcome: .served, detail: "beneath a reader: \(difference)")
        }
        return Finding(outcome: .notServed, detail: answers.errors.first ?? "")
    }

    /// What `verify` says, nil if it calls all of it sound.
    private func verify() -> String? {
        do {
            let report = try Verifier.verify(directory)
            if let fault = report.keyFaults.first ?? report.viewsFault { return fault }
            if let fault = report.checkpointFaults.first { return fault.description }
            if report.hasDamagedSignOfLife { return "the sign of life is damaged" }
            guard report.head == sound.head, report.stateDigest == sound.stateDigest,
                report.eventCount == sound.eventCount, report.batchCount == sound.batchCount,
                report.keptCheckpointCount == sound.keptCheckpointCount,
                report.unopenedNameCount == sound.unopenedNameCount
            else { return "reported otherwise" }
            return nil
        } catch { return "\(error)" }
    }

    /// What a writer that opens it answers wrongly, nil if nothing: it may refuse.
    private func writeFault(isSound: Bool) -> String? {
        let reply: String
        do { reply = try Self.write(directory) } catch { return nil }
        guard reply == rightReply else { return "a writer answers otherwise: \(reply)" }
        guard isSound else { return nil }
        do {
            _ = try Verifier.verify(directory)
            return nil
        } catch { return "after a writer the log is damaged: \(error)" }
    }

    /// Opens for writing as a server does, and acts: what is answered, as text.
    private static func write(_ directory: DataDirectory) throws -> String {
        var options = Ledger.Options()
        options.random = .repeatable(seed: 5)
        let ledger = try WritableLedger(opening: directory, options: options)
        var now: Microseconds = .seconds(1_800_000_000)
        var replies: [String] = []
        for user in ["user-1", "user-2", "a newcomer"] {
            for action in [
                Action.apply(user: user, project: "alpha"), .createSession(user: user),
                .disconnect(user: user),
            ] {
                now += .seconds(1)
                try ledger.core.settle(at: now, wallOffset: nil)
                replies.append("\(try ledger.core.perform(action, at: now, by: .library))")
            }
        }
        try ledger.core.commit(wallOffset: nil)
        return replies.joined(separator: "\n") + "\(StateDigest.of(ledger.core.state))"
    }
}
