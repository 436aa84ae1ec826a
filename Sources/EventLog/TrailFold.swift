package import ReconnectionRules

/// Checks what the events say of each other, without deciding anything: back-pointers of users,
/// concurrencies, projects and the ledger, long jumps, numbers handed out in order, names bound
/// once, nothing after somebody was forgotten. From flat tables: 24 bytes a user, 8 a concurrency,
/// and the names.
///
/// All but one need no key: whether sealed names are bound once is known of those that open.
package final class TrailFold: BatchFold {
    private var tables: TrailTables

    /// `keys` opens sealed names; without them they are taken as they are.
    package init(keys: PersonalKeys? = nil) { tables = TrailTables(TextOpener(keys)) }

    /// Names of users bound so far, and those of them that no key opened.
    package var nameCount: Int { tables.nameCount }
    package var unopenedNameCount: Int { tables.unopenedNameCount }
    package var forgottenCount: Int { tables.forgottenCount }

    package func fold(_ batch: borrowing BatchView, before limit: Position) throws {
        try tables.fold(batch, before: limit)
    }

    package func prepare(_ names: OpenedNames) { tables.prepare(names) }

    package func finish() {}
}

private struct TrailTables: ~Copyable {
    struct User {
        var last: Position = 0
        /// Newest jump node.
        var jump: Position = 0
        var eventCount: UInt32 = 0
        /// Where the roots of the user's jump trees begin in `roots`.
        var rootsOffset: UInt32 = 0
    }

    struct Project {
        var last: Position = 0
        /// Highest capacity ever set: numbers up to it have been in service.
        var numberCount: UInt64 = 0
        var concurrencies = PositionTable()
    }

    /// Index = number; index 0 is unused.
    private var users = FlatTable<User>(first: User())
    private var projects = [Project()]
    /// Roots of jump trees, oldest first; a block for each user that has any, moved as it grows.
    private var roots = FlatTable<Position>(first: 0)
    private var lastOfLedger: Position = 0
    /// The last event of the batch before.
    private var lastPosition: Position = 0
    private var userNames = NameSet()
    private var projectNames = NameSet()
    private let opener: TextOpener
    private(set) var unopenedNameCount = 0
    private(set) var forgottenCount = 0

    var nameCount: Int { users.count - 1 }

    func prepare(_ names: OpenedNames) { opener.use(names) }

    /// In place of a forgotten user's newest event: no event can follow on it.
    private static let forgotten = Position.max

    init(_ opener: TextOpener) { self.opener = opener }
    /// Of no use but to keep the loads of `touch` in the program.
    private var touched: Position = 0

    /// Events whose records are loaded ahead: their lines fit the nearest cache.
    private static let touchCount = 64

    mutating func fold(_ batch: borrowing BatchView, before limit: Position) throws {
        guard limit > batch.firstPosition else { return }
        let count = Int(min(limit - batch.firstPosition, Position(batch.eventCount)))
        var record = batch.firstRecord
        var names = batch.names
        for index in 0 ..< count {
            if index % Self.touchCount == 0 { touch(record, min(Self.touchCount, count - index)) }
            let position = batch.firstPosition + Position(index)
            if EventCodec.bindsName(record) {
                try bind(record, position, names.name(ofEventAt: index), batch.hasSealedTexts)
            } else if names.nextIndex == index {
                _ = names.name(ofEventAt: index)
            }
            try follow(record, position)
            record += LogFormat.recordByteCount
        }
        lastPosition = batch.lastPosition
    }

    /// Loads what the next events will need. These loads wait for nothing, so a processor has many
    /// of them under way at once; the checks, one after the other, then find it in cache. See
    /// docs/decisions/0031-tables-are-touched-ahead.md.
    private mutating func touch(_ first: UnsafeRawPointer, _ count: Int) {
        var (record, sum) = (first, Position(0))
        for _ in 0 ..< count {
            let user: UInt32 = EventCodec.load(record, at: 12)
            if Int(user) < users.count {
                // A record may lie across two lines: its first and its last field are loaded.
                sum |= users[Int(user)].last | Position(users[Int(user)].eventCount)
            }
            let concurrency: UInt32 = EventCodec.load(record, at: 16)
            let project: UInt16 = EventCodec.load(record, at: 20)
            if Int(project) < projects.count {
                sum |= projects[Int(project)].concurrencies.peek(concurrency)
            }
            record += LogFormat.recordByteCount
        }
        touched |= sum
    }

