import ReconnectionRules
import Testing

/// The jump pointers of a user with thousands of events: where they lead, and that they find any
/// moment of the past in a few reads.
@Suite struct JumpPointerTests {
    /// `a` takes its own session over again and again while `b` does the same half as often, so
    /// that positions and counts differ. A user's events
    /// are 2 µs apart or more.
    private static let crowded: Stage = {
        var stage = Stage()
        let settings = ProjectSettings(concurrencyCount: 2)
        stage.perform(.nameProject(1), at: 0, by: .library)
        stage.perform(.modifyProject(1, settings), at: 0, by: .library)
        stage.perform(.nameUser(1), at: 1, by: .library)
        stage.perform(.nameUser(2), at: 2, by: .library)
        stage.perform(.apply(user: 1, project: 1), at: 3, by: .library)
        stage.perform(.apply(user: 2, project: 1), at: 4, by: .library)
        for round in 0 ..< 3_000 {
            let now = Microseconds(10 + 2 * round)
            stage.perform(
                .createSession(user: 1, runsWithoutClient: false), at: now, by: .library)
            guard round % 2 == 0 else { continue }
            stage.perform(
                .createSession(user: 2, runsWithoutClient: false), at: now + 1, by: .library)
        }
        return stage
    }()

    private static func history(of user: UserNumber) -> [Event] {
        crowded.events.filter { $0.user == user }
    }

    private static func event(at position: Position) -> Event {
        crowded.events[Int(position) - 1]
    }

    @Test(arguments: [UserNumber(1), 2])
    func `every 16th event is a jump node, and the events between jump to the newest one`(
        user: UserNumber
    ) {
        // Among the nodes, counted from 1, the skew-binary rule: a node whose parent and whose
        // parent's target jump equally far jumps past both, any other jumps to its parent.
        var nodes: [Position] = [0]
        var targets = [0]
        for (index, event) in Self.history(of: user).enumerated() {
            guard (index + 1) % 16 == 0 else {
                #expect(event.jump == nodes[nodes.count - 1])
                continue
            }
            let parent = nodes.count - 1
            let middle = targets[parent]
            let target = parent - middle == middle - targets[middle] ? targets[middle] : parent
            #expect(event.jump == nodes[target])
            nodes.append(event.position)
            targets.append(target)
        }
        #expect(nodes.count > 90)
    }

    @Test(arguments: [UserNumber(1), 2])
    func `the newest event at or before any moment is found in few reads`(user: UserNumber) {
        let history = Self.history(of: user)
        // Two tries a node on the way down, twice the height of the trees; then the last stride.
        let nodeCount = history.count / 16
        let height = UInt.bitWidth - UInt(nodeCount).leadingZeroBitCount
        let readCountMax = 2 * 16 + 6 * height
        var readCountWorst = 0
        for event in history {
            for moment in [event.time, event.time + 1] {
                let search = Self.search(user, atOrBefore: moment)
                #expect(search.found == event.position)
                readCountWorst = max(readCountWorst, search.readCount)
            }
        }
        #expect(Self.search(user, atOrBefore: 0).found == 0)
        #expect(readCountWorst <= readCountMax)
        #expect(readCountMax * 10 < history.count, "the bound says something")
    }

    @Test func `a user with fewer than 16 events has no jump pointers`() {
        let early = Self.history(of: 1).prefix(15)
        #expect(early.allSatisfy { $0.jump == 0 })
        #expect(Self.history(of: 1)[15].jump == 0)
        #expect(Self.history(of: 1)[16].jump == Self.history(of: 1)[15].position)
    }

    @Test func `a state restored among thousands of events goes on with the same pointers`() {
        var live = Self.crowded.state
        var stored = restored(Self.crowded.state)
        for round in 0 ..< 40 {
            var events: [[Event]] = [[], []]
            let command = Command.createSession(user: 1, runsWithoutClient: false)
            let now = Microseconds(10_000 + round)
            live.perform(command, at: now, by: .library) { events[0].append($0) }
            stored.perform(command, at: now, by: .library) { events[1].append($0) }
            #expect(events[0] == events[1])
        }
        #expect(canonicalWords(live) == canonicalWords(stored))
        #expect(live.jumpStacks == stored.jumpStacks)
    }

    /// Walks from the user's newest event backward: by the jump if that does not lead past the
    /// moment, else to the previous event. A jump found to lead too far is not tried again.
    private static func search(
        _ user: UserNumber, atOrBefore moment: Microseconds
    ) -> (found: Position, readCount: Int) {
        var position = crowded.state.users[Int(user)].last
        var readCount = 0
        var tooFar: Position = 0
        while position != 0 {
            let event = event(at: position)
            readCount += 1
            if event.time <= moment { break }
            position = event.previousOfUser
            guard event.jump != 0, event.jump != tooFar else { continue }
            readCount += 1
            if Self.event(at: event.jump).time > moment {
                position = event.jump
            } else {
                tooFar = event.jump
            }
        }
        return (position, readCount)
    }
}
