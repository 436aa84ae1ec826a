import EventLog
import Ledger
import LedgerModel
import PowerCuts
import ReconnectionRules
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

extension LedgerTests {
    /// The power fails at any moment. Between two waits for the disk a file may keep any of what
    /// was written to it, in any order, sector by sector, and names any of what was done to them.
    /// Whatever that leaves of a data directory: the log opens, its chain is whole, everything
    /// answered by then is in it, and every view of it says so.
    ///
    /// `HOLDFAST_POWER_CUTS` raises the number of states; `Tools/power-cuts` opens many more.
    @Suite(.enabled(if: DiskJournal.isAvailable, "needs glibc, dynamically linked"))
    struct PowerLoss {
        private let scratch: Scratch

        init() throws { scratch = try Scratch(isInMemory: true) }

        private func cuts(_ seed: UInt64, _ kind: Load.Kind?) -> PowerCuts {
            var cuts = PowerCuts(folder: scratch.path + "/cuts", seed: seed)
            cuts.kind = kind
            cuts.stateCount = max(36, environmentNumber("HOLDFAST_POWER_CUTS", default: 0) / 6)
            return cuts
        }

        private static let kinds: [Load.Kind] = [
            .engine, .engine, .backup, .restore, .importing, .rebuild,
        ]

        @Test(arguments: kinds.indices.map { ($0, kinds[$0]) })
        func whatWasAnsweredSurvivesAPowerCut(number: Int, kind: Load.Kind) async throws {
            let seed = seed("power cuts, \(kind)") &+ UInt64(number)
            let (recording, tally) = try await cuts(seed, kind).run()
            print("power cuts: \(recording.name); \(tally.stateCount) states")
            #expect(tally.blankCount + tally.exactCount + tally.longerCount == tally.stateCount)
            #expect(tally.answerCount > 0 && tally.verifiedCount > 2)
            #expect(tally.shorterCount == 0 && tally.refusedCount == 0)
            if [.backup, .restore, .importing].contains(kind) { #expect(tally.unfinishedCount > 0) }
        }

        /// A medium that says a wait is over and has not written: what is left is refused, or it is
        /// the beginning of what was answered, sound in itself, and no head fits it that covers
        /// more.
        @Test func aMediumThatLiesLeavesABeginningOrARefusal() async throws {
            var tally = CutTally()
            for number in 0 ..< 3 {
                var cuts = cuts(seed("lying") &+ UInt64(number), .engine)
                cuts.lieEvery = 1
                tally.add(try await cuts.run().tally)
            }
            print("lying: \(tally.shorterCount) shorter, \(tally.refusedCount) refused")
            #expect(tally.shorterCount + tally.refusedCount > 0)
        }

        /// The canary: the same states, held to what an honest medium owes, are found at fault.
        @Test func aWaitThatDoesNothingIsFound() async throws {
            var found = 0
            for number in 0 ..< 3 {
                var cuts = cuts(seed("canary") &+ UInt64(number), .engine)
                cuts.lieEvery = 1
                cuts.hidesLies = true
                do { _ = try await cuts.run() } catch let failure as PowerCutFailure {
                    found += 1
                    #expect(failure.description.contains("seed"))
                }
            }
            #expect(found > 0)
        }

        // MARK: - What was found

        /// The directory's own name, in its parent, is waited for as well.
        @Test func aNewLedgerIsThereWithTheFirstAnswer() async throws {
            let folder = scratch.path + "/new"
            mkdir(folder, 0o700)
            let journal = DiskJournal(of: folder)
            let ledger = try Ledger(opening: folder + "/data")
            try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 1))
            let count = journal.count
            await ledger.close()
            var model = DiskModel(journal.steps, folder: folder)
            model.advance(to: count)
            var random = SplitMix64(seed: 1)
            let state = model.draw(DiskState.Share.none, &random)
            for name in ["/data", "/data/log", "/data/log/data.mdb", "/data/personal.keys"] {
                #expect(state.entries.keys.contains(name), "\(name) is lost")
            }
        }

