import Audit
import EventLog
import Ledger
import LogForge
import ReconnectionRules
import Testing

/// What a verification accepts, and where it says a log was changed.
@Suite struct VerifierTests {
    private let scratch = ScratchDirectory()

    @Test(arguments: [1, 2, 3, 4, 5, 6] as [UInt64])
    func soundLogsPass(seed: UInt64) throws {
        let story = try Story(in: scratch("data"), seed: seed)
        let report = try Verifier.verify(story.directory)
        #expect(report.eventCount == UInt64(story.events.count))
        #expect(report.stateDigest == story.digest)
        let reader = try LedgerReader(opening: story.directory.path)
        #expect(report.head == reader.head)
        #expect(report.batchCount > 20)
        #expect(report.pageCount > 5)
    }

    @Test func theStoryHasWhatItIsToShow() throws {
        let events = try Story(in: scratch("data")).events
        // Epochs have a story of their own.
        #expect(Set(events.map(\.kind)).union([.epochBegun]) == Set(Event.Kind.allCases))
        let outcomes = Set(events.map(\.outcome))
        let rare: Set<Event.Outcome> = [.sessionNameRequired]
        #expect(outcomes.union(rare) == Set(Event.Outcome.allCases))
        #expect(events.contains { $0.jump != 0 })
        #expect(events.last?.outcome == .moved)
    }

    @Test func anEmptyLedgerPasses() throws {
        let directory = DataDirectory(scratch("data"))
        _ = try WritableLedger(opening: directory, options: Ledger.Options())
        let report = try Verifier.verify(directory)
        #expect(report.eventCount == 0 && report.batchCount == 0 && report.head == .empty)
    }

    @Test func progressReachesTheHead() throws {
        let story = try Story(in: scratch("data"))
        var last: (Position, Position) = (0, 0)
        _ = try Verifier.verify(story.directory) { last = ($0, $1) }
        #expect(last.0 == Position(story.events.count) && last.1 == last.0)
    }

    @Test func nothingToVerify() {
        #expect(throws: LedgerError.self) { try Verifier.verify(DataDirectory(scratch("nowhere"))) }
    }

    // MARK: - Somebody rewrites history and recomputes every hash

    /// Offset in the record, bytes of the field, which event, and what its change is called.
    struct Rewrite: Sendable, CustomTestStringConvertible {
        var name: String
        var offset: Int
        var byteCount: Int
        var value: UInt64
        var fits: @Sendable (Event) -> Bool
        var testDescription: String { name }

        init(
            _ name: String, _ offset: Int, _ byteCount: Int, _ value: UInt64,
            _ fits: @escaping @Sendable (Event) -> Bool
        ) {
            self.name = name
            self.offset = offset
            self.byteCount = byteCount
            self.value = value
            self.fits = fits
        }
    }

