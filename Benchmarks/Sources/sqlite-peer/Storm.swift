import GRDB
import GRDBSQLite

/// The same storm as everywhere: users who hold a connected slot lose their client, apply again and
/// get a new session. Three events and the user's row a reconnect; a transaction for each batch.
struct Storm {
    struct Result {
        var seconds: Double
        var reconnects: Int
        var commits: Int
        /// Microseconds from the first statement of a batch to the end of its commit.
        var latencies: [UInt32]

        func json(_ options: Options) -> String {
            let sorted = latencies.sorted()
            func percentile(_ per10000: Int) -> UInt32 {
                sorted[min(sorted.count - 1, sorted.count * per10000 / 10_000)]
            }
            return """
                {"users":\(options.users),"batch":\(options.batch),"seconds":\(seconds),\
                "reconnects":\(reconnects),"reconnectsPerSecond":\(Double(reconnects) / seconds),\
                "events":\(reconnects * 3),"commits":\(commits),\
                "latencyMicroseconds":{"p50":\(percentile(5_000)),"p90":\(percentile(9_000)),\
                "p99":\(percentile(9_900)),"max":\(sorted.last!)},\
                "sqlite":"\(String(cString: sqlite3_libversion()))"}
                """
        }
    }

    private enum Kind { static let disconnected = 2, applied = 3, sessionCreated = 4 }

    private static let window: Int64 = 90_000_000

    private let options: Options
    private let queue: DatabaseQueue

    /// Opens the database and gives it its users.
    init(_ options: Options) throws {
        self.options = options
        var configuration = Configuration()
        configuration.prepareDatabase { db in
            try db.execute(
                sql: """
                    PRAGMA page_size = \(options.pageSize);
                    PRAGMA locking_mode = EXCLUSIVE;
                    PRAGMA journal_mode = WAL;
                    PRAGMA synchronous = FULL;
                    PRAGMA cache_size = -2000000;
                    PRAGMA mmap_size = 8589934592;
                    PRAGMA temp_store = MEMORY;
                    PRAGMA wal_autocheckpoint = \(options.checkpointPages);
                    """)
        }
        queue = try DatabaseQueue(
            path: "\(options.directory)/storm.sqlite", configuration: configuration)
        try queue.write { db in try Self.makeTables(db) }
        try queue.write { db in try Self.makeUsers(db, options.users) }
    }

    private static func makeTables(_ db: Database) throws {
        // One tree from the name to everything that a reconnect needs of a user.
        try db.execute(
            sql: """
                CREATE TABLE IF NOT EXISTS users (
                    name TEXT PRIMARY KEY, number INTEGER NOT NULL, state INTEGER NOT NULL,
                    concurrency INTEGER NOT NULL, session INTEGER NOT NULL, deadline INTEGER
                ) WITHOUT ROWID;
                CREATE TABLE IF NOT EXISTS events (
                    position INTEGER PRIMARY KEY, time INTEGER NOT NULL, kind INTEGER NOT NULL,
                    user INTEGER NOT NULL, concurrency INTEGER NOT NULL, session INTEGER NOT NULL,
                    deadline INTEGER
                );
                -- The position is the row's number, so the index is by user and position.
                CREATE INDEX IF NOT EXISTS events_of_user ON events (user);
                """)
    }

    private static func makeUsers(_ db: Database, _ count: Int) throws {
        let present = try Int.fetchOne(db, sql: "SELECT count(*) FROM users") ?? 0
        if present == count { return }
        guard present == 0 else {
            throw PeerError(text: "the database has \(present) users; name another directory")
        }
        let insert = try db.makeStatement(
            sql: "INSERT INTO users VALUES (?, ?, 2, ?, 0, NULL)")
        for number in 0 ..< count {
            try insert.execute(arguments: [userName(number), number + 1, number + 1])
        }
    }

