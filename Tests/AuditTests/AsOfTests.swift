import Audit
import EventLog
import Ledger
import LogForge
import ReconnectionRules
import Testing

/// What a user held at a past moment, beside what folding the log up to then gives.
@Suite struct AsOfTests {
    private let scratch = ScratchDirectory()

    /// Every user at every position, and at every time an event has, just before and just after.
    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func thePastIsWhatTheEventsUpToThenLeadTo(seed: UInt64) throws {
        let story = try Story(in: scratch("data"), seed: seed)
        let reader = try LedgerReader(opening: story.directory.path)
        let names = reader.state.users.indices.dropFirst().map {
            reader.view.users.name(of: UserNumber($0))
        }
        var state = State()
        for (index, event) in story.events.enumerated() {
            if index > 0, event.time > state.time {
                for time in [state.time, event.time - 1] {
                    try expect(reader, names, state, at: .time(time))
                }
            }
            state.evolve(event)
            try expect(reader, names, state, at: .position(event.position))
        }
        for moment in [Moment.time(state.time), .time(.max), .position(.max)] {
            try expect(reader, names, state, at: moment)
        }
        for name in names where !name.isEmpty {
            #expect(try reader.user(name, at: .position(.max)) == reader.user(name))
        }
        #expect(try reader.user(names[0], at: .position(0)) == nil)
        #expect(try reader.user(names[0], at: .time(story.events[0].time - 1)) == nil)
        #expect(try reader.user("nobody", at: .position(5)) == nil)
    }

    /// Outages after the user's event, and after a moment between two of them.
    @Test func theStoryHasDeadlinesThatOutagesMoved() throws {
        let story = try Story(in: scratch("data"))
        let reader = try LedgerReader(opening: story.directory.path)
        var movedCount = 0
        for opened in story.events where opened.kind == .opened && opened.outage > 0 {
            for number in reader.state.users.indices.dropFirst() {
                let name = reader.view.users.name(of: UserNumber(number))
                let before = try reader.user(name, at: .position(opened.position - 1))
                let after = try reader.user(name, at: .position(opened.position))
                guard let deadline = before?.deadline else { continue }
                #expect(after?.deadline == deadline + opened.outage)
                movedCount += 1
            }
        }
        #expect(movedCount > 3)
    }

    @Test func aHeavyUsersPastTakesFewReads() throws {
        let directory = DataDirectory(scratch("data"))
        try HeavyUser.write(to: directory, eventCount: 6_000)
        let reader = try LedgerReader(opening: directory.path)
        let user = try #require(reader.user(HeavyUser.name))
        var (worst, generator) = (0, SeededGenerator(seed: 3))
        try reader.log.read { snapshot in
            for round in 0 ..< 400 {
                let limit = Position(1 + generator.below(Int(reader.head.position)))
                var reads = try snapshot.reader()
                let found = try reads.event(
                    ofUser: user.number, atOrBefore: limit, newest: user.lastPosition,
                    count: user.eventCount)
                worst = max(worst, reads.readCount)
                // The ledger is this user's from position 3 on: positions count its events.
                #expect(found?.event.position == (limit < 3 ? nil : limit), "round \(round)")
                #expect(found.map { Position($0.count) } == (limit < 3 ? nil : limit - 2))
            }
        }
        #expect(worst <= 60, "\(worst) reads for one moment")
    }

    @Test func aTimeIsFoundInAnyBatch() throws {
        let story = try Story(in: scratch("data"))
        let log = try EventLog(directory: story.directory.log, mode: .readOnly)
        let last = Position(story.events.count)
        try log.read { snapshot in
            var reader = try snapshot.reader()
            for event in story.events {
                for time in [event.time - 1, event.time] {
                    let expected = story.events.last { $0.time <= time }?.position ?? 0
                    #expect(try reader.position(atOrBefore: time, upTo: last) == expected)
                }
                #expect(try reader.event(at: event.position) == event)
            }
            #expect(try reader.event(at: last + 1) == nil)
            #expect(try reader.event(at: 0) == nil)
        }
    }

    @Test func aRunningLedgerAnswersForThePast() async throws {
        let ledger = try Ledger(opening: scratch("live"))
        try await ledger.modifyProject("p", ProjectChange(concurrencyCount: 1))
        let applied = try await ledger.apply(user: "u", project: "p")
        let session = try await ledger.createSession(user: "u")
        try await ledger.destroy(user: "u")
        let position = applied.event.position
        let then = try #require(try await ledger.user("u", at: .position(position)))
        #expect(then.state == .reserved && then.project == "p" && then.concurrency == 1)
        #expect(then.deadline == applied.event.deadline)
        let later = try await ledger.user("u", at: .time(session.event.time))
        #expect(later?.session == session.event.session)
        #expect(try await ledger.user("u", at: .position(position - 2)) == nil)
        #expect(try await ledger.user("u", at: .time(.max))?.project == nil)
        await ledger.close()
    }

    private func expect(
        _ reader: LedgerReader, _ names: [String], _ state: State, at moment: Moment
    ) throws {
        // Who was forgotten has no name to ask by.
        for (index, name) in names.enumerated() where !name.isEmpty {
            let found = try reader.user(name, at: moment)
            guard index + 1 < state.users.count else {
                #expect(found == nil, "\(name) at \(moment)")
                continue
            }
            let record = state.users[index + 1]
            let held = state.holding(of: UserNumber(index + 1))
            #expect(found?.number == UserNumber(index + 1))
            #expect(found?.eventCount == record.eventCount, "\(name) at \(moment)")
            #expect(found?.lastPosition == record.last, "\(name) at \(moment)")
            #expect(found?.concurrency == held?.concurrency ?? 0, "\(name) at \(moment)")
            #expect(
                found?.project == held.map { reader.view.projects.name(of: UInt32($0.project)) })
            #expect(found?.state == held?.record.state ?? ConcurrencyState.none)
            #expect(found?.deadline == held?.record.deadline, "\(name) at \(moment)")
            #expect(found?.session == held?.record.session ?? 0, "\(name) at \(moment)")
        }
    }
}
