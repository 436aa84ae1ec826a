/// The main tree, whose keys name the tables, and the tree of each table.
enum TableWalk {
    static func walk(
        _ meta: MetaPage, _ file: borrowing FileReader, _ census: inout PageCensus
    ) throws(PageFault) -> [String: TableStatistics] {
        var found: [(name: String, record: TreeRecord, owner: Int)] = []
        try requirePlain(meta.main, "the tree of tables", owner: meta.number)
        _ = try TreeWalk.walk(
            "the tree of tables", meta.main, order: .bytes, allowsTables: true, owner: meta.number,
            file, &census
        ) { (page, number, entry, _) throws(PageFault) in
            guard case .table(let range) = entry.value else { return }
            let name = String(decoding: page.bytes[entry.key], as: UTF8.self)
            found.append((name, TreeRecord(page, at: range.lowerBound), number))
        }
        var tables: [String: TableStatistics] = [:]
        for (name, record, owner) in found {
            let label = "table \(printable(name))"
            try requirePlain(record, label, owner: owner)
            tables[name] = try TreeWalk.walk(
                label, record, order: .bytes, allowsTables: false, owner: owner, file,
                &census, { (_, _, _, _) throws(PageFault) in })
        }
        return tables
    }

    /// A name as a message may show it, whatever stands in the file.
    private static func printable(_ name: String) -> String {
        var text = ""
        for scalar in name.unicodeScalars {
            let isControl = scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
            text.unicodeScalars.append(isControl ? "\u{FFFD}" : scalar)
        }
        return text
    }

    private static func requirePlain(
        _ record: TreeRecord, _ name: String, owner: Int
    ) throws(PageFault) {
        guard record.flags == 0, record.pad == 0 else {
            throw PageFault(
                .unsupported, page: owner,
                "\(name) has flags \(record.flags): duplicate or integer keys")
        }
    }
}
