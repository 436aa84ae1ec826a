import Audit
import EventLog
import Ledger
import LogForge
import ReconnectionRules
import Testing

/// What changed for whom between two moments, beside a comparison of two folds from zero.
@Suite struct DifferenceTests {
    private let scratch = ScratchDirectory()

    /// What a user holds, as far as a difference looks.
    private struct Held: Equatable {
        var project: ProjectNumber
        var concurrency: ConcurrencyNumber
        var state: ConcurrencyState
        var session: SessionId
        var deadline: Microseconds?

        init?(_ state: State, _ user: UserNumber) {
            guard let held = state.holding(of: user) else { return nil }
            project = held.project
            concurrency = held.concurrency
            self.state = held.record.state
            session = held.record.session
            deadline = held.record.deadline
        }
    }

    @Test func differencesAreThoseOfTwoFoldsFromZero() throws {
        let seed = SeededGenerator.announced(23, for: "differences")
        var seen: [UserDifference.Kind: Int] = [:]
        var withoutCause = 0
        for round in 0 ..< 12 as Range<UInt64> {
            let story = try ScenarioLog(in: scratch("data-\(round)"), seed: seed &+ round)
            if round % 2 == 0 { try keepCheckpoints(story.directory, every: 20) }
            let reader = try LedgerReader(opening: story.directory.path)
            var generator = SeededGenerator(seed: seed &+ round)
            let openings = story.events.filter { $0.kind == .opened && $0.outage > 0 }
            for _ in 0 ..< 40 {
                var one = generator.below(story.events.count + 1)
                var other = generator.below(story.events.count + 1)
                if generator.below(4) == 0, !openings.isEmpty {
                    // Nothing but an outage between.
                    other = Int(openings[generator.below(openings.count)].position)
                    one = other - 1
                }
                let (from, to) = (Position(min(one, other)), Position(max(one, other)))
                var truth = FoldFromZero(story.events)
                truth.advance(to: from)
                let before = truth.state
                truth.advance(to: to)
                let found = try LedgerDifference(reader, from: .position(from), to: .position(to))
                #expect(found.eventCount == to - from)
                try compare(found, before, truth.state, story.events, reader)
                for kind in UserDifference.Kind.allCases {
                    try found.forEachUser(kind) {
                        seen[kind, default: 0] += 1
                        if $0.cause == nil { withoutCause += 1 }
                    }
                }
            }
        }
        for kind in UserDifference.Kind.allCases { #expect(seen[kind] ?? 0 > 50, "\(kind)") }
        #expect(withoutCause > 10, "outages move deadlines without an event of the user")
    }

    private func compare(
        _ found: LedgerDifference, _ before: State, _ after: State, _ events: [Event],
        _ reader: LedgerReader
    ) throws {
        var expected: [UserDifference.Kind: [UserNumber]] = [:]
        for number in after.users.indices.dropFirst().map({ UserNumber($0) }) {
            let (earlier, later) = (Held(before, number), Held(after, number))
            let kind: UserDifference.Kind? =
                switch (earlier, later) {
                case (nil, nil): nil
                case (nil, .some): .gained
                case (.some, nil): .lost
                case (.some, .some): earlier == later ? nil : .changed
                }
            if let kind { expected[kind, default: []].append(number) }
            // The look at one user, without a state, says the same.
            let one = try LedgerDifference.ofUser(
                number, reader, from: .position(before.position), to: .position(after.position))
            #expect(one?.kind == kind, "user \(number)")
        }
        #expect(found.gained == expected[.gained] ?? [])
        #expect(found.lost == expected[.lost] ?? [])
        #expect(found.changed == expected[.changed] ?? [])
        let between = events[Int(before.position) ..< Int(after.position)]
        for kind in UserDifference.Kind.allCases {
            try found.forEachUser(kind) { difference in
                let user = difference.after.number
                let newest = between.last { event in
                    guard event.user == user else { return false }
                    switch kind {
                    case .gained: return event.outcome == .granted
                    case .lost: return event.releasesUser
                    case .changed: return true
                    }
                }
                #expect(difference.cause?.event == newest, "\(kind) of \(user)")
                #expect(kind == .changed || newest != nil)
                let one = try LedgerDifference.ofUser(
                    user, reader, from: .position(before.position), to: .position(after.position))
                #expect(one == difference)
            }
        }
        let counts = found.counters.map { [$0.before, $0.after] }
        #expect(counts.first == [before.counters.starts, after.counters.starts])
        #expect(counts.last == [before.counters.waitingNow, after.counters.waitingNow])
        let names = found.projects.map(\.after.name)
        for project in found.after.projects {
            let isListed = names.contains(project.name)
            #expect(isListed == (found.before.project(project.name) != project))
        }
    }

    /// Of one project: who held of it at either moment, and the project alone.
    @Test func aDifferenceOfOneProject() throws {
        let story = try Story(in: scratch("data"), seed: 4)
        let reader = try LedgerReader(opening: story.directory.path)
        // The story ends with a move from alpha to beta.
        let granted = try #require(
            story.events.last { $0.outcome == .granted && $0.inputProject == 2 })
        let from = Moment.position(granted.position - 1)
        let whole = try LedgerDifference(reader, from: from, to: .position(.max))
        for project in ["alpha", "beta"] {
            let part = try LedgerDifference(
                reader, from: from, to: .position(.max), project: project)
            var moved: [UserDifference] = []
            try part.forEachUser(.changed) { moved.append($0) }
            #expect(moved.map(\.after.name) == ["mover"])
            #expect(moved[0].before?.project == "alpha" && moved[0].after.project == "beta")
            #expect(moved[0].cause?.event.outcome == .moved)
            #expect(part.projects.map(\.after.name) == [project])
        }
        #expect(whole.projects.map(\.after.name) == ["alpha", "beta"])
        #expect(throws: LedgerError.self) {
            try LedgerDifference(reader, from: from, to: .position(.max), project: "gamma")
        }
    }

    @Test func theWrongOrderIsRefused() throws {
        let story = try Story(in: scratch("data"))
        let reader = try LedgerReader(opening: story.directory.path)
        for (from, to) in [
            (Moment.position(9), Moment.position(8)), (.time(.max), .position(3)),
            (.position(20), .time(story.events[0].time - 1)),
        ] {
            let error = #expect(throws: LedgerError.self) {
                try LedgerDifference(reader, from: from, to: to)
            }
            #expect(error?.message.contains("swap them") ?? false)
            #expect(throws: LedgerError.self) {
                try LedgerDifference.ofUser(1, reader, from: from, to: to)
            }
        }
        let none = try LedgerDifference(reader, from: .position(9), to: .position(9))
        #expect(none.eventCount == 0 && none.gained + none.lost + none.changed == [])
        #expect(none.projects.isEmpty && none.counters.allSatisfy { $0.before == $0.after })
    }
}
