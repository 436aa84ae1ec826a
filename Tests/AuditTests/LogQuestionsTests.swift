@testable import Audit
import EventLog
import Ledger
import LogForge
import ReconnectionRules
import Testing

/// What an explanation asks of the rest of the log, beside what reading all of it gives.
@Suite struct LogQuestionsTests {
    private let scratch = ScratchDirectory()

    @Test(arguments: [1, 2, 3, 4, 5] as [UInt64])
    func theAnswersAreThoseOfTheWholeLog(seed: UInt64) throws {
        let story = try Story(in: scratch("data"), seed: seed, stepCount: 400)
        let reader = try LedgerReader(opening: story.directory.path)
        var state = State()
        var (releaseCount, refusalCount) = (0, 0)
        try reader.log.read { snapshot in
            var log = try snapshot.reader()
            for (index, event) in story.events.enumerated() {
                state.evolve(event)
                let after = story.events[(index + 1)...]
                let questions = LogQuestions(reader.view, searchBudget: .max)
                if event.releasesUser || event.outcome == .moved {
                    releaseCount += 1
                    let future = try questions.future(after: event, &log)
                    try expect(future, release: event, after, reader.state)
                } else if event.kind == .applied, event.outcome == .noIdle {
                    refusalCount += 1
                    let counts = try questions.states(
                        of: event.inputProject, at: event.position, &log)
                    #expect(counts.isComplete)
                    #expect(counts.counts == Self.states(state, event.inputProject))
                    let relief = try questions.relief(
                        of: event.inputProject, after: event.position, &log)
                    let taken = after.first {
                        $0.outcome == .granted && $0.project == event.inputProject
                    }
                    #expect(relief.isComplete && relief.taken == taken)
                    if let taken, let freed = relief.freed {
                        #expect(freed.position > event.position && freed.position < taken.position)
                        #expect(freed.kind == .projectModified || freed.state == .idle)
                    } else {
                        #expect(taken == nil, "a grant came from nowhere")
                    }
                }
            }
        }
        #expect(releaseCount > 20 && refusalCount > 3)
    }

    private func expect(
        _ future: LogQuestions.Future, release: Event, _ after: ArraySlice<Event>, _ end: State
    ) throws {
        let own = after.filter {
            $0.project == release.project && $0.concurrency == release.concurrency
        }
        let recovered = own.first.flatMap { $0.kind == .recovered ? $0 : nil }
        let next = own.dropFirst(recovered == nil ? 0 : 1).first
        #expect(future.recovered == recovered)
        switch future.end {
        case .granted(let event): #expect(event == next && event.outcome == .granted)
        case .withdrawn(let event): #expect(event == next && event.kind == .withdrawn)
        case .free(let until):
            #expect(next == nil)
            let record = end.projects[Int(release.project)]
                .concurrencies[Int(release.concurrency)]
            #expect(until == record.deadline)
        case .unknown: Issue.record("not found without a limit")
        }
    }

    private static func states(
        _ state: State, _ project: ProjectNumber
    ) -> [ConcurrencyState: Int] {
        state.projects[Int(project)].concurrencies.dropFirst().reduce(into: [:]) {
            $0[$1.state, default: 0] += 1
        }
    }

    /// Searches end where their budget does, and say so.
    @Test func aSearchThatIsTooLongIsGivenUp() throws {
        let story = try Story(in: scratch("data"), stepCount: 400)
        let reader = try LedgerReader(opening: story.directory.path)
        let release = story.first {
            event in event.releasesUser && story.events.contains {
                $0.position > event.position + 40 && $0.concurrency == event.concurrency
                    && $0.project == event.project && $0.outcome == .granted
            }
        }
        try reader.log.read { snapshot in
            var log = try snapshot.reader()
            let questions = LogQuestions(reader.view, searchBudget: 2)
            if case .unknown = try questions.future(after: release, &log).end {} else {
                Issue.record("two reads cannot have found it")
            }
            #expect(log.readCount <= 3)
        }
    }

    @Test func theLogIsWalkedBothWaysAndAUsersEventsHaveNumbers() throws {
        let story = try Story(in: scratch("data"), stepCount: 300)
        let reader = try LedgerReader(opening: story.directory.path)
        try reader.log.read { snapshot in
            var log = try snapshot.reader()
            let head = Position(story.events.count)
            for start in stride(from: 0, through: head, by: 7) {
                var found: [Event] = []
                try log.forEachEvent(after: start, through: head - 2) { event in
                    found.append(event)
                    return found.count < 20
                }
                let end = min(Int(start) + 20, Int(head) - 2)
                #expect(found == (Int(start) < end ? Array(story.events[Int(start) ..< end]) : []))
                found = []
                try log.forEachEvent(before: start) { event in
                    found.append(event)
                    return found.count < 20
                }
                let before = story.events.prefix(Int(max(1, start)) - 1)
                #expect(found == Array(before.suffix(20).reversed()))
            }
            for user in reader.state.users.indices.dropFirst() {
                let record = reader.state.users[user]
                let own = story.events.filter { $0.user == UserNumber(user) }
                for number in 0 ... own.count + 1 {
                    let event = try log.event(
                        ofUser: UserNumber(user), number: UInt32(number), newest: record.last,
                        count: record.eventCount)
                    #expect(event == (own.indices.contains(number - 1) ? own[number - 1] : nil))
                }
            }
        }
    }
}