    @inline(__always)
    private mutating func follow(_ record: UnsafeRawPointer, _ position: Position) throws {
        let kind: UInt8 = EventCodec.load(record, at: 0)
        if kind <= Event.Kind.projectModified.rawValue || kind == Event.Kind.epochBegun.rawValue {
            return try followProject(kind, record, position)
        }
        let user: UInt32 = EventCodec.load(record, at: 12)
        let previousOfUser: Position = EventCodec.load(record, at: 56)
        let jump: Position = EventCodec.load(record, at: 72)
        if user == 0 {
            try require(previousOfUser, 0, "the user's previous event", position)
            try require(jump, 0, "the jump", position)
        } else {
            guard Int(user) < users.count else {
                throw fault(position, "the user number \(user) was never handed out")
            }
            try followUser(Int(user), previousOfUser, jump, position)
        }
        let concurrency: UInt32 = EventCodec.load(record, at: 16)
        let project: UInt16 = EventCodec.load(record, at: 20)
        let previous: Position = EventCodec.load(record, at: 64)
        guard concurrency != 0 else {
            if kind == Event.Kind.userForgotten.rawValue {
                return try followForgotten(user, previous, position)
            }
            return try require(previous, 0, "the concurrency's previous event", position)
        }
        guard Int(project) < projects.count,
            UInt64(concurrency) <= projects[Int(project)].numberCount
        else { throw fault(position, "the concurrency was never in service") }
        let last = projects[Int(project)].concurrencies.exchange(concurrency, position)
        try require(previous, last, "the concurrency's previous event", position)
    }

    @inline(__always)
    private mutating func followUser(
        _ user: Int, _ previous: Position, _ jump: Position, _ position: Position
    ) throws {
        var record = users[user]
        try require(previous, record.last, "the user's previous event", position)
        record.last = position
        record.eventCount &+= 1
        if record.eventCount % JumpOrder.stride != 0 {
            try require(jump, record.jump, "the jump", position)
            users[user] = record
        } else {
            record.jump = position
            users[user] = record
            try require(jump, jumpOfNode(user, position), "the jump", position)
        }
    }

    private mutating func followForgotten(
        _ user: UInt32, _ previous: Position, _ position: Position
    ) throws {
        try require(previous, lastOfLedger, "the ledger's previous event", position)
        lastOfLedger = position
        users[Int(user)].last = Self.forgotten
        forgottenCount += 1
    }

    /// Where a user's new jump node has to lead; puts the node in its place.
    private mutating func jumpOfNode(_ user: Int, _ position: Position) -> Position {
        let before = users[user].eventCount / JumpOrder.stride - 1
        let trees = JumpOrder.Trees(ofNodes: before)
        let offset = makeRoom(user, before)
        if trees.isPair {
            roots[offset + trees.count - 2] = position
            return trees.count > 2 ? roots[offset + trees.count - 3] : 0
        }
        roots[offset + trees.count] = position
        return trees.count > 0 ? roots[offset + trees.count - 1] : 0
    }

    /// The user's block of roots, after `before` nodes: with room for another tree. The block grows
    /// from 4 to 8, 16 and 40 roots where 27, 503 and 131,055 nodes can first need that.
    private mutating func makeRoom(_ user: Int, _ before: UInt32) -> Int {
        let offset = Int(users[user].rootsOffset)
        let sizes: (old: Int, new: Int)
        switch before {
        case 0: sizes = (0, 4)
        case 26: sizes = (4, 8)
        case 502: sizes = (8, 16)
        case 131_054: sizes = (16, 40)
        default: return offset
        }
        let new = roots.count
        for index in 0 ..< sizes.new {
            roots.append(index < sizes.old ? roots[offset + index] : 0)
        }
        users[user].rootsOffset = UInt32(new)
        return new
    }

