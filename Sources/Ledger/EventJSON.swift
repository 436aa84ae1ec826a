import JSON
public import ReconnectionRules

/// The one JSON form of an event: `history --json`, `tail --json`, the event stream.
public enum EventJSON {
    /// One object on one line, without the line feed. Every key is always there, null where the
    /// event has no such thing:
    ///
    /// `position`, `time` (RFC 3339, microseconds), `kind`, `outcome`, `user` (null if there is
    /// none, or it was forgotten), `userNumber`, `clientAddress` (null if none is recorded, or the
    /// user was forgotten), `project`,
    /// `concurrency` (number in that project), `session` (id of the grant's session after the
    /// event, or of the one it ended), `state` (of the concurrency after the event), `deadline`
    /// (when that ends by itself), `namedSession` (input: the session the action named; 0 where it
    /// named one that never was),
    /// `runsWithoutClient`, `askedProject` (input of an apply), `caller`, `previousOfUser`,
    /// `previousOfConcurrency`. opened adds `outageSeconds`, epochBegun that and `previousEpochEnd`
    /// (the position before it) and `eventsBefore`; projectModified adds `settings`.
    public static func line(_ named: NamedEvent) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(400)
        append(named, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Appends the object to bytes that are there, without a line feed. Cost: no allocation but the
    /// buffer's growth.
    public static func append(_ named: NamedEvent, to output: inout [UInt8]) {
        let event = named.event
        JSONObjectWriter.append(to: &output) { object in
            object.unsigned("position", event.position)
            object.string("time", Timestamp.text(event.time))
            object.string("kind", event.kind.name)
            object.string("outcome", event.outcome.name)
            text("user", named.user, &object)
            number("userNumber", UInt64(event.user), &object)
            text("clientAddress", named.clientAddress ?? "", &object)
            text("project", named.project, &object)
            number("concurrency", UInt64(event.concurrency), &object)
            let settings = event.settings
            let isAboutSlot = settings == nil && !event.isAboutLedger
            number("session", isAboutSlot ? event.session : 0, &object)
            text("state", event.state == .none ? "" : event.state.name, &object)
            if isAboutSlot, event.deadline != 0 {
                object.string("deadline", Timestamp.text(event.deadline))
            } else {
                object.null("deadline")
            }
            if event.namesSession {
                object.unsigned("namedSession", event.inputSession)
            } else {
                object.null("namedSession")
            }
            object.bool("runsWithoutClient", isAboutSlot && event.flag)
            text("askedProject", named.inputProject, &object)
            object.string("caller", Caller(rawValue: event.caller).name)
            number("previousOfUser", isAboutSlot ? event.previousOfUser : 0, &object)
            number("previousOfConcurrency", event.previousOfConcurrency, &object)
            if event.isAboutLedger { object.json("outageSeconds", seconds(event.outage)) }
            if let end = event.previousEpochEnd, let count = event.eventCountBefore {
                object.unsigned("previousEpochEnd", end)
                object.unsigned("eventsBefore", count)
            }
            if let settings { object.object("settings") { write(settings, to: &$0) } }
        }
    }

    private static func write(_ settings: ProjectSettings, to object: inout JSONObjectWriter) {
        object.unsigned("concurrencies", settings.concurrencyCount)
        object.json("reconnectWindowSeconds", seconds(settings.reconnectWindow))
        object.json("lockTimeoutSeconds", seconds(settings.lockTimeout))
        object.json("cleanupTimeSeconds", seconds(settings.cleanupTime))
        object.bool("requiresSessionName", settings.requiresSessionName)
    }

    private static func text(_ key: String, _ value: String, _ object: inout JSONObjectWriter) {
        if value.isEmpty { object.null(key) } else { object.string(key, value) }
    }

    private static func number(_ key: String, _ value: UInt64, _ object: inout JSONObjectWriter) {
        if value == 0 { object.null(key) } else { object.unsigned(key, value) }
    }

    /// Seconds with the fraction the value has, as a JSON number.
    public static func seconds(_ time: Microseconds) -> [UInt8] {
        var text = String(time / 1_000_000)
        let fraction = time % 1_000_000
        if fraction != 0 {
            var digits = String(fraction.magnitude)
            digits = String(repeating: "0", count: 6 - digits.count) + digits
            while digits.hasSuffix("0") { digits.removeLast() }
            text += "." + digits
        }
        return Array(text.utf8)
    }
}
