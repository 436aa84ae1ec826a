import ReconnectionRules
import Testing

/// What the edge must never let through. The rules trap rather than write an event that names
/// nobody.
@Suite struct TrapTests {
    private static var readyState: State {
        var state = State()
        let settings = ProjectSettings(concurrencyCount: 1)
        for command in [Command.nameProject(1), .modifyProject(1, settings), .nameUser(1)] {
            state.perform(command, at: 10, by: .library) { _ in }
        }
        return state
    }

    @Test func `a user number that was never handed out traps`() async {
        for number in [UserNumber(0), 2] {
            await #expect(processExitsWith: .failure) { [number = number as UserNumber] in
                var state = Self.readyState
                _ = state.decide(.apply(user: number, project: 1), at: 10, by: .library)
            }
            await #expect(processExitsWith: .failure) { [number = number as UserNumber] in
                var state = Self.readyState
                _ = state.decide(.destroy(user: number, session: nil), at: 10, by: .library)
            }
            await #expect(processExitsWith: .failure) { [number = number as UserNumber] in
                var state = Self.readyState
                _ = state.decide(.forget(user: number), at: 10, by: .library)
            }
        }
    }

    @Test func `forgetting who still holds something traps`() async {
        await #expect(processExitsWith: .failure) {
            var state = Self.readyState
            state.perform(.apply(user: 1, project: 1), at: 10, by: .library) { _ in }
            _ = state.decide(.forget(user: 1), at: 10, by: .library)
        }
    }

    @Test func `a project number that was never handed out traps`() async {
        await #expect(processExitsWith: .failure) {
            var state = Self.readyState
            _ = state.decide(.apply(user: 1, project: 2), at: 10, by: .library)
        }
        await #expect(processExitsWith: .failure) {
            var state = Self.readyState
            _ = state.decide(.apply(user: 1, project: 0), at: 10, by: .library)
        }
    }

    @Test func `numbers handed out of order trap`() async {
        await #expect(processExitsWith: .failure) {
            var state = Self.readyState
            _ = state.decide(.nameUser(3), at: 10, by: .library)
        }
        await #expect(processExitsWith: .failure) {
            var state = Self.readyState
            _ = state.decide(.nameProject(1), at: 10, by: .library)
        }
    }

    @Test func `ledger time that runs backward traps`() async {
        await #expect(processExitsWith: .failure) {
            var state = Self.readyState
            _ = state.decide(.nameUser(2), at: 9, by: .library)
        }
    }

    @Test func `settings out of bounds trap, those on the bounds do not`() async {
        for window in [Microseconds(999_999), 86_400_000_001] {
            await #expect(processExitsWith: .failure) { [window = window as Microseconds] in
                var state = Self.readyState
                let settings = ProjectSettings(concurrencyCount: 1, reconnectWindow: window)
                _ = state.decide(.modifyProject(1, settings), at: 10, by: .library)
            }
        }
        var state = Self.readyState
        for window in [Microseconds.seconds(1), .seconds(86_400)] {
            let settings = ProjectSettings(concurrencyCount: 1, reconnectWindow: window)
            let event = state.decide(.modifyProject(1, settings), at: 10, by: .library)
            #expect(event.settings == settings)
        }
    }

    @Test func `an event out of order traps`() async {
        await #expect(processExitsWith: .failure) {
            var state = Self.readyState
            state.evolve(Event(position: 9, time: 10, kind: .opened, outcome: .done))
        }
    }
}