    // MARK: - Projects, the ledger and names

    private mutating func followProject(
        _ kind: UInt8, _ record: UnsafeRawPointer, _ position: Position
    ) throws {
        let previous: Position = EventCodec.load(record, at: 64)
        let jump: Position = EventCodec.load(record, at: 72)
        try require(jump, 0, "the jump", position)
        if kind == Event.Kind.epochBegun.rawValue {
            let end: Position = EventCodec.load(record, at: EventCodec.previousOfUserOffset)
            try require(end, lastPosition, "the end of the epoch before", position)
        }
        if kind == Event.Kind.opened.rawValue || kind == Event.Kind.epochBegun.rawValue {
            try require(previous, lastOfLedger, "the ledger's previous event", position)
            lastOfLedger = position
            return
        }
        let number: UInt16 = EventCodec.load(record, at: 20)
        let project = Int(number)
        if kind == Event.Kind.projectNamed.rawValue {
            guard project == projects.count else {
                throw fault(position, "the project number is out of order")
            }
            projects.append(Project())
        }
        guard project > 0, project < projects.count else {
            throw fault(position, "the project number was never handed out")
        }
        try require(previous, projects[project].last, "the project's previous event", position)
        projects[project].last = position
        guard kind == Event.Kind.projectModified.rawValue else { return }
        let count: UInt64 = EventCodec.load(record, at: 56)
        projects[project].numberCount = max(
            projects[project].numberCount, min(count, UInt64(UInt32.max)))
    }

    /// A new number for a name.
    private mutating func bind(
        _ record: UnsafeRawPointer, _ position: Position, _ name: UnsafeRawBufferPointer?,
        _ isSealed: Bool
    ) throws {
        guard let name else { throw fault(position, "no name is bound") }
        let kind: UInt8 = EventCodec.load(record, at: 0)
        if kind == Event.Kind.projectNamed.rawValue {
            guard projectNames.insert(name, isGone: { _ in false }) else {
                throw fault(position, "the name is bound twice")
            }
            return
        }
        let user: UInt32 = EventCodec.load(record, at: 12)
        guard Int(user) == users.count else {
            throw fault(position, "the user number is out of order")
        }
        switch opener.name(name, ofUser: user, at: position, isSealed: isSealed) {
        case .text(let name):
            let isNew = name.withUnsafeBytes { name in
                userNames.insert(name) { users[$0].last == Self.forgotten }
            }
            guard isNew else { throw fault(position, "the name is bound twice") }
        case .forgotten, .locked:
            userNames.skip()
            unopenedNameCount += 1
        case .damaged: throw fault(position, "the sealed name is not what was sealed for this user")
        }
        users.append(User())
    }

    @inline(__always)
    private func require(
        _ found: Position, _ expected: Position, _ what: StaticString, _ position: Position
    ) throws {
        guard found == expected else {
            if expected == Self.forgotten {
                throw fault(position, "the user was forgotten before, and acts")
            }
            throw fault(position, "\(what) is \(expected), the log says \(found)")
        }
    }

    @inline(never)
    private func fault(_ position: Position, _ what: String) -> LogError {
        LogError(.corrupt(position: position), "position \(position): \(what)")
    }
}

/// Records by number, in one piece that grows by doubling. Not an array: a copy, made because
/// somebody held a second reference for a moment, would cost more than the whole fold.
private struct FlatTable<Record: BitwiseCopyable>: ~Copyable {
    private var records: UnsafeMutableBufferPointer<Record>
    private(set) var count = 1

    init(first: Record) {
        records = .allocate(capacity: 1_024)
        records.initializeElement(at: 0, to: first)
    }

    deinit { records.deallocate() }

