import LMDB

/// Random puts and deletes over several tables: short and long keys, values inside leaves and in
/// overflow pages, so that trees grow, shrink, and leave free pages.
struct Churn {
    static let tableNames = ["a", "bb", "long keys", "ccc"]
    private var generator: SeededGenerator

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    mutating func commitRound(_ environment: Environment, clears: Bool) throws(LMDBError) {
        var writing = try WriteTransaction(environment)
        for name in Self.tableNames {
            let table = try writing.table(named: name, create: true)
            for _ in 0..<Int.random(in: 1...40, using: &generator) {
                try change(&writing, table, keySizeMax: name == "long keys" ? 511 : 12)
            }
            if clears { try writing.clear(table) }
        }
        try writing.commit()
    }

    private mutating func change(
        _ writing: inout WriteTransaction, _ table: Table, keySizeMax: Int
    ) throws(LMDBError) {
        let size = Int.random(in: 1...keySizeMax, using: &generator)
        let key = (0..<size).map { _ in UInt8.random(in: 0...20, using: &generator) }
        if Int.random(in: 0..<8, using: &generator) < 4 {
            let isLong = Int.random(in: 0..<20, using: &generator) == 0
            let byteCount = Int.random(in: 0..<(isLong ? 30_000 : 2300), using: &generator)
            let value = [UInt8](repeating: 7, count: byteCount)
            try writing.put(value.span.bytes, forKey: key.span.bytes, in: table)
            return
        }
        guard let found = try Self.key(toOrAfter: key, writing, table) else { return }
        try writing.delete(found.span.bytes, in: table)
    }

    private static func key(
        toOrAfter key: [UInt8], _ writing: borrowing WriteTransaction, _ table: Table
    ) throws(LMDBError) -> [UInt8]? {
        var cursor = try writing.cursor(in: table)
        return try cursor.seek(toOrAfter: key.span.bytes) ? array(cursor.key) : nil
    }
}
