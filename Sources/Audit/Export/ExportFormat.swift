import JSON
public import Ledger
public import ReconnectionRules

/// The forms in which events leave a ledger. Each event is one line.
public enum ExportFormat: String, Sendable, CaseIterable {
    /// `EventJSON`, an object a line: nothing is lost, `EventImporter` reads it back.
    case jsonl
    /// RFC 4180 with a header, the same fields.
    case csv
    /// CloudEvents 1.0 in the structured JSON form, one a line; `data` is the object of `jsonl`.
    case cloudevents
}

/// Writes events of one ledger as lines of one format.
public struct EventLineWriter: Sendable {
    public let format: ExportFormat
    private let ledgerId: String

    public init(_ format: ExportFormat, ledgerId: String) {
        self.format = format
        self.ledgerId = ledgerId
    }

    /// What stands before the first event, its line end included; empty for most formats.
    public var header: [UInt8] {
        format == .csv ? Array((Self.columns.joined(separator: ",") + "\r\n").utf8) : []
    }

    /// Appends an event's line, its line end included. Cost: a microsecond or two.
    public func append(_ named: NamedEvent, to output: inout [UInt8]) {
        switch format {
        case .jsonl:
            EventJSON.append(named, to: &output)
            output.append(0x0A)
        case .csv: appendCSV(named, to: &output)
        case .cloudevents:
            appendCloudEvent(named, to: &output)
            output.append(0x0A)
        }
    }

    /// The bytes an event's line begins with, up to the end of its time: enough to tell it from
    /// events of other ledgers, and without names, which may be forgotten since.
    func beginning(of event: Event) -> [UInt8] {
        var line: [UInt8] = []
        append(NamedEvent(event: event, user: "", project: "", inputProject: ""), to: &line)
        // Nothing before the time has such a letter.
        return Array(line.prefix { $0 != UInt8(ascii: "Z") })
    }

    // MARK: - CSV

    /// The columns, in order.
    public static let columns = [
        "position", "time", "kind", "outcome", "user", "project", "concurrency", "session",
        "state", "deadline", "namedSession", "runsWithoutClient", "askedProject", "caller",
        "previousOfUser", "previousOfConcurrency", "outageSeconds", "previousEpochEnd",
        "eventsBefore", "concurrencies", "reconnectWindowSeconds", "lockTimeoutSeconds",
        "cleanupTimeSeconds", "requiresSessionName",
    ]

    private func appendCSV(_ named: NamedEvent, to output: inout [UInt8]) {
        let event = named.event
        var row = CSVRow(output: output)
        output = []
        row.number(event.position)
        row.text(Timestamp.text(event.time))
        row.text(event.kind.name)
        row.text(event.outcome.name)
        row.text(named.user)
        row.text(named.project)
        row.number(UInt64(event.concurrency), isThere: event.concurrency != 0)
        let isAboutSlot = event.isAboutSlot
        row.number(event.session, isThere: isAboutSlot && event.session != 0)
        row.text(event.state == .none ? "" : event.state.name)
        row.text(isAboutSlot && event.deadline != 0 ? Timestamp.text(event.deadline) : "")
        row.number(event.inputSession, isThere: event.namesSession)
        row.text(isAboutSlot && event.flag ? "true" : "false")
        row.text(named.inputProject)
        row.text(Caller(rawValue: event.caller).name)
        row.number(event.previousOfUser, isThere: isAboutSlot && event.previousOfUser != 0)
        row.number(event.previousOfConcurrency, isThere: event.previousOfConcurrency != 0)
        row.bytes(event.isAboutLedger ? EventJSON.seconds(event.outage) : [])
        row.number(event.previousEpochEnd ?? 0, isThere: event.previousEpochEnd != nil)
        row.number(event.eventCountBefore ?? 0, isThere: event.eventCountBefore != nil)
        let settings = event.settings
        row.number(UInt64(settings?.concurrencyCount ?? 0), isThere: settings != nil)
        row.bytes(settings.map { EventJSON.seconds($0.reconnectWindow) } ?? [])
        row.bytes(settings.map { EventJSON.seconds($0.lockTimeout) } ?? [])
        row.bytes(settings.map { EventJSON.seconds($0.cleanupTime) } ?? [])
        row.text(settings.map { $0.requiresSessionName ? "true" : "false" } ?? "")
        output = row.finished()
    }

    // MARK: - CloudEvents

    private func appendCloudEvent(_ named: NamedEvent, to output: inout [UInt8]) {
        let event = named.event
        var data: [UInt8] = []
        data.reserveCapacity(400)
        EventJSON.append(named, to: &data)
        JSONObjectWriter.append(to: &output) { object in
            object.string("specversion", "1.0")
            object.string("id", "\(ledgerId)/\(event.position)")
            object.string("source", "urn:holdfast:\(ledgerId)")
            object.string("type", "holdfast.\(event.kind.name)")
            object.string("time", Timestamp.text(event.time))
            if !named.user.isEmpty { object.string("subject", named.user) }
            object.string("datacontenttype", "application/json")
            object.json("data", data)
        }
    }
}

/// One record of RFC 4180: fields between commas, quoted where they have to be, CR LF at its end.
private struct CSVRow {
    private var output: [UInt8]
    private var isFirst = true

    init(output: [UInt8]) { self.output = output }

    mutating func text(_ value: String) {
        comma()
        let isPlain = value.utf8.allSatisfy {
            $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: "\"") && $0 != 0x0A && $0 != 0x0D
        }
        if isPlain { return output.append(contentsOf: value.utf8) }
        output.append(UInt8(ascii: "\""))
        for byte in value.utf8 {
            if byte == UInt8(ascii: "\"") { output.append(byte) }
            output.append(byte)
        }
        output.append(UInt8(ascii: "\""))
    }

    mutating func number(_ value: UInt64, isThere: Bool = true) {
        comma()
        if isThere { output.append(contentsOf: String(value).utf8) }
    }

    /// Digits, or nothing.
    mutating func bytes(_ value: [UInt8]) {
        comma()
        output.append(contentsOf: value)
    }

    private mutating func comma() {
        if !isFirst { output.append(UInt8(ascii: ",")) }
        isFirst = false
    }

    consuming func finished() -> [UInt8] {
        output.append(0x0D)
        output.append(0x0A)
        return output
    }
}
