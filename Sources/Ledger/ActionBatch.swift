public import ReconnectionRules

/// Many actions in one flat buffer: names as bytes, no object and no string an action.
///
/// What a bulk caller uses instead of one `Action` each. The actions are performed in the order
/// they were added, committed together with whatever else arrived, and answered together.
///
/// ```swift
/// var batch = ActionBatch()
/// batch.disconnect(user: "u1")
/// batch.apply(user: "u1", project: "cap-demo")
/// batch.createSession(user: "u1")
/// let reply = try await ledger.perform(batch)
/// // reply[1].outcome == .returned
/// ```
///
/// Names are checked when they are added; an action with a name that cannot be recorded keeps its
/// place and is answered with a fault. Cost of an action: 16 bytes, and the name's bytes and 16
/// more unless the action before it names the same user.
public struct ActionBatch: Sendable {
    /// What is asked. Numbered as the events that answer.
    enum Kind: UInt8, Sendable, BitwiseCopyable {
        case apply, createSession, disconnect, destroy, repossess
    }

    struct Item: Sendable, BitwiseCopyable {
        var session: SessionId
        /// Index into `users`.
        var user: UInt32
        /// Index into `projects`.
        var project: UInt16
        var kind: Kind
        /// Names a session, or asks for RunWithoutClient.
        var flag: Bool
    }

    struct User: Sendable, BitwiseCopyable {
        /// Seeded per process; the same that `NameDirectory` uses.
        var hash: UInt64
        var offset: UInt32
        var byteCount: UInt16
        /// The name cannot be recorded.
        var isFaulty: Bool
    }

    private(set) var items: [Item] = []
    private(set) var users: [User] = []
    private(set) var nameBytes: [UInt8] = []
    private(set) var projects: [String] = []

    public init() {}

    /// Makes room for that many actions on users whose names have `nameByteCount` bytes.
    public init(reservingCapacity count: Int, nameByteCount: Int = 16) {
        items.reserveCapacity(count)
        users.reserveCapacity(count)
        nameBytes.reserveCapacity(count * nameByteCount)
    }

    /// How many actions there are.
    public var count: Int { items.count }
    public var isEmpty: Bool { items.isEmpty }

    /// Bytes of names gathered: a batch should stay below `nameByteCountMax`.
    public var nameByteCount: Int { nameBytes.count }

    /// Most bytes of names in one batch. Adding more traps.
    public static let nameByteCountMax = 1 << 30

    /// Removes the actions and keeps the memory.
    public mutating func removeAll() {
        items.removeAll(keepingCapacity: true)
        users.removeAll(keepingCapacity: true)
        nameBytes.removeAll(keepingCapacity: true)
    }

    // MARK: - Users by their text

    public mutating func apply(user: String, project: String) {
        withBytes(of: user) { $0.apply(userBytes: $1, project: project) }
    }

    public mutating func createSession(user: String, runsWithoutClient: Bool = false) {
        withBytes(of: user) {
            $0.createSession(userBytes: $1, runsWithoutClient: runsWithoutClient)
        }
    }

    public mutating func disconnect(user: String, session: SessionId? = nil) {
        withBytes(of: user) { $0.disconnect(userBytes: $1, session: session) }
    }

    public mutating func destroy(user: String, session: SessionId? = nil) {
        withBytes(of: user) { $0.destroy(userBytes: $1, session: session) }
    }

    public mutating func repossess(user: String) {
        withBytes(of: user) { $0.repossess(userBytes: $1) }
    }

    /// The three actions of a reconnect: disconnect, apply, createSession.
    public mutating func reconnect(user: String, project: String, session: SessionId? = nil) {
        withBytes(of: user) { $0.reconnect(userBytes: $1, project: project, session: session) }
    }

    // MARK: - Users by their bytes

    public mutating func apply(userBytes: UnsafeRawBufferPointer, project: String) {
        add(.apply, userBytes, project: index(ofProject: project))
    }

    public mutating func createSession(
        userBytes: UnsafeRawBufferPointer, runsWithoutClient: Bool = false
    ) {
        add(.createSession, userBytes, flag: runsWithoutClient)
    }

    public mutating func disconnect(
        userBytes: UnsafeRawBufferPointer, session: SessionId? = nil
    ) {
        add(.disconnect, userBytes, session: session ?? 0, flag: session != nil)
    }

    public mutating func destroy(userBytes: UnsafeRawBufferPointer, session: SessionId? = nil) {
        add(.destroy, userBytes, session: session ?? 0, flag: session != nil)
    }

