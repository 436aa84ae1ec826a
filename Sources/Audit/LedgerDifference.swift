public import Ledger
public import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What is different between two moments for one user.
public struct UserDifference: Sendable, Equatable {
    public enum Kind: String, Sendable, CaseIterable {
        /// Holds a concurrency at the later moment and held none at the earlier.
        case gained
        /// Held one at the earlier moment and holds none at the later.
        case lost
        /// Holds one at both, and something of it is different: the concurrency, its state, the
        /// session, the deadline.
        case changed
    }

    public var kind: Kind
    /// What the user held at either moment; nil where it was not known yet.
    public var before: UserView?
    public var after: UserView
    /// The event that made the difference: the newest grant of what was gained, the release of what
    /// was lost, the user's newest event for what changed. Nil if the user had no event between the
    /// moments: then an outage moved the deadline.
    public var cause: NamedEvent?
}

/// What is different between two moments for one project. `before` is nil where there was none.
public struct ProjectDifference: Sendable, Equatable {
    public var before: ProjectView?
    public var after: ProjectView
}

/// How much one of the counts grew, or for what is held now, changed.
public struct CounterDifference: Sendable, Equatable {
    public var name: String
    public var before: UInt64
    public var after: UInt64
}

/// What changed for whom between two moments of a ledger.
///
/// Numbers of users are held, what they held is looked up when it is asked for: memory for two
/// states and four bytes a difference.
public struct LedgerDifference {
    public let before: PastView
    public let after: PastView
    /// The users of each kind, by number.
    public let gained: [UserNumber]
    public let lost: [UserNumber]
    public let changed: [UserNumber]
    /// Projects whose settings or counts differ, in the order they were created.
    public let projects: [ProjectDifference]
    private let reader: LedgerReader

    /// Compares what a ledger held at two moments, of one project if it is named: then users who
    /// held a concurrency of it at either moment.
    ///
    /// `progress` is as of `PastStates.state(at:progress:)`, for one state and then for the other.
    /// Throws `invalid` if the first moment is later than the second, `unknownProject`, `log` where
    /// the log is damaged, and what `progress` throws. Cost: two states at past moments (see
    /// `LedgerReader.state(at:)`), and one look at each block of 256 records that the two do not
    /// share.
    public init(
        _ reader: LedgerReader, from first: Moment, to second: Moment, project: String? = nil,
        progress: (UInt64, UInt64) throws -> Void = { _, _ in }
    ) throws {
        try Self.check(reader, first, second)
        var only: ProjectNumber?
        if let project {
            guard let view = reader.project(project) else {
                throw LedgerError.unknownProject(project)
            }
            only = view.number
        }
        self.reader = reader
        let states = reader.pastStates()
        before = try reader.view(at: first, in: states, progress: progress)
        after = try reader.view(at: second, in: states, progress: progress)
        var comparison = StateComparison(before.state, after.state, only)
        comparison.run()
        gained = comparison.gained
        lost = comparison.lost
        changed = comparison.changed.sorted()
        let (before, after) = (before, after)
        projects = after.projects.compactMap { project in
            if let only, project.number != only { return nil }
            let earlier = before.project(project.name)
            return earlier == project ? nil : ProjectDifference(before: earlier, after: project)
        }
    }

    /// Events between the two moments.
    public var eventCount: UInt64 {
        after.state.eventCount - min(before.state.eventCount, after.state.eventCount)
    }

    /// The counts of the whole ledger at both moments, all of them.
    public var counters: [CounterDifference] {
        zip(before.state.counters.rows, after.state.counters.rows).map { earlier, later in
            CounterDifference(name: earlier.name, before: earlier.value, after: later.value)
        }
    }

    /// Hands over the differences of one kind, by user number. Cost: some point reads each, to find
    /// the event that made it.
    public func forEachUser(
        _ kind: UserDifference.Kind, _ body: (UserDifference) throws -> Void
    ) throws {
        let numbers =
            switch kind {
            case .gained: gained
            case .lost: lost
            case .changed: changed
            }
        for number in numbers {
            guard let later = after.user(number: number) else { continue }
            try body(
                Self.difference(
                    reader, kind, before.user(number: number), later, after: before.position))
        }
    }

