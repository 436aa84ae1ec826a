import Audit
import EventLog
import Ledger
import LedgerModel
import Proofs
import ReconnectionRules

/// What was wrong with what a power cut left: the defect of the ledger that this is all about.
public struct CutFault: Error, CustomStringConvertible {
    public var description: String

    init(_ what: String) { description = what }
}

/// How the states that were opened came out.
public struct CutTally: Sendable, Equatable {
    /// States that were opened.
    public var stateCount = 0
    /// Nothing was answered by then, and there is no ledger yet, or one whose creation was cut
    /// short.
    public var blankCount = 0
    /// Everything answered was there, and nothing more.
    public var exactCount = 0
    /// More was there than was answered.
    public var longerCount = 0
    /// The medium had lied: fewer events than were answered, all of them sound.
    public var shorterCount = 0
    /// The medium had lied: refused with an error.
    public var refusedCount = 0
    /// Answers that were looked for in a log and found as given.
    public var answerCount = 0
    /// States that were also verified, with the heads kept outside.
    public var verifiedCount = 0
    /// States that were also written to again.
    public var continuedCount = 0
    /// States of backups, restores and imports that were whole, and that were not yet.
    public var wholeCount = 0
    public var unfinishedCount = 0
    /// Views that were not used, because what the cut left of them fits no log.
    public var droppedViewCount = 0
    /// Why a medium that lied was refused, with a count each.
    public var refusals: [String: Int] = [:]

    public init() {}

    public mutating func add(_ other: CutTally) {
        stateCount += other.stateCount
        blankCount += other.blankCount
        exactCount += other.exactCount
        longerCount += other.longerCount
        shorterCount += other.shorterCount
        refusedCount += other.refusedCount
        answerCount += other.answerCount
        verifiedCount += other.verifiedCount
        continuedCount += other.continuedCount
        wholeCount += other.wholeCount
        unfinishedCount += other.unfinishedCount
        droppedViewCount += other.droppedViewCount
        refusals.merge(other.refusals) { $0 + $1 }
    }
}

/// Opens what a power cut left, and holds it to what had been answered.
public struct CutAudit: Sendable {
    private let recording: Recording
    private let medium: Medium
    private let root: String
    private var random: SplitMix64
    public private(set) var tally = CutTally()

    /// - Parameter root: the folder the state was written below.
    public init(_ recording: Recording, _ medium: Medium, root: String, seed: UInt64) {
        self.recording = recording
        self.medium = medium
        self.root = root
        random = SplitMix64(seed: seed)
    }

    private var isHonest: Bool { medium == .honest }

    /// Throws `CutFault` for whatever must never be.
    ///
    /// - Parameter depth: 0 opens and compares; 1 also verifies, and asks for a past state; 2 also
    ///   writes on.
    public mutating func check(cut: Int, depth: Int) async throws {
        tally.stateCount += 1
        let answers = recording.answers(by: cut)
        let published = recording.published.filter { $0.stepCount <= cut }
        do {
            let head = try read(answers, published, depth)
            if depth > 1, head > 0 {
                // What a medium lost for good, the next events take the positions of.
                try await goOn(answers.filter { $0.event.position <= head }[...])
                tally.continuedCount += 1
            }
        } catch let fault as CutFault { throw fault } catch {
            try refused(error, answers, published)
        }
        for promise in recording.promises { try check(promise, cut) }
    }

    /// An error is fine where nothing was promised, or where the medium broke its own promise.
    private mutating func refused(
        _ error: any Error, _ answers: ArraySlice<Recording.Answer>,
        _ published: [Recording.Published]
    ) throws {
        guard error is LedgerError || error is LogError || error is ProofError else {
            throw CutFault("an error of another kind: \(error)")
        }
        let text = "\(error)"
        guard !text.contains("\n") else { throw CutFault("an error of two lines: \(text)") }
        if isHonest {
            guard answers.isEmpty, published.isEmpty else {
                throw CutFault("refused, with \(answers.count) answers given: \(text)")
            }
            tally.blankCount += 1
            return
        }
        tally.refusedCount += 1
        let reason = text.replacing(root, with: "DIR")
        tally.refusals[String(reason.prefix(70)), default: 0] += 1
    }

    // MARK: - Reading

