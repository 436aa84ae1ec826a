/// Reads `name=value&name=value` as a query string or urlencoded body carries it: `+` is a
/// space, `%XX` a byte, the decoded bytes UTF-8. An empty text has no pairs.
enum FormParameters {
    /// The decoded pairs in order of arrival.
    ///
    /// Refused: more than `Limits.pairsMax` pairs, an empty or repeated name (a signature over
    /// sorted names could not tell which value was meant), a broken escape, text not UTF-8.
    static func decode(_ text: ArraySlice<UInt8>) throws(CloudError) -> [(String, String)] {
        var pairs: [(String, String)] = []
        if text.isEmpty { return pairs }
        for piece in Pieces(of: text, separatedBy: "&") {
            guard pairs.count < Limits.pairsMax else {
                throw CloudError(.invalidParameter, "More than \(Limits.pairsMax) parameters.")
            }
            let mark = piece.firstIndex(of: UInt8(ascii: "="))
            guard let name = unescape(piece[..<(mark ?? piece.endIndex)]), !name.isEmpty else {
                throw CloudError(
                    .invalidParameter, "Parameter \(pairs.count + 1) has no readable name.")
            }
            if pairs.contains(where: { $0.0 == name }) {
                throw CloudError(
                    .invalidParameter,
                    "The parameter `\(CloudError.printable(name))` is given twice.")
            }
            guard let mark else {
                pairs.append((name, ""))
                continue
            }
            guard let value = unescape(piece[piece.index(after: mark)...]) else {
                throw .badValue(
                    CloudError.printable(name), "is not percent-encoded UTF-8")
            }
            pairs.append((name, value))
        }
        return pairs
    }

    private static func unescape(_ text: ArraySlice<UInt8>) -> String? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        var iterator = text.makeIterator()
        while let byte = iterator.next() {
            switch byte {
            case UInt8(ascii: "+"):
                bytes.append(0x20)
            case UInt8(ascii: "%"):
                guard let first = iterator.next(), let second = iterator.next(),
                    let high = hexValue(first), let low = hexValue(second)
                else { return nil }
                bytes.append(high << 4 | low)
            default:
                bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
