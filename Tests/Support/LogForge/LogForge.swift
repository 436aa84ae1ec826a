public import LMDB

/// Reads and rewrites a log behind the back of the code that owns it. The log must be closed.
public enum LogForge {
    /// Every entry of the batches table, in key order.
    public static func batches(in directory: String) throws -> [ForgedBatch] {
        let environment = try Environment(directory: directory)
        let transaction = try ReadTransaction(environment)
        guard let table = try transaction.table(named: "batches") else { return [] }
        var found: [ForgedBatch] = []
        var cursor = try transaction.cursor(in: table)
        while try cursor.next() {
            found.append(
                ForgedBatch(
                    key: cursor.keyUInt64!, bytes: cursor.value.withUnsafeBytes { Array($0) }))
        }
        return found
    }

    /// Puts these entries in place of all others.
    public static func replaceBatches(
        in directory: String, by batches: [ForgedBatch]
    ) throws(LMDBError) {
        let environment = try quickEnvironment(directory)
        var transaction = try WriteTransaction(environment)
        let table = try transaction.table(named: "batches", create: true)
        try transaction.clear(table)
        for batch in batches {
            try transaction.put(batch.bytes.span.bytes, forKey: batch.key, in: table)
        }
        try transaction.commit()
        // Once more, as a forger would: the file still knows how many batches it had before its
        // newest commit.
        var again = try WriteTransaction(environment)
        let same = try again.table(named: "batches", create: true)
        let value: [UInt8] = [0]
        try again.put(value.span.bytes, forKey: UInt64.max, in: same)
        _ = try again.delete(UInt64.max, in: same)
        try again.commit()
    }

    /// Reads the batches, has them changed, and writes them back.
    public static func rewrite(
        in directory: String, _ change: (inout [ForgedBatch]) throws -> Void
    ) throws {
        var batches = try batches(in: directory)
        try change(&batches)
        try replaceBatches(in: directory, by: batches)
    }

    /// The value of the meta table's one entry.
    public static func meta(in directory: String) throws -> [UInt8] {
        let environment = try Environment(directory: directory)
        let transaction = try ReadTransaction(environment)
        guard let table = try transaction.table(named: "meta") else { return [] }
        let key = Array("holdfast".utf8)
        return try transaction.get(key.span.bytes, in: table)?.withUnsafeBytes { Array($0) } ?? []
    }

    public static func setMeta(in directory: String, to value: [UInt8]) throws(LMDBError) {
        try put(value, forKey: Array("holdfast".utf8), table: "meta", in: directory)
    }

    /// Puts one entry into a table of any LMDB file, made if it is missing.
    public static func put(
        _ value: [UInt8], forKey key: [UInt8], table: String, in directory: String
    ) throws(LMDBError) {
        let environment = try quickEnvironment(directory)
        var transaction = try WriteTransaction(environment)
        let table = try transaction.table(named: table, create: true)
        try transaction.put(value.span.bytes, forKey: key.span.bytes, in: table)
        try transaction.commit()
    }

    /// No test cuts the power.
    private static func quickEnvironment(_ directory: String) throws(LMDBError) -> Environment {
        var options = Environment.Options()
        options.durability = .noSync
        return try Environment(directory: directory, options: options)
    }
}