    static let rewrites: [Rewrite] = [
        Rewrite("a refusal becomes a grant", 1, 1, 2) { $0.outcome == .noIdle },
        Rewrite("a grant becomes a refusal", 1, 1, 4) { $0.outcome == .granted },
        Rewrite("an expired window becomes an operator's doing", 1, 1, 18) {
            $0.outcome == .windowExpired
        },
        Rewrite("an operator's doing becomes an expired window", 1, 1, 15) {
            $0.outcome == .operator_
        },
        Rewrite("a stale disconnect opens a window", 1, 1, 9) {
            $0.kind == .disconnected && $0.outcome == .stale
        },
        Rewrite("a resumed session becomes a fresh one", 1, 1, 5) { $0.outcome == .resumed },
        Rewrite("an unused lock becomes a lost window", 1, 1, 15) { $0.outcome == .lockExpired },
        Rewrite("an action becomes another", 0, 1, 8) { $0.outcome == .waiting },
        Rewrite("a kind that needs nobody", 0, 1, 1) { $0.outcome == .granted },
        Rewrite("another state", 2, 1, 3) { $0.outcome == .waiting },
        Rewrite("another user", 12, 4, 2) { $0.outcome == .granted && $0.user != 2 },
        Rewrite("another user's window", 12, 4, 2) { $0.outcome == .windowExpired && $0.user != 2 },
        Rewrite("another concurrency", 16, 4, 2) {
            $0.outcome == .granted && $0.concurrency == 1
        },
        Rewrite("a concurrency that never was", 16, 4, 500) { $0.outcome == .granted },
        Rewrite("another project", 20, 2, 2) { $0.outcome == .granted && $0.project == 1 },
        Rewrite("a project that never was", 20, 2, 9) { $0.outcome == .granted },
        Rewrite("a user that never was", 12, 4, 900) { $0.outcome == .granted },
        Rewrite("a deadline on an action", 8, 4, 1) { $0.outcome == .windowExpired },
        Rewrite("a later deadline", 32, 8, 1_700_000_999_000_000) { $0.outcome == .waiting },
        Rewrite("an earlier end of the window", 24, 8, 1_700_000_000_000_000) {
            $0.outcome == .windowExpired
        },
        Rewrite("another session", 40, 8, 3) { $0.outcome == .fresh },
        Rewrite("a wrong back-pointer of the user", 56, 8, 1) { $0.outcome == .waiting },
        Rewrite("a cut chain of the user", 56, 8, 0) { $0.outcome == .waiting },
        Rewrite("a wrong back-pointer of the concurrency", 64, 8, 1) { $0.outcome == .waiting },
        Rewrite("a cut chain of the concurrency", 64, 8, 0) { $0.outcome == .windowExpired },
        Rewrite("a wrong chain of the project", 64, 8, 0) {
            $0.kind == .projectModified && $0.position > 20
        },
        Rewrite("a wrong chain of the ledger", 64, 8, 1) { $0.kind == .opened },
        Rewrite("a jump to nowhere", 72, 8, 0) { $0.jump != 0 },
        Rewrite("a jump elsewhere", 72, 8, 9) { $0.jump != 0 && $0.jump != 9 },
        Rewrite("a jump that was none", 72, 8, 9) { $0.outcome == .granted && $0.jump == 0 },
        Rewrite("the mode of a kept session", 3, 1, 0) { $0.outcome == .keptRunning },
        Rewrite("the session named by a stale disconnect", 48, 8, 1) {
            $0.outcome == .waiting && !$0.namesSession
        },
        Rewrite("an action of nobody", 12, 4, 0) { $0.outcome == .granted },
        Rewrite("a session of nobody", 12, 4, 0) { $0.outcome == .fresh },
        Rewrite("a disconnect of nobody", 12, 4, 0) { $0.outcome == .waiting },
        Rewrite("a destroy of nobody", 12, 4, 0) { $0.outcome == .freed },
        Rewrite("a repossession of nobody", 12, 4, 0) { $0.outcome == .operator_ },
        Rewrite("an apply for no project", 22, 2, 0) { $0.outcome == .granted },
        Rewrite("a user number skipped", 12, 4, 4) { $0.kind == .userNamed && $0.user == 3 },
        Rewrite("settings out of bounds", 32, 8, 1) { $0.kind == .projectModified },
        Rewrite("settings past their bits", 56, 8, 1 << 32 | 3) { $0.kind == .projectModified },
        Rewrite("a negative outage", 32, 8, 1 << 63) { $0.kind == .opened },
        Rewrite("a withdrawal that did not follow", 0, 1, 12) { $0.kind == .withdrawn },
    ]

    @Test(arguments: rewrites)
    func aRewrittenEventIsNamed(rewrite: Rewrite) throws {
        let story = try Story(in: scratch("data"))
        let event = story.first(where: rewrite.fits)
        try LogForge.rewrite(in: story.directory.log) { batches in
            let index = batches.index(holding: event.position)
            let offset = batches[index].record(of: event.position) + rewrite.offset
            for byte in 0 ..< rewrite.byteCount {
                batches[index].bytes[offset + byte] =
                    UInt8(truncatingIfNeeded: rewrite.value >> UInt64(8 * byte))
            }
            batches[index].sealTimes()
            batches.sealAll()
        }
        let error = verifyError(story.directory)
        #expect(damagedPosition(error) == event.position, "\(error?.message ?? "passes")")
        #expect(error?.message.contains("osition \(event.position)") ?? false)
    }

