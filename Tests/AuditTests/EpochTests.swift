import Audit
import EventLog
import Ledger
import LogForge
import ReconnectionRules
import Testing

/// A log whose positions have gaps, where epochs begin: everything that reads it finds its way.
@Suite struct EpochTests {
    private let scratch = ScratchDirectory()

    private func epochStory(seed: UInt64 = 1) throws -> Story {
        let story = try Story(in: scratch("data-\(seed)"), seed: seed, hasEpochs: true)
        #expect(story.events.count { $0.kind == .epochBegun } > 2)
        return story
    }

    @Test(arguments: [1, 2, 3, 4, 5, 6] as [UInt64])
    func soundLogsPass(seed: UInt64) throws {
        let story = try epochStory(seed: seed)
        var last: (UInt64, UInt64) = (0, 0)
        let report = try Verifier.verify(story.directory) { last = ($0, $1) }
        let count = UInt64(story.events.count)
        #expect(report.eventCount == count && report.stateDigest == story.digest)
        // What is counted are events, not positions.
        #expect(last.0 == count && last.1 == count)
        let rebuilt = try Rebuilder.rebuild(story.directory) { last = ($0, $1) }
        #expect(rebuilt.isSame && rebuilt.eventCount == count && last.0 == count)
        let reader = try LedgerReader(opening: story.directory.path)
        #expect(LedgerStatistics(reader).eventCount == count)
        #expect(try reader.log.read { try $0.eventCount() } == count)
        #expect(reader.head.position > 1 << 41)
    }

    /// From a checkpoint before, in the middle, right before and right behind each epoch.
    @Test func anyCheckpointLeadsToTheSameState() throws {
        let story = try epochStory()
        let log = try EventLog(directory: story.directory.log, mode: .readOnly)
        var view = RecoveredView()
        var tails: [RecoveredView] = [view]
        try log.forEachBatch { batch in
            try view.fold(batch)
            tails.append(view)
            return true
        }
        for tail in tails {
            var resumed = tail
            let scan = try Recovery.replay(log, into: &resumed)
            #expect(StateDigest.of(resumed.state) == story.digest)
            #expect(resumed.state.eventCount == UInt64(story.events.count))
            #expect(scan.eventCount == UInt64(story.events.count) - tail.state.eventCount)
        }
    }

    /// A checkpoint written to disk behind an epoch, with events after it.
    @Test func aCheckpointKeepsTheCount() throws {
        let path = scratch("data")
        let count: UInt64
        do {
            let core = try WritableLedger(
                opening: DataDirectory(path), options: Ledger.Options()
            ).core
            let change = ProjectChange(concurrencyCount: 1)
            _ = try core.perform(.modifyProject("p", change), at: Story.start, by: .library)
            try core.commit(wallOffset: 0)
            try core.beginEpoch(at: Story.start, outage: 0, by: .ledger)
            try core.commit(wallOffset: 0)
            core.checkpointNow()
            _ = try core.perform(.apply(user: "u", project: "p"), at: Story.start, by: .library)
            try core.commit(wallOffset: 0)
            count = core.state.eventCount
        }
        let reader = try LedgerReader(opening: path)
        #expect(reader.recovery.checkpointPosition > 1 << 40)
        #expect(reader.recovery.replayedEventCount == 2)
        #expect(reader.state.eventCount == count && count == 5)
    }

    @Test func everyEventIsFoundAndNothingInAGap() throws {
        let story = try epochStory()
        let log = try EventLog(directory: story.directory.log, mode: .readOnly)
        let last = try #require(story.events.last?.position)
        try log.read { snapshot in
            var reader = try snapshot.reader()
            for (index, event) in story.events.enumerated() {
                #expect(try reader.event(at: event.position) == event)
                #expect(try snapshot.event(at: event.position) == event)
                for time in [event.time - 1, event.time] {
                    let expected = story.events.last { $0.time <= time }?.position ?? 0
                    #expect(try reader.position(atOrBefore: time, upTo: last) == expected)
                }
                guard let end = event.previousEpochEnd else { continue }
                let before = story.events[index - 1]
                #expect(before.position == end)
                for place in [end + 1, end + 1 << 23, event.position - 1] {
                    #expect(try reader.event(at: place) == nil)
                    #expect(try snapshot.event(at: place) == nil)
                    #expect(try snapshot.name(boundAt: place) == nil)
                    #expect(try reader.position(atOrBefore: place) == end)
                }
            }
            #expect(try reader.event(at: last + 1) == nil)
            #expect(try reader.position(atOrBefore: .max) == last)
            // Time is found without wandering through the gaps.
            let readsBefore = reader.readCount
            _ = try reader.position(atOrBefore: story.events[60].time, upTo: last)
            #expect(reader.readCount - readsBefore < 40)
        }
    }