    /// 16 bytes.
    static func userName(_ number: Int) -> String {
        let digits = "\(number)"
        return "user" + String(repeating: "0", count: 12 - digits.count) + digits
    }

    // MARK: - The run

    func run() throws -> Result {
        var random = Random(state: options.seed)
        let names = (0 ..< options.users).shuffled(using: &random).map {
            Array(Self.userName($0).utf8)
        }
        return try queue.writeWithoutTransaction { db in
            let reconnect = try Reconnect(db)
            var result = Result(seconds: 0, reconnects: 0, commits: 0, latencies: [])
            result.latencies.reserveCapacity(1_000_000)
            var next = 0
            let clock = ContinuousClock()
            let start = clock.now
            let end = start + .seconds(options.seconds)
            var now = start
            while now < end {
                let begun = now
                let time = Self.microseconds(begun - start)
                var asked = (0 ..< options.batch).map { names[(next + $0) % names.count] }
                next = (next + options.batch) % names.count
                // In the order of the trees, so that each of their pages is come by once.
                if options.isSorting { asked.sort { $0.lexicographicallyPrecedes($1) } }
                try db.inTransaction(.immediate) {
                    for name in asked { try reconnect(name, time: time) }
                    return .commit
                }
                now = clock.now
                result.commits += 1
                result.latencies.append(UInt32(clamping: Self.microseconds(now - begun)))
            }
            result.reconnects = result.commits * options.batch
            result.seconds = Double(Self.microseconds(now - start)) / 1e6
            return result
        }
    }

    private static func microseconds(_ length: Duration) -> Int64 {
        length.components.seconds * 1_000_000 + length.components.attoseconds / 1_000_000_000_000
    }

    /// The two statements of a reconnect, prepared once and bound without conversions.
    private final class Reconnect {
        private let update: Statement
        private let insert: Statement
        private var position: Int64

        init(_ db: Database) throws {
            position = try Int64.fetchOne(db, sql: "SELECT max(position) FROM events") ?? 0
            update = try db.makeStatement(
                sql: """
                    UPDATE users SET session = ?, deadline = NULL WHERE name = ? AND state = 2
                    RETURNING number, concurrency, session
                    """)
            insert = try db.makeStatement(
                sql: """
                    INSERT INTO events VALUES (?1, ?2, \(Kind.disconnected), ?3, ?4, ?5, ?6),
                    (?1 + 1, ?2, \(Kind.applied), ?3, ?4, ?5, ?6),
                    (?1 + 2, ?2, \(Kind.sessionCreated), ?3, ?4, ?1 + 2, NULL)
                    """)
        }

        func callAsFunction(_ name: [UInt8], time: Int64) throws {
            let user = update.sqliteStatement, events = insert.sqliteStatement
            let session = position + 3
            try name.withUnsafeBytes { bytes in
                let text = bytes.baseAddress!.assumingMemoryBound(to: CChar.self)
                sqlite3_bind_int64(user, 1, session)
                sqlite3_bind_text(user, 2, text, Int32(bytes.count), nil)
                guard sqlite3_step(user) == SQLITE_ROW else { throw failure(user) }
            }
            sqlite3_bind_int64(events, 1, position + 1)
            sqlite3_bind_int64(events, 2, time)
            for column in 0 ..< 3 as Range<Int32> {
                sqlite3_bind_int64(events, 3 + column, sqlite3_column_int64(user, column))
            }
            sqlite3_bind_int64(events, 6, time + Storm.window)
            sqlite3_reset(user)
            guard sqlite3_step(events) == SQLITE_DONE else { throw failure(events) }
            sqlite3_reset(events)
            position = session
        }

        private func failure(_ statement: SQLiteStatement) -> PeerError {
            PeerError(text: String(cString: sqlite3_errmsg(sqlite3_db_handle(statement))))
        }
    }
}

struct PeerError: Error, CustomStringConvertible {
    var text: String
    var description: String { text }
}

/// SplitMix64: the same order for the same seed.
struct Random: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
