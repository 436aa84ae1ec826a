/// Text measured in the columns a terminal gives it.
public enum DisplayText {
    /// Columns of a text. Characters of East Asia and pictures take two, marks that join others
    /// none. A terminal may disagree on rare ones: whoever lays out columns places each by itself.
    public static func width(of text: String) -> Int {
        var width = 0
        for character in text { width += self.width(of: character) }
        return width
    }

    /// Columns of one character as it is read: 0, 1 or 2.
    public static func width(of character: Character) -> Int {
        if let byte = character.asciiValue { return byte < 0x20 || byte == 0x7F ? 0 : 1 }
        var width = 0
        for scalar in character.unicodeScalars {
            // Asks for the picture where a character is both.
            if scalar.value == 0xFE0F { return 2 }
            width = max(width, self.width(of: scalar))
        }
        return width
    }

    /// The text in exactly or at most so many columns, `…` in place of what has no room. Control
    /// characters, and those that turn the direction of text, become `�`.
    public static func fitted(_ text: String, to columns: Int) -> String {
        guard columns > 0 else { return "" }
        var fitted: [Character] = []
        var width = 0
        // How much of it stands if `…` has to follow.
        var (cut, cutWidth) = (0, 0)
        for character in text {
            let shown = isHarmless(character) ? character : "\u{FFFD}"
            width += self.width(of: shown)
            if width > columns {
                let space = String(repeating: " ", count: columns - 1 - cutWidth)
                return String(fitted[..<cut]) + "…" + space
            }
            fitted.append(shown)
            if width < columns { (cut, cutWidth) = (fitted.count, width) }
        }
        return String(fitted)
    }

    /// The text in exactly so many columns.
    public static func padded(_ text: String, to columns: Int, right: Bool = false) -> String {
        let fitted = fitted(text, to: columns)
        let space = String(repeating: " ", count: max(0, columns - width(of: fitted)))
        return right ? space + fitted : fitted + space
    }

    /// The text in lines of at most so many columns, broken at spaces where there are any.
    public static func wrapped(_ text: String, to columns: Int) -> [String] {
        var lines: [String] = []
        var line = ""
        var width = 0
        for word in text.split(separator: " ") {
            let wordWidth = self.width(of: String(word))
            if !line.isEmpty, width + 1 + wordWidth > columns {
                lines.append(line)
                (line, width) = ("", 0)
            }
            if !line.isEmpty {
                line.append(" ")
                width += 1
            }
            line.append(contentsOf: word)
            width += wordWidth
        }
        if !line.isEmpty { lines.append(line) }
        return lines.map { fitted($0, to: columns) }
    }

    /// Whether a terminal prints it and nothing else: no control character, no turn of direction.
    static func isHarmless(_ character: Character) -> Bool {
        if let byte = character.asciiValue { return byte >= 0x20 && byte != 0x7F }
        return character.unicodeScalars.allSatisfy { scalar in
            switch scalar.value {
            case 0 ..< 0x20, 0x7F ..< 0xA0: false
            case 0x061C, 0x200E, 0x200F, 0x2028 ... 0x202E, 0x2066 ... 0x2069: false
            default: true
            }
        }
    }

    private static func width(of scalar: Unicode.Scalar) -> Int {
        switch scalar.value {
        case 0xAD: return 1
        // Vowels and finals of Hangul, which join the consonant before them.
        case 0x1160 ... 0x11FF: return 0
        case 0x1100 ..< 0x1160, 0x2E80 ..< 0x303F, 0x3041 ..< 0x4DC0, 0x4E00 ..< 0xA4D0,
            0xA960 ..< 0xA980, 0xAC00 ..< 0xD7A4, 0xF900 ..< 0xFB00, 0xFE10 ..< 0xFE1A,
            0xFE30 ..< 0xFE70, 0xFF01 ..< 0xFF61, 0xFFE0 ..< 0xFFE7, 0x16FE0 ..< 0x18D80,
            0x1AFF0 ..< 0x1B300, 0x1F200 ..< 0x1F300, 0x20000 ..< 0x3FFFE:
            break
        default:
            switch scalar.properties.generalCategory {
            case .nonspacingMark, .enclosingMark, .format: return 0
            default: return scalar.properties.isEmojiPresentation ? 2 : 1
            }
        }
        // Marks among them stand on the character before.
        return scalar.properties.generalCategory == .nonspacingMark ? 0 : 2
    }
}