    /// As folding from the beginning tells, before, in and behind each gap.
    @Test(arguments: [1, 2, 3] as [UInt64])
    func asOfIsWhatTheEventsLeadTo(seed: UInt64) throws {
        let story = try epochStory(seed: seed)
        let reader = try LedgerReader(opening: story.directory.path)
        let names = (1...reader.state.userCount).map {
            reader.view.users.name(of: UserNumber($0))
        }
        var state = State()
        for (index, event) in story.events.enumerated() {
            state.evolve(event)
            let next = index + 1 < story.events.count ? story.events[index + 1] : nil
            var moments = [Moment.position(event.position)]
            if let next, next.kind == .epochBegun {
                moments += [.position(event.position + 9), .position(next.position - 1)]
            }
            if next.map({ $0.time > event.time }) ?? true { moments.append(.time(event.time)) }
            for moment in moments {
                #expect(try reader.event(at: moment).position == event.position)
                for (index, name) in names.enumerated() where !name.isEmpty {
                    let found = try reader.user(name, at: moment)
                    let number = UserNumber(index + 1)
                    #expect((found == nil) == (number > state.userCount))
                    let held = state.holding(of: number)
                    #expect(found?.concurrency ?? 0 == held?.concurrency ?? 0)
                    #expect(found?.deadline == held?.record.deadline)
                    #expect(found?.session ?? 0 == held?.record.session ?? 0)
                }
            }
        }
    }

    @Test func aFollowerGoesOnFromAnyPosition() throws {
        let story = try epochStory()
        var starts: [Position] = [0]
        for event in story.events {
            starts.append(event.position)
            if let end = event.previousEpochEnd { starts += [end + 1, event.position - 1] }
        }
        let reader = try LedgerReader(opening: story.directory.path)
        for start in starts {
            let follower = LogFollower(reader, after: start)
            var seen: [Event] = []
            try follower.poll { seen.append($0.event) }
            #expect(seen == story.events.filter { $0.position > start }, "after \(start)")
        }
        for count in [0, 1, 2, 10, 60, 1_000] as [UInt64] {
            let start = try reader.position(beforeNewest: count)
            let found = story.events.count { $0.position > start }
            #expect(found == min(Int(count), story.events.count))
        }
    }

    /// Outages are looked for along the ledger's own chain, which epochs are links of.
    @Test func everyStoryAcrossTheGapIsExplained() throws {
        let story = try epochStory()
        let reader = try LedgerReader(opening: story.directory.path)
        let explainer = Explainer(reader)
        let evidence = try Evidence(reader)
        for number in 1 ... UserNumber(reader.state.userCount) {
            let newest = try explainer.explain(number: number)
            try evidence.expect(newest)
            #expect(newest.userNumber == number)
            if !reader.isForgotten(number) {
                #expect(try explainer.explain(reader.userName(of: number)) == newest)
            }
            for event in story.events where event.user == number && event.position % 5 == 0 {
                let then = try explainer.explain(number: number, at: .position(event.position))
                try evidence.expect(then)
            }
        }
        #expect(throws: LedgerError.self) {
            try explainer.explain(number: UserNumber(reader.state.userCount) + 1)
        }
    }

    @Test func aFeedCrossesTheGap() async throws {
        let story = try epochStory()
        let ledger = try Ledger(opening: story.directory.path)
        for start in [0, story.events.first { $0.kind == .epochBegun }!.previousOfUser + 5] {
            let expected = story.events.filter { $0.position > start }
            var seen: [Event] = []
            for try await named in ledger.events(after: start) {
                seen.append(named.event)
                if seen.count == expected.count { break }
            }
            #expect(seen == expected)
        }
        await ledger.close()
    }

    // MARK: - Gaps that no epoch makes

    @Test(arguments: [
        ("the end of the epoch before", 56, 1 as UInt64), ("the count", 40, 1),
        ("the chain of the ledger", 64, 1),
    ])
    func aRewrittenEpochIsNamed(_ what: String, _ offset: Int, _ change: UInt64) throws {
        let story = try epochStory()
        let event = try #require(story.events.last { $0.kind == .epochBegun })
        try LogForge.rewrite(in: story.directory.log) { batches in
            let index = batches.index(holding: event.position)
            let place = batches[index].record(of: event.position) + offset
            batches[index].set(batches[index].number(at: place) &- change, at: place)
            batches.sealAll()
        }
        let position = try #require(damagedPosition(verifyError(story.directory)), "\(what)")
        // Without the end of the one before, its batch has no place there.
        #expect(position == (offset == 56 ? event.previousOfUser + 1 : event.position))
    }

    @Test func aMissingEpochIsMissed() throws {
        let story = try epochStory()
        let event = try #require(story.events.first { $0.kind == .epochBegun })
        try LogForge.rewrite(in: story.directory.log) { batches in
            let index = batches.index(holding: event.position)
            batches.remove(at: index)
            batches.sealAll()
        }
        #expect(damagedPosition(verifyError(story.directory)) == event.previousOfUser + 1)
        let log = try EventLog(directory: story.directory.log, mode: .readOnly)
        #expect(throws: LogError.self) { try log.forEachBatch { _ in true } }
        try log.read { snapshot in
            var reader = try snapshot.reader()
            #expect(throws: LogError.self) { try reader.event(at: event.position) }
            #expect(throws: LogError.self) { try snapshot.event(at: event.position) }
        }
    }
}