    /// Events that follow from deadlines or from others: without them the next one gives it away.
    @Test(arguments: [
        Event.Outcome.windowExpired, .lockExpired, .moved, .granted, .waiting, .fresh, .freed,
    ])
    func aDroppedEventIsMissed(outcome: Event.Outcome) throws {
        let story = try Story(in: scratch("data"))
        let event = story.first { $0.outcome == outcome }
        try LogForge.rewrite(in: story.directory.log) { $0.drop(event.position) }
        let error = verifyError(story.directory)
        let position = try #require(damagedPosition(error))
        // What follows from deadlines is missed at once, an action once it mattered.
        if [.windowExpired, .lockExpired, .moved].contains(outcome) {
            #expect(position == event.position)
        } else {
            #expect(position >= event.position)
        }
    }

    @Test(arguments: [Event.Kind.recovered, .withdrawn, .restored, .opened])
    func aDroppedConsequenceIsMissed(kind: Event.Kind) throws {
        let story = try Story(in: scratch("data"))
        let event = story.first { $0.kind == kind }
        try LogForge.rewrite(in: story.directory.log) { $0.drop(event.position) }
        let position = try #require(damagedPosition(verifyError(story.directory)))
        #expect(position >= event.position)
    }

    @Test func aLogThatEndsInTheMiddleOfAnActionIsFound() throws {
        let story = try Story(in: scratch("data"))
        let last = Position(story.events.count)
        try LogForge.rewrite(in: story.directory.log) { batches in
            batches[batches.count - 1].removeLast()
            batches[batches.count - 1].sealTimes()
            batches.sealAll()
        }
        let error = verifyError(story.directory)
        #expect(damagedPosition(error) == last)
        #expect(error?.message.contains("in the middle of an action") ?? false)
    }

    /// Deadlines of one moment may be cut apart by a batch, and the ledger may die between the two.
    @Test func aLogMayEndBetweenDeadlinesOfOneMoment() throws {
        let directory = DataDirectory(scratch("data"))
        do {
            let core = try WritableLedger(opening: directory, options: Ledger.Options()).core
            let now = Story.start
            let change = ProjectChange(concurrencyCount: 3)
            try core.perform(.modifyProject("p", change), at: now, by: .library)
            for user in ["a", "b", "c"] {
                try core.perform(.apply(user: user, project: "p"), at: now, by: .library)
            }
            try core.commit(wallOffset: nil)
            try core.settle(at: now + .seconds(100), wallOffset: nil)
            try core.commit(wallOffset: nil)
        }
        try LogForge.rewrite(in: directory.log) { batches in
            #expect(batches[1].eventCount == 3)
            batches[1].removeLast()
            batches.sealAll()
        }
        let report = try Verifier.verify(directory)
        let reader = try LedgerReader(opening: directory.path)
        #expect(report.stateDigest == StateDigest.of(reader.state))
        #expect(report.eventCount == 10)
    }

    // MARK: - Names and headers

    @Test func aNameBoundTwiceIsFound() throws {
        let story = try Story(in: scratch("data"))
        let keys = try #require(ForgedKeys(file: Files.read(story.directory.personalKeys)))
        let naming = story.events.filter { $0.kind == .userNamed }
        let first = try #require(try story.name(of: naming[0], keys))
        try story.putText(
            of: naming[1],
            keys.sealed(first, user: naming[1].user, position: naming[1].position))
        let error = verifyError(story.directory)
        #expect(damagedPosition(error) == naming[1].position)
        #expect(error?.message.contains("bound twice") ?? false)
    }