        /// Whoever made the files may have been killed before it waited for their names: who opens
        /// them next, and answers, does.
        @Test func anOpeningWaitsForTheNamesThatItFinds() async throws {
            let path = scratch.path + "/killed"
            do {
                let ledger = try Ledger(opening: path)
                try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 1))
                await ledger.close()
            }
            #expect(try await eventually { (try? LedgerReader(opening: path)) != nil })
            let journal = DiskJournal(of: scratch.path)
            let ledger = try Ledger(opening: path)
            let waited = Set(journal.steps.filter { $0.kind == .sync }.map(\.inode))
            for directory in [scratch.path, path, path + "/log"] {
                var status = stat()
                #expect(stat(directory, &status) == 0 && waited.contains(UInt64(status.st_ino)))
            }
            await ledger.close()
        }
    }

    /// The model of a disk that the power cuts are drawn from.
    @Suite struct Disk {
        private func step(
            _ kind: DiskStep.Kind, _ begun: Int, inode: UInt64 = 7, offset: Int = 0,
            path: String = "", to other: String = "", bytes: [UInt8] = []
        ) -> DiskStep {
            DiskStep(
                kind: kind, begun: begun, inode: inode, offset: offset, path: path,
                otherPath: other, bytes: bytes)
        }

        private func states(
            _ steps: [DiskStep], _ share: DiskState.Share? = nil
        ) -> [[String: [UInt8]?]] {
            var model = DiskModel(steps, folder: "/f")
            model.advance(to: steps.count)
            var random = SplitMix64(seed: 3)
            return (0 ..< 200).map { _ in model.draw(share, &random).entries }
        }

        @Test func sectorsComeAndStayAwayByThemselves() {
            let steps = [
                step(.create, 0, path: "/f/a"), step(.sync, 1, inode: 1),
                step(.write, 2, bytes: [UInt8](repeating: 1, count: 1_024)),
                step(.write, 3, offset: 512, bytes: [UInt8](repeating: 2, count: 512)),
            ]
            let contents = Set(states(steps).map { $0["/a"]!! })
            for first in [UInt8(0), 1] {
                for second in [UInt8(0), 1, 2] where first > 0 || second > 0 {
                    let sectors = [first, second].map { [UInt8](repeating: $0, count: 512) }
                    let whole = Array(sectors.joined())
                    let short = second == 0 ? sectors[0] : whole
                    #expect(contents.contains(short) || contents.contains(whole))
                }
            }
            #expect(contents.contains([]))
        }

        @Test func aWaitCoversWhatWasDoneBeforeItBegan() {
            let steps = [
                step(.create, 0, path: "/f/a"), step(.sync, 1, inode: 1),
                step(.write, 2, bytes: [1]), step(.write, 3, offset: 1, bytes: [2]),
                // Began before the second write, ended after it.
                step(.sync, 3),
            ]
            #expect(Set(states(steps).map { $0["/a"]!! }) == [[1], [1, 2]])
        }

        @Test func aRenameHappensWholeOrNotAtAll() {
            let steps = [
                step(.create, 0, path: "/f/a"), step(.create, 1, inode: 8, path: "/f/b"),
                step(.write, 2, bytes: [1]), step(.sync, 3),
                step(.write, 4, inode: 8, bytes: [2]), step(.sync, 5, inode: 8),
                step(.sync, 6, inode: 1), step(.rename, 7, path: "/f/b", to: "/f/a"),
            ]
            let found = Set(states(steps).map { "\($0["/a"]!!) \($0["/b"] != nil)" })
            #expect(found == ["[1] true", "[2] false"])
            // Waited for, it has happened.
            #expect(states(steps + [step(.sync, 8, inode: 1)], DiskState.Share.none)
                .allSatisfy { $0["/a"]!! == [2] && $0["/b"] == nil })
        }

        @Test func aNameThatWasNotWaitedForMayBeLost() {
            let steps = [
                step(.makeDirectory, 0, inode: 9, path: "/f/d"),
                step(.create, 1, path: "/f/d/a"), step(.write, 2, bytes: [1]), step(.sync, 3),
            ]
            let found = states(steps)
            #expect(found.contains { $0.isEmpty })
            #expect(found.contains { $0["/d"] != nil && $0["/d/a"] == nil })
            #expect(found.contains { $0["/d/a"] == .some([1]) })
        }
    }
}