    /// Returns the newest position there is.
    private mutating func read(
        _ answers: ArraySlice<Recording.Answer>, _ published: [Recording.Published], _ depth: Int
    ) throws -> Position {
        let directory = DataDirectory(root + "/data")
        let log = try inspect(directory, answers, depth)
        let head = log.view.head.position
        // The log is opened once in a process at a time.
        try comparePublished(published, directory, log, depth)
        if depth > 0 { tally.verifiedCount += 1 }
        let newest = answers.map(\.event.position).max() ?? 0
        if head > newest {
            tally.longerCount += 1
        } else if head == newest {
            tally.exactCount += 1
        } else {
            tally.shorterCount += 1
        }
        return head
    }

    private mutating func inspect(
        _ directory: DataDirectory, _ answers: ArraySlice<Recording.Answer>, _ depth: Int
    ) throws -> Folded {
        let reader = try LedgerReader(opening: directory.path)
        let log = try fold(reader)
        let head = log.view.head.position
        guard reader.head == log.view.head else {
            throw CutFault("the view stands at \(reader.head), the log at \(log.view.head)")
        }
        guard StateDigest.of(reader.state) == StateDigest.of(log.view.state) else {
            throw CutFault("the view is not what the events lead to, at \(head)")
        }
        if reader.recovery.rejection != nil { tally.droppedViewCount += 1 }
        try compare(answers, log, reader)
        if depth > 0 { try comparePast(reader, log) }
        return log
    }

    /// A log as its batches say.
    private struct Folded {
        var events: [Position: Event] = [:]
        var view: RecoveredView
        var batchCount = 0
        /// The state at the end of one of the batches.
        var past: (position: Position, digest: Digest32)?
    }

    /// Folds the whole log, every hash and link checked.
    private mutating func fold(_ reader: LedgerReader) throws -> Folded {
        var folded = Folded(view: RecoveredView(keys: reader.view.keys))
        let chosen = random.below(max(1, Int(reader.head.position)))
        try reader.log.forEachBatch { batch in
            try folded.view.fold(batch)
            try batch.forEachEvent { event, _ in folded.events[event.position] = event }
            folded.batchCount += 1
            if folded.past == nil, batch.lastPosition >= chosen {
                folded.past = (batch.lastPosition, StateDigest.of(folded.view.state))
            }
            return true
        }
        return folded
    }

    private mutating func compare(
        _ answers: ArraySlice<Recording.Answer>, _ log: Folded, _ reader: LedgerReader
    ) throws {
        let head = log.view.head.position
        for answer in answers {
            let position = answer.event.position
            guard let event = log.events[position] else {
                if !isHonest, position > head { continue }
                throw CutFault("the answer at \(position) is lost; the log ends at \(head)")
            }
            guard event == answer.event else {
                throw CutFault("the answer at \(position) was \(answer.event), is \(event)")
            }
            tally.answerCount += 1
        }
        for number in 0 ..< UInt32(reader.state.users.count) where number > 0 {
            guard reader.userName(of: number) == log.view.users.name(of: number),
                reader.isForgotten(number) == log.view.users.isForgotten(number)
            else { throw CutFault("the view's name of user \(number) is not the log's") }
        }
        for answer in answers where !answer.user.isEmpty && answer.event.position <= head {
            let user = answer.event.user
            let name = reader.userName(of: user)
            guard name == answer.user || reader.isForgotten(user) else {
                throw CutFault("user \(user) is called \(name), was \(answer.user)")
            }
        }
        // A history by its back-pointers, beside the log read through.
        if let answer = answers.last(where: { !$0.user.isEmpty && $0.event.position <= head }),
            !reader.isForgotten(answer.event.user)
        {
            let history = try reader.history(ofUser: answer.user).map(\.event)
            let expected = log.events.values.filter { $0.user == answer.event.user }
                .sorted { $0.position > $1.position }
            guard history == expected else { throw CutFault("a history of \(answer.user)") }
        }
    }

    // MARK: - What is beside the log

