import EventLog
import LedgerModel

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A failure, and what leads to it again: the state that was opened is left where it lies.
public struct PowerCutFailure: Error, CustomStringConvertible {
    public var fault: String
    public var seed: UInt64
    public var load: String
    public var cut: Int
    public var medium: Medium
    public var folder: String

    public var description: String {
        "seed \(seed), cut after step \(cut), medium \(medium), load \(load): \(fault); the state "
            + "is in \(folder)"
    }
}

/// Records a run, cuts its power many times, and opens what is left.
public struct PowerCuts: Sendable {
    /// Where runs and states are written: memory, best of all.
    public var folder: String
    public var seed: UInt64
    public var kind: Load.Kind?
    /// States for one recorded run.
    public var stateCount = 400
    /// Of so many states one is of a medium that lies; 0 for none.
    public var lieEvery = 0
    /// Holds a medium that lies to what an honest one owes: to see that this finds faults.
    public var hidesLies = false
    /// Which step of how deep a look, in states: every 4th is verified, every 8th written to.
    public var verifyEvery = 4
    public var continueEvery = 8

    public init(folder: String, seed: UInt64) {
        self.folder = folder
        self.seed = seed
    }

    /// Throws `PowerCutFailure` for the first state that is wrong. `progress` hears each tally.
    public func run(
        progress: (CutTally) -> Void = { _ in }
    ) async throws -> (recording: Recording, tally: CutTally) {
        let load = Load(seed: seed, kind: kind)
        let run = folder + "/run"
        Self.clear(run)
        mkdir(folder, 0o700)
        mkdir(run, 0o700)
        let recording = try await load.record(in: run)
        Self.clear(run)
        var tally = CutTally()
        var random = SplitMix64(seed: seed ^ 0x5057_5243_5554)
        // Cuts in order, so that the disk is followed once.
        let lieCount = lieEvery > 0 ? stateCount / lieEvery : 0
        try await open(
            recording, .honest, stateCount - lieCount, &random, &tally, progress)
        for _ in 0 ..< (lieCount + 3) / 4 {
            let after = random.below(recording.steps.count)
            let about = random.pick(["", "/log/", "/views/", "/personal.keys", "/heads"])
            try await open(
                recording, .lying(after: after, about: about), min(4, lieCount), &random, &tally,
                progress)
        }
        return (recording, tally)
    }

    private func open(
        _ recording: Recording, _ medium: Medium, _ count: Int, _ random: inout SplitMix64,
        _ tally: inout CutTally, _ progress: (CutTally) -> Void
    ) async throws {
        let root = folder + "/state"
        var model = DiskModel(recording.steps, folder: recording.folder, medium: medium)
        for cut in cuts(recording, medium, count, &random) {
            model.advance(to: cut)
            let state = model.draw(nil, &random)
            Self.clear(root)
            mkdir(root, 0o700)
            let lock = lockFile(recording, &random)
            state.write(below: root) { $0.hasSuffix("/lock.mdb") ? lock : nil }
            var audit = CutAudit(
                recording, hidesLies ? .honest : medium, root: root, seed: random.next())
            let number = tally.stateCount + 1
            let depth = number % continueEvery == 0 ? 2 : number % verifyEvery == 0 ? 1 : 0
            do { try await audit.check(cut: cut, depth: depth) } catch {
                throw PowerCutFailure(
                    fault: "\(error)", seed: seed, load: recording.name, cut: cut, medium: medium,
                    folder: root)
            }
            tally.add(audit.tally)
            progress(audit.tally)
        }
        Self.clear(root)
    }

    /// Ascending. Steps that touch names or wait are rarer than writes, and more goes wrong there:
    /// half of the cuts come right before or behind one.
    private func cuts(
        _ recording: Recording, _ medium: Medium, _ count: Int, _ random: inout SplitMix64
    ) -> [Int] {
        var first = 0
        if case .lying(let after, _) = medium { first = after }
        let steps = recording.steps
        let marks = steps.indices.filter { index in
            guard index >= first else { return false }
            switch steps[index].kind {
            case .write, .extend: return false
            default: return true
            }
        }
        return (0 ..< count).map { _ in
            if !marks.isEmpty, random.chance(1, in: 2) {
                return random.pick(marks) + random.below(2)
            }
            return random.within(first ... steps.count)
        }.sorted()
    }

    /// What a map wrote may be there or not; what a power cut makes of it is anybody's guess.
    private func lockFile(_ recording: Recording, _ random: inout SplitMix64) -> [UInt8]? {
        switch random.below(3) {
        case 0: return nil
        case 1: return recording.lockFile.isEmpty ? nil : recording.lockFile
        default:
            let seed = random.next()
            return (0 ..< recording.lockFile.count).map {
                UInt8(truncatingIfNeeded: seed >> UInt64($0 & 56))
            }
        }
    }

    /// Removes a folder with everything in it.
    public static func clear(_ path: String) {
        if unlink(path) == 0 { return }
        guard let stream = opendir(path) else { return }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        closedir(stream)
        for name in names { clear(path + "/" + name) }
        rmdir(path)
    }
}
