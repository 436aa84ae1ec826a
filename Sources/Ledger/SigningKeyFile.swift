package import Crypto

/// An Ed25519 key in a private file: a line of text, `ed25519 `, the 32 bytes of the private key in
/// hexadecimal, and, if the key has a name, a space and the name. A second line, `check ` and the
/// first 16 digits of the first line's SHA-256: any 32 bytes are a key, and with one bit of them
/// changed it would sign in nobody's name. Files of Holdfast before that have one line.
package enum SigningKeyFile<Failure: PrivateFileError> {
    package typealias PrivateKey = Curve25519.Signing.PrivateKey

    private static var mark: String { "ed25519 " }
    private static var checkMark: String { "check " }

    /// The key and its name, empty if it has none; nil if there is no such file. Throws, as damage
    /// with `loss` (what is lost with the key) if it says something else.
    package static func read(
        _ path: String, loss: String
    ) throws(Failure) -> (key: PrivateKey, name: String)? {
        guard let bytes = try PrivateFiles<Failure>.read(path, byteCountMax: 4096) else {
            return nil
        }
        let damage = Failure(
            privateFile: "\(path) is damaged; restore it from a backup, or remove it to get a new "
                + "key (\(loss))", isDamage: true)
        guard var text = String(validating: bytes, as: UTF8.self) else { throw damage }
        if text.hasSuffix("\n") { text.removeLast() }
        if let lineEnd = text.firstIndex(of: "\n") {
            let line = String(text[..<lineEnd])
            guard text[text.index(after: lineEnd)...] == check(line)[...] else { throw damage }
            text = line
        }
        guard text.hasPrefix(mark) else { throw damage }
        let words = text.dropFirst(mark.count).split(
            separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
        guard let raw = KeyText.bytes(fromHex: words[0]),
            let key = try? PrivateKey(rawRepresentation: raw)
        else { throw damage }
        // A name has no space: one that has is a check that lost the end of its line.
        guard words.count < 2 || !words[1].contains(" ") else { throw damage }
        return (key, words.count > 1 ? String(words[1]) : "")
    }

    private static func check(_ line: String) -> String {
        checkMark + KeyText.hex(Array(SHA256.hash(data: Array(line.utf8)).prefix(8)))
    }

    /// Writes the file durably, mode 0600, in place of the one that is there. The caller holds the
    /// directory's lock.
    package static func write(
        _ key: PrivateKey, name: String = "", to path: String, in directory: String
    ) throws(Failure) {
        let line =
            mark + KeyText.hex(Array(key.rawRepresentation)) + (name.isEmpty ? "" : " " + name)
        try PrivateFiles<Failure>.replace(
            path, in: directory, with: Array((line + "\n" + check(line) + "\n").utf8))
    }
}

/// Keys in lower-case hexadecimal.
package enum KeyText {
    package static func hex(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        let text = bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        return String(decoding: text, as: UTF8.self)
    }

    /// 32 bytes from 64 digits, nil for anything else.
    static func bytes(fromHex text: Substring) -> [UInt8]? {
        let digits = text.utf8.compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
        guard digits.count == 64, text.utf8.count == 64 else { return nil }
        return (0 ..< 32).map { UInt8(digits[2 * $0] << 4 | digits[2 * $0 + 1]) }
    }
}