    private func comparePublished(
        _ published: [Recording.Published], _ directory: DataDirectory, _ log: Folded, _ depth: Int
    ) throws {
        let file = Load.read(root + "/heads")
        let text = String(decoding: file, as: UTF8.self)
        for head in published {
            guard isHonest else { break }
            guard text.contains(String(decoding: head.head.bytes, as: UTF8.self)) else {
                throw CutFault("a head that was delivered is not in the file of heads")
            }
        }
        guard depth > 0 else { return }
        let kept = published.map { KeptHead($0.head) }
        let isShorter = published.contains { $0.head.head.size > UInt64(log.batchCount) }
        if isShorter, isHonest { throw CutFault("a head covers what the log does not have") }
        do {
            let plan = Verifier.Plan(threads: 1, kept: kept)
            let report = try Verifier.verify(log: directory.log, keysOf: directory, plan)
            guard !isShorter else {
                throw CutFault("a log that is shorter than a head kept outside was verified")
            }
            guard report.stateDigest == StateDigest.of(log.view.state) else {
                throw CutFault("verify came to another state")
            }
        } catch let error as LogError {
            if !isShorter, isHonest { throw CutFault("not verified: \(error)") }
        }
    }

    private func comparePast(_ reader: LedgerReader, _ log: Folded) throws {
        guard let past = log.past else { return }
        let states = PastStates(reader.log, reader.directory, head: reader.head.position)
        let state = try states.state(at: past.position)
        guard StateDigest.of(state) == past.digest else {
            throw CutFault("the state at \(past.position) is not what the events lead to")
        }
        _ = try TreeCheck.root(reader)
    }

    // MARK: - Writing on

    /// The ledger goes on: opened for writing, it finishes what was begun.
    private mutating func goOn(_ answers: ArraySlice<Recording.Answer>) async throws {
        let path = root + "/data"
        let clock = SteppedClock()
        clock.advance(by: .seconds(3_600))
        var options = LedgerOptions()
        options.clock = clock.clock
        let position: Position
        do {
            let ledger = try Ledger(opening: path, options: options)
            try await ledger.modifyProject("p9", ProjectChange(concurrencyCount: 1))
            position = try await ledger.apply(user: "later", project: "p9").event.position
            await ledger.close()
            if let failure = ledger.failure { throw failure }
        }
        let reader = try await FreedLedger.reader(path)
        guard reader.head.position == position else {
            throw CutFault("written to \(position), and it ends at \(reader.head.position)")
        }
        let log = try fold(reader)
        guard StateDigest.of(reader.state) == StateDigest.of(log.view.state) else {
            throw CutFault("after going on, the view is not what the events lead to")
        }
        try compare(answers, log, reader)
        guard let keys = reader.view.keys else { throw CutFault("no keys after going on") }
        for event in log.events.values where event.kind == .userForgotten {
            guard keys.isForgotten(event.user) else {
                throw CutFault("user \(event.user) was forgotten and still has a key")
            }
        }
    }


    // MARK: - Operations

    private mutating func check(_ promise: Recording.Promise, _ cut: Int) throws {
        let isPromised = promise.stepCount <= cut && isHonest
        let directory = DataDirectory(root + promise.path)
        do {
            guard try directory.content() == .ledger else {
                return try missing(promise, isPromised)
            }
            // A log without its manifest is no backup, and the mark beside it says so.
            if promise.kind == .backup, !directory.isBackup, isHonest {
                throw CutFault("an unfinished backup has no mark")
            }
            let reader = try LedgerReader(opening: directory.path)
            let digest = StateDigest.of(reader.state)
            if reader.head.position == promise.head, digest == promise.stateDigest {
                tally.wholeCount += 1
                return
            }
            // A medium that lied may have kept less of it, and nothing that was never written.
            guard !isHonest, reader.head.position < promise.head else {
                throw CutFault("a \(promise.kind) that is not whole is taken for one")
            }
            guard StateDigest.of(try fold(reader).view.state) == digest else {
                throw CutFault("the view of a \(promise.kind) is not what its events lead to")
            }
            tally.shorterCount += 1
        } catch let fault as CutFault { throw fault } catch {
            try missing(promise, isPromised, "\(error)")
        }
    }

    private mutating func missing(
        _ promise: Recording.Promise, _ isPromised: Bool, _ reason: String = "it is not there"
    ) throws {
        guard !isPromised else { throw CutFault("a \(promise.kind) is lost: \(reason)") }
        tally.unfinishedCount += 1
    }
}

/// The Merkle tree as a prover finds it.
private enum TreeCheck {
    static func root(_ reader: LedgerReader) throws -> TreeHash {
        let tree = try LogTree(reader.log, reader.directory)
        try tree.extend(through: reader.head.position)
        return tree.root
    }
}