    public mutating func repossess(userBytes: UnsafeRawBufferPointer) {
        add(.repossess, userBytes)
    }

    /// The three actions of a reconnect: disconnect, apply, createSession.
    public mutating func reconnect(
        userBytes: UnsafeRawBufferPointer, project: String, session: SessionId? = nil
    ) {
        disconnect(userBytes: userBytes, session: session)
        let user = UInt32(users.count - 1)
        let project = index(ofProject: project)
        items.append(Item(session: 0, user: user, project: project, kind: .apply, flag: false))
        items.append(Item(session: 0, user: user, project: 0, kind: .createSession, flag: false))
    }

    // MARK: - Parts

    private mutating func add(
        _ kind: Kind, _ name: UnsafeRawBufferPointer, session: SessionId = 0, project: UInt16 = 0,
        flag: Bool = false
    ) {
        if !isLast(name) { addUser(name) }
        items.append(
            Item(
                session: session, user: UInt32(users.count - 1), project: project, kind: kind,
                flag: flag))
    }

    /// Whether the action before names the same user: the three of a reconnect share one name.
    private func isLast(_ name: UnsafeRawBufferPointer) -> Bool {
        guard let last = users.last, Int(last.byteCount) == name.count, !last.isFaulty else {
            return false
        }
        return nameBytes.withUnsafeBytes { bytes in
            NameBytes.areEqual(
                UnsafeRawBufferPointer(rebasing: bytes[Int(last.offset)...].prefix(name.count)),
                name)
        }
    }

    private mutating func addUser(_ name: UnsafeRawBufferPointer) {
        let isFaulty = !NameBytes.canBeRecorded(name)
        let offset = UInt32(nameBytes.count)
        if !isFaulty {
            precondition(nameBytes.count + name.count <= Self.nameByteCountMax, "too large a batch")
            nameBytes.append(contentsOf: name)
        }
        users.append(
            User(
                hash: isFaulty ? 0 : NameBytes.hash(name), offset: offset,
                byteCount: isFaulty ? 0 : UInt16(name.count), isFaulty: isFaulty))
    }

    private mutating func index(ofProject name: String) -> UInt16 {
        // The newest first: most batches are about one project.
        if let index = projects.lastIndex(where: { NameBytes.areEqual($0, name) }) {
            return UInt16(index)
        }
        precondition(projects.count < 65_535, "a batch names at most 65,535 projects")
        projects.append(name)
        return UInt16(projects.count - 1)
    }

    private mutating func withBytes(
        of user: String, _ body: (inout ActionBatch, UnsafeRawBufferPointer) -> Void
    ) {
        var user = user
        user.withUTF8 { body(&self, UnsafeRawBufferPointer($0)) }
    }
}

/// What each action of a batch came to, in the batch's order, all of it durable.
public struct ActionBatchReply: Sendable {
    /// Why an item is no action: nothing was recorded for it.
    public enum Fault: UInt8, Sendable, BitwiseCopyable {
        case none = 0
        /// The name is empty, longer than 256 bytes, not UTF-8, or has control characters.
        case invalidUser = 1
        case unknownProject = 2
        /// The project, or the one in which the user holds a concurrency, is not the caller's.
        case outOfScope = 3
    }

    /// One action's answer: the event that was recorded, without its input.
    public struct Item: Sendable, BitwiseCopyable {
        /// Position of the event, 0 for a fault.
        public var position: Position = 0
        /// As in `Event`.
        public var deadline: Microseconds = 0
        public var session: SessionId = 0
        public var concurrency: ConcurrencyNumber = 0
        public var project: ProjectNumber = 0
        public var kind: Event.Kind = .applied
        public var outcome: Event.Outcome = .done
        public var state: ConcurrencyState = .none
        public var fault: Fault = .none

        init(fault: Fault) { self.fault = fault }

        init(_ event: Event) {
            position = event.position
            deadline = event.deadline
            session = event.session
            concurrency = event.concurrency
            project = event.project
            kind = event.kind
            outcome = event.outcome
            state = event.state
        }

        /// Whether the rules refused the action. It is recorded all the same.
        public var isRefusal: Bool {
            outcome == .noIdle || outcome == .lockTimeout || outcome == .sessionNameRequired
        }
    }

    public internal(set) var items: [Item] = []
    /// Names of the projects that the items name, by number.
    public internal(set) var projectNames: [ProjectNumber: String] = [:]

    public var count: Int { items.count }
    public subscript(index: Int) -> Item { items[index] }
}