    subscript(index: Int) -> Record {
        @inline(__always) get {
            precondition(index >= 0 && index < count)
            return records.baseAddress.unsafelyUnwrapped[index]
        }
        @inline(__always) nonmutating _modify {
            precondition(index >= 0 && index < count)
            yield &records.baseAddress.unsafelyUnwrapped[index]
        }
    }

    mutating func append(_ record: Record) {
        if count == records.count {
            let larger = UnsafeMutableBufferPointer<Record>.allocate(capacity: 2 * count)
            _ = larger.moveInitialize(fromContentsOf: records)
            records.deallocate()
            records = larger
        }
        records.initializeElement(at: count, to: record)
        count += 1
    }
}

/// A position for each number, in blocks made when first used: what a forged number costs is
/// bounded.
private struct PositionTable {
    private static let blockBits: UInt32 = 12
    private var blocks: [[Position]] = []

    /// Puts `position` at `number` and returns what was there, 0 if nothing was.
    @inline(__always)
    mutating func exchange(_ number: UInt32, _ position: Position) -> Position {
        let block = Int(number >> Self.blockBits)
        let index = Int(number & (1 << Self.blockBits - 1))
        if block >= blocks.count || blocks[block].isEmpty { makeBlock(block) }
        let old = blocks[block][index]
        blocks[block][index] = position
        return old
    }

    /// What is at `number`, 0 if nothing is.
    @inline(__always)
    func peek(_ number: UInt32) -> Position {
        let block = Int(number >> Self.blockBits)
        guard block < blocks.count, !blocks[block].isEmpty else { return 0 }
        return blocks[block][Int(number & (1 << Self.blockBits - 1))]
    }

    @inline(never)
    private mutating func makeBlock(_ block: Int) {
        while blocks.count <= block { blocks.append([]) }
        blocks[block] = Array(repeating: 0, count: 1 << Self.blockBits)
    }
}

/// Names seen so far, byte by byte. Flat: the names' bytes, where each ends, and an open-addressing
/// table of 8 bytes a slot: number and half of the hash, so that other names are seldom looked at.
private struct NameSet {
    private var bytes: [UInt8] = []
    private var ends: [Int] = [0]
    private var slots = [UInt64](repeating: 0, count: 64)

    /// Gives the next number to no name.
    mutating func skip() { ends.append(bytes.count) }

    /// Gives the next number to a name. False if another number has it already that is not gone.
    mutating func insert(_ name: UnsafeRawBufferPointer, isGone: (Int) -> Bool) -> Bool {
        if 4 * ends.count > 3 * slots.count { grow() }
        var hasher = Hasher()
        hasher.combine(bytes: name)
        // Seeded per process, so that nobody can choose names that collide.
        let hash = UInt32(truncatingIfNeeded: hasher.finalize())
        var slot = Int(hash) & (slots.count - 1)
        while slots[slot] != 0 {
            let found = slots[slot]
            let number = Int(UInt32(truncatingIfNeeded: found))
            if UInt32(truncatingIfNeeded: found >> 32) == hash, isEqual(number, name),
                !isGone(number)
            {
                return false
            }
            slot = (slot + 1) & (slots.count - 1)
        }
        slots[slot] = UInt64(hash) << 32 | UInt64(ends.count)
        bytes.append(contentsOf: name)
        ends.append(bytes.count)
        return true
    }

    private func isEqual(_ number: Int, _ name: UnsafeRawBufferPointer) -> Bool {
        let range = ends[number - 1] ..< ends[number]
        guard range.count == name.count else { return false }
        return bytes.withUnsafeBytes {
            UnsafeRawBufferPointer(rebasing: $0[range]).elementsEqual(name)
        }
    }

    private mutating func grow() {
        var larger = [UInt64](repeating: 0, count: 2 * slots.count)
        for entry in slots where entry != 0 {
            var slot = Int(entry >> 32) & (larger.count - 1)
            while larger[slot] != 0 { slot = (slot + 1) & (larger.count - 1) }
            larger[slot] = entry
        }
        slots = larger
    }
}
