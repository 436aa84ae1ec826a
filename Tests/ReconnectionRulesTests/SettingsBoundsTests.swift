import ReconnectionRules
import Testing

/// The bounds of a project's settings, as the edge checks them.
@Suite struct SettingsBoundsTests {
    private static func with(_ change: (inout ProjectSettings) -> Void) -> String? {
        var settings = ProjectSettings()
        change(&settings)
        return settings.fault
    }

    @Test func `the defaults are a window of 90 s, a lock of 30 s and no cleanup`() {
        let settings = ProjectSettings()
        #expect(settings.reconnectWindow == 90_000_000)
        #expect(settings.lockTimeout == 30_000_000)
        #expect(settings.cleanupTime == 0)
        #expect(!settings.requiresSessionName)
        #expect(settings.fault == nil)
    }

    @Test func `the window may be 1 s to 24 h, the lock likewise, the cleanup none to 24 h`() {
        for length in [Microseconds(1_000_000), 86_400_000_000] {
            #expect(Self.with { $0.reconnectWindow = length } == nil)
            #expect(Self.with { $0.lockTimeout = length } == nil)
            #expect(Self.with { $0.cleanupTime = length } == nil)
        }
        for length in [Microseconds(-1), 0, 999_999, 86_400_000_001] {
            #expect(Self.with { $0.reconnectWindow = length }?.contains("window") == true)
            #expect(Self.with { $0.lockTimeout = length }?.contains("lock") == true)
        }
        #expect(Self.with { $0.cleanupTime = 0 } == nil)
        #expect(Self.with { $0.cleanupTime = -1 }?.contains("cleanup") == true)
        #expect(Self.with { $0.cleanupTime = 86_400_000_001 }?.contains("cleanup") == true)
    }

    @Test func `a settings event carries every setting and nothing is mistaken for another`() {
        let settings = ProjectSettings(
            concurrencyCount: 3, reconnectWindow: 4_000_001, lockTimeout: 5_000_002,
            cleanupTime: 6_000_003, requiresSessionName: true)
        var state = State()
        state.perform(.nameProject(1), at: 0, by: .library) { _ in }
        let event = state.perform(.modifyProject(1, settings), at: 0, by: .library) { _ in }
        #expect(event.settings == settings)
        #expect(state.projects[1].settings == settings)
        #expect(event.command == .modifyProject(1, settings))
    }
}