    /// A name that was sealed for somebody else, or for another place.
    @Test func aNameInAnotherOnesPlaceIsFound() throws {
        let story = try Story(in: scratch("data"))
        let keys = try #require(ForgedKeys(file: Files.read(story.directory.personalKeys)))
        let naming = story.events.filter { $0.kind == .userNamed }
        for wrong in [
            keys.sealed("new", user: naming[1].user + 1, position: naming[1].position),
            keys.sealed("new", user: naming[1].user, position: naming[1].position + 1),
        ] {
            try story.putText(of: naming[1], wrong)
            let error = verifyError(story.directory)
            #expect(damagedPosition(error) == naming[1].position)
            #expect(error?.message.contains("not what was sealed") ?? false)
        }
        try story.putText(
            of: naming[1],
            keys.sealed("new", user: naming[1].user, position: naming[1].position))
        #expect(verifyError(story.directory) == nil)
    }

    /// Without the keys everything is checked but that sealed names are bound once.
    @Test func noKeyIsNeeded() throws {
        let story = try Story(in: scratch("data"))
        let sound = try Verifier.verify(story.directory)
        #expect(sound.unopenedNameCount == 1 && sound.forgottenCount == 1)
        #expect(sound.userCount > 3)
        Files.remove(story.directory.personalKeys)
        var report = try Verifier.verify(story.directory)
        #expect(report.unopenedNameCount == sound.userCount)
        report.unopenedNameCount = 1
        report.times = sound.times
        #expect(report == sound)
    }

    @Test func headerTimesThatAreNotTheEventsAreFound() throws {
        for (offset, delta) in [(32, Int64(-1)), (40, 1)] {
            let story = try Story(in: scratch("data\(offset)"))
            var first: Position = 0
            try LogForge.rewrite(in: story.directory.log) { batches in
                let middle = batches.count / 2
                first = batches[middle].firstPosition
                batches[middle].set(batches[middle].number(at: offset) + delta, at: offset)
                batches.sealAll()
            }
            #expect(damagedPosition(verifyError(story.directory)) == first)
        }
    }

    @Test func aNameNobodyBindsIsFound() throws {
        let story = try Story(in: scratch("data"))
        var last: Position = 0
        try LogForge.rewrite(in: story.directory.log) { batches in
            let middle = batches.lastIndex { $0.textByteCount == 0 }!
            last = batches[middle].lastPosition
            let text: [UInt8] = [200, 0, 0, 0, 1, 0, 65]
            batches[middle].bytes.insert(contentsOf: text, at: batches[middle].textOffset)
            batches[middle].set(UInt32(text.count), at: 24)
            batches.sealAll()
        }
        let position = try #require(damagedPosition(verifyError(story.directory)))
        #expect(position <= last)
    }

    // MARK: - Numbers at their ends

    /// Whatever stands in an event: found or without effect, never a crash.
    @Test func noRewriteCrashesTheVerifier() async throws {
        let seed = SeededGenerator.announced(501, for: "extreme rewrites")
        await #expect(processExitsWith: .success) { [seed = seed as UInt64] in
            let scratch = ScratchDirectory()
            let story = try Story(in: scratch("data"), stepCount: 60)
            let sound = try LogForge.batches(in: story.directory.log)
            var generator = SeededGenerator(seed: seed)
            var foundCount = 0
            for _ in 0 ..< 400 {
                var batches = sound
                let position = UInt64(1 + generator.below(story.events.count))
                let index = batches.index(holding: position)
                let record = batches[index].record(of: position)
                let field = [0, 1, 2, 3, 8, 12, 16, 20, 22, 24, 32, 40, 48, 56, 64, 72]
                    .randomElement(using: &generator)!
                let byteCount = field < 4 ? 1 : field < 20 ? 4 : field < 24 ? 2 : 8
                let value = [0, 1, 2, 3, UInt64.max, 1 << 63, .max >> 1, position]
                    .randomElement(using: &generator)!
                for byte in 0 ..< byteCount {
                    batches[index].bytes[record + field + byte] =
                        UInt8(truncatingIfNeeded: value >> UInt64(8 * byte))
                }
                batches[index].sealTimes()
                batches.sealAll()
                try LogForge.replaceBatches(in: story.directory.log, by: batches)
                print("position \(position), offset \(field), value \(value)")
                if verifyError(story.directory) != nil { foundCount += 1 }
            }
            try #require(foundCount > 200)
        }
    }
}