    /// What is different for one user, nil if nothing is. Cost: point reads alone, no state.
    ///
    /// Throws `invalid` if the first moment is later than the second, or for a name or number that
    /// the ledger never saw.
    public static func ofUser(
        _ number: UserNumber, _ reader: LedgerReader, from first: Moment, to second: Moment
    ) throws(LedgerError) -> UserDifference? {
        let start = try check(reader, first, second)
        let before = try reader.user(number: number, at: first)
        guard let after = try reader.user(number: number, at: second) else { return nil }
        let kind: UserDifference.Kind
        switch (before?.project != nil, after.project != nil) {
        case (false, false): return nil
        case (false, true): kind = .gained
        case (true, false): kind = .lost
        case (true, true):
            guard let before, !holdTheSame(before, after) else { return nil }
            kind = .changed
        }
        return try difference(reader, kind, before, after, after: start)
    }

    private static func holdTheSame(_ left: UserView, _ right: UserView) -> Bool {
        left.project == right.project && left.concurrency == right.concurrency
            && left.state == right.state && left.session == right.session
            && left.deadline == right.deadline
    }

    /// Position of the first moment, which must not be later than the second.
    @discardableResult
    private static func check(
        _ reader: LedgerReader, _ first: Moment, _ second: Moment
    ) throws(LedgerError) -> Position {
        let start = try reader.event(at: first)
        let end = try reader.event(at: second)
        guard start.position <= end.position else {
            throw LedgerError(
                .invalid,
                "the first moment (position \(start.position), \(Timestamp.text(start.time))) is "
                    + "later than the second (position \(end.position), "
                    + "\(Timestamp.text(end.time))): swap them")
        }
        return start.position
    }

    private static func difference(
        _ reader: LedgerReader, _ kind: UserDifference.Kind, _ before: UserView?,
        _ after: UserView, after start: Position
    ) throws(LedgerError) -> UserDifference {
        let cause = try reader.newestEvent(of: after, after: start) { event in
            switch kind {
            case .gained: event.outcome == .granted
            case .lost: event.releasesUser
            case .changed: true
            }
        }
        return UserDifference(kind: kind, before: before, after: after, cause: cause)
    }
}

/// Finds the users for whom two states of one ledger differ. Blocks of records that the states
/// share, or that are the same byte for byte, are passed over.
private struct StateComparison {
    let before: State
    let after: State
    let project: ProjectNumber?
    private(set) var gained: [UserNumber] = []
    private(set) var lost: [UserNumber] = []
    private(set) var changed: [UserNumber] = []

    init(_ before: State, _ after: State, _ project: ProjectNumber?) {
        self.before = before
        self.after = after
        self.project = project
    }

    mutating func run() {
        Self.forEachDifference(before.users, after.users) { index in
            // Users without an event in between are left to their concurrencies.
            if index < before.users.count, before.users[index] == after.users[index] { return }
            compare(UserNumber(index))
        }
        // An outage moves deadlines without an event of the user.
        for number in after.projects.indices.dropFirst() where number < before.projects.count {
            let later = after.projects[number].concurrencies
            Self.forEachDifference(before.projects[number].concurrencies, later) { index in
                let user = Int(later[index].user)
                guard user > 0, user < before.users.count, before.users[user] == after.users[user]
                else { return }
                compare(UserNumber(user))
            }
        }
    }

    private mutating func compare(_ user: UserNumber) {
        let (earlier, later) = (before.holding(of: user), after.holding(of: user))
        if let project, earlier?.project != project, later?.project != project { return }
        switch (earlier, later) {
        case (nil, nil): break
        case (nil, .some): gained.append(user)
        case (.some, nil): lost.append(user)
        case (.some(let earlier), .some(let later)):
            let isSame =
                earlier.project == later.project && earlier.concurrency == later.concurrency
                && earlier.record.state == later.record.state
                && earlier.record.session == later.record.session
                && earlier.record.deadline == later.record.deadline
            if !isSame { changed.append(user) }
        }
    }

    /// Hands over the numbers of records that may differ, those in blocks of 256 that do, and of
    /// all that are only in the later table.
    private static func forEachDifference<Record>(
        _ before: RecordTable<Record>, _ after: RecordTable<Record>, _ body: (Int) -> Void
    ) {
        let recordCount = RecordTable<Record>.recordsPerChunk
        for chunk in 0 ..< after.chunkCount {
            let isSame =
                chunk < before.chunkCount
                && before.withChunk(chunk) { earlier in
                    after.withChunk(chunk) { later in
                        earlier.count == later.count
                            && (earlier.baseAddress == later.baseAddress
                                || memcmp(
                                    earlier.baseAddress!, later.baseAddress!,
                                    later.count * MemoryLayout<Record>.stride) == 0)
                    }
                }
            if isSame { continue }
            let first = chunk * recordCount
            for index in max(1, first) ..< max(1, min(first + recordCount, after.count)) {
                body(index)
            }
        }
    }
}
