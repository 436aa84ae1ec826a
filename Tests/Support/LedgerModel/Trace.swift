public import ReconnectionRules

/// One row of a trace: `time,user,connection,action,reason`.
public struct TraceRow: Sendable, Equatable {
    public enum Action: String, Sendable { case start, drop, close }

    public var time: Microseconds
    public var user: String
    public var connection: String
    public var action: Action

    public init(time: Microseconds, user: String, connection: String, action: Action) {
        self.time = time
        self.user = user
        self.connection = connection
        self.action = action
    }
}

/// What is wrong with a trace, and in which line.
public struct TraceFault: Error, CustomStringConvertible {
    public var line: Int
    public var reason: String
    public var description: String { "line \(line): \(reason)" }
}

/// What a trace comes to.
public struct TraceCounts: Sendable, Equatable {
    public var starts = 0
    public var grantedNew = 0
    public var resumed = 0
    public var takenOver = 0
    public var rejectedNoIdle = 0
    public var disconnected = 0
    public var staleDisconnects = 0
    public var destroyed = 0
    public var staleDestroys = 0
    public var repossessed = 0
    public var heldAtEnd = 0
    public var waitingAtEnd = 0

    public init(
        starts: Int = 0, grantedNew: Int = 0, resumed: Int = 0, takenOver: Int = 0,
        rejectedNoIdle: Int = 0, disconnected: Int = 0, staleDisconnects: Int = 0,
        destroyed: Int = 0, staleDestroys: Int = 0, repossessed: Int = 0, heldAtEnd: Int = 0,
        waitingAtEnd: Int = 0
    ) {
        self.starts = starts
        self.grantedNew = grantedNew
        self.resumed = resumed
        self.takenOver = takenOver
        self.rejectedNoIdle = rejectedNoIdle
        self.disconnected = disconnected
        self.staleDisconnects = staleDisconnects
        self.destroyed = destroyed
        self.staleDestroys = staleDestroys
        self.repossessed = repossessed
        self.heldAtEnd = heldAtEnd
        self.waitingAtEnd = waitingAtEnd
    }

    /// Counts one event; the two figures of the end are no matter of events.
    public mutating func count(_ event: Event) {
        switch (event.kind, event.outcome) {
        case (.applied, let outcome):
            starts += 1
            if outcome == .noIdle { rejectedNoIdle += 1 }
        case (.sessionCreated, .fresh): grantedNew += 1
        case (.sessionCreated, .resumed): resumed += 1
        case (.sessionCreated, .takeover): takenOver += 1
        case (.disconnected, .waiting): disconnected += 1
        case (.disconnected, .stale): staleDisconnects += 1
        case (.destroyed, .freed): destroyed += 1
        case (.destroyed, .stale): staleDestroys += 1
        case (.repossessed, .nothingHeld): break
        case (.repossessed, _): repossessed += 1
        default: break
        }
    }
}

public enum Trace {
    /// Reads a trace; the first line holds the names of the columns.
    public static func rows(of text: [UInt8]) throws -> [TraceRow] {
        var rows: [TraceRow] = []
        for (index, bytes) in text.split(separator: 0x0A, omittingEmptySubsequences: false)
            .enumerated()
        {
            var line = bytes
            if line.last == 0x0D { line = line.dropLast() }
            if index == 0 || line.isEmpty { continue }
            let fields = line.split(
                separator: 0x2C, maxSplits: 4, omittingEmptySubsequences: false)
            func text(_ field: Int) -> String { String(decoding: fields[field], as: UTF8.self) }
            guard fields.count >= 4 else {
                throw TraceFault(line: index + 1, reason: "too few columns")
            }
            guard let time = moment(fields[0]) else {
                throw TraceFault(line: index + 1, reason: "no RFC 3339 time in UTC: \(text(0))")
            }
            guard let action = TraceRow.Action(rawValue: text(3)) else {
                throw TraceFault(line: index + 1, reason: "no such action: \(text(3))")
            }
            if let last = rows.last, last.time > time {
                throw TraceFault(line: index + 1, reason: "earlier than the line before")
            }
            rows.append(
                TraceRow(time: time, user: text(1), connection: text(2), action: action))
        }
        return rows
    }

    /// `2016-06-01T02:12:50Z`, with up to six digits of a second's fraction, as microseconds since
    /// 1970.
    static func moment(_ field: ArraySlice<UInt8>) -> Microseconds? {
        let text = Array(field)
        guard text.count >= 20, text.last == UInt8(ascii: "Z") else { return nil }
        func number(_ start: Int, _ count: Int) -> Int64? {
            var value: Int64 = 0
            for byte in text[start..<start + count] {
                guard byte >= 0x30, byte <= 0x39 else { return nil }
                value = value * 10 + Int64(byte - 0x30)
            }
            return value
        }
        guard let year = number(0, 4), let month = number(5, 2), let day = number(8, 2),
            let hour = number(11, 2), let minute = number(14, 2), let second = number(17, 2),
            (1...12).contains(month), year >= 1970
        else { return nil }
        var fraction: Int64 = 0
        if text.count > 20 {
            let digits = text.count - 21
            guard text[19] == UInt8(ascii: "."), digits >= 1, digits <= 6,
                let value = number(20, digits)
            else { return nil }
            fraction = value
            for _ in digits..<6 { fraction *= 10 }
        }
        func isLeap(_ year: Int64) -> Bool {
            (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
        }
        var days: Int64 = 0
        for past in 1970..<year { days += isLeap(past) ? 366 : 365 }
        let lengths: [Int64] = [31, isLeap(year) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        for past in 0..<Int(month - 1) { days += lengths[past] }
        days += day - 1
        let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second
        return .seconds(seconds) + fraction
    }

    /// Plays a trace in its own time on an empty ledger of one project. `perform` carries out one
    /// command and returns the event that answers it.
    public static func play(
        _ rows: [TraceRow], settings: ProjectSettings,
        perform: (Command, Microseconds) throws -> Event
    ) rethrows {
        struct Connection: Hashable {
            var user: UserNumber
            var name: String
        }
        guard let first = rows.first else { return }
        _ = try perform(.nameProject(1), first.time)
        _ = try perform(.modifyProject(1, settings), first.time)
        var users: [String: UserNumber] = [:]
        var named: [Connection: SessionId] = [:]
        for row in rows {
            let user: UserNumber
            if let known = users[row.user] {
                user = known
            } else {
                user = UserNumber(users.count + 1)
                users[row.user] = user
                _ = try perform(.nameUser(user), row.time)
            }
            let connection = Connection(user: user, name: row.connection)
            switch row.action {
            case .start:
                let applied = try perform(.apply(user: user, project: 1), row.time)
                if applied.outcome == .noIdle {
                    named[connection] = applied.position
                } else {
                    let created = try perform(
                        .createSession(user: user, runsWithoutClient: false), row.time)
                    named[connection] = created.position
                }
            case .drop:
                _ = try perform(
                    .disconnect(user: user, session: named[connection] ?? 0), row.time)
            case .close:
                _ = try perform(.destroy(user: user, session: named[connection] ?? 0), row.time)
            }
        }
    }

    /// The counts of a trace by the model alone.
    public static func counts(_ rows: [TraceRow], settings: ProjectSettings) -> TraceCounts {
        var model = LedgerModel()
        var counts = TraceCounts()
        play(rows, settings: settings) { command, time in
            let events = model.run(command, at: time, by: .trace)
            for event in events { counts.count(event) }
            return events.last { $0.caller == Caller.trace.rawValue }!
        }
        counts.heldAtEnd = model.heldCount
        counts.waitingAtEnd = model.waitingCount
        return counts
    }
}
