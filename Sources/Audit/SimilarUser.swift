public import Ledger

extension LedgerReader {
    /// A user whose name differs from the one given in case or in spaces only, as far as a few
    /// look-ups find one; nil if none does. For errors: names are compared byte by byte.
    public func similarUser(to name: String) -> String? {
        let words = name.split(separator: " ", omittingEmptySubsequences: true)
        let trimmed = words.joined(separator: " ")
        let lower = trimmed.lowercased()
        let first = lower.prefix(1).uppercased() + lower.dropFirst()
        let candidates = [
            trimmed, lower, trimmed.uppercased(), first, words.joined(), lower.split(separator: " ")
                .joined(), trimmed + " ", " " + trimmed,
        ]
        return candidates.first {
            !$0.isEmpty && $0 != name && view.users.number(of: $0) != nil
        }
    }
}
