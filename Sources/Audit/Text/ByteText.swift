/// Numbers of bytes for people.
public enum ByteText {
    /// `512 bytes`, `40.9 kB`, `402.3 MB`, `1.2 GB`: a thousand of one is one of the next; cut.
    public static func readable(_ count: UInt64) -> String {
        let units = ["kB", "MB", "GB", "TB", "PB", "EB"]
        guard count >= 1_000 else { return Words.count(count, "byte") }
        var size: UInt64 = 1_000
        var index = 0
        while index + 1 < units.count, count / size >= 1_000 {
            size *= 1_000
            index += 1
        }
        return "\(count / size).\(count / (size / 10) % 10) \(units[index])"
    }
}
