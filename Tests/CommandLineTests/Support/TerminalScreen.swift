import Testing

/// What a terminal shows of the bytes it gets: as much of one as `holdfast replay` asks for, and a
/// test fails on anything else. Written from the meaning of the sequences, not from the code that
/// sends them.
struct TerminalScreen {
    private(set) var columns: Int
    private(set) var rows: Int
    /// A wide character stands in its first cell, its second is empty.
    private(set) var cells: [[String]]
    private var (row, column) = (0, 0)
    private(set) var isAlternate = false
    private(set) var isCursorVisible = true
    private var wraps = true
    /// Of each cell, whether it is inverse, and its colour if it has one.
    private(set) var looks: [[String]]
    private var look: Set<String> = []
    private var pending: [UInt8] = []
    private(set) var unknown: [String] = []

    init(columns: Int, rows: Int) {
        (self.columns, self.rows) = (columns, rows)
        cells = Array(repeating: Array(repeating: " ", count: columns), count: rows)
        looks = Array(repeating: Array(repeating: "", count: columns), count: rows)
    }

    /// Another size, with nothing on it.
    mutating func resize(columns: Int, rows: Int) {
        let other = TerminalScreen(columns: columns, rows: rows)
        (self.columns, self.rows, cells, looks) = (columns, rows, other.cells, other.looks)
        (row, column) = (0, 0)
    }

    /// The rows without the blanks at their ends.
    var lines: [String] {
        cells.map { row in
            var text = row.joined()
            while text.hasSuffix(" ") { text.removeLast() }
            return text
        }
    }

    /// A part of each row, cut by columns.
    func lines(from first: Int, to end: Int) -> [String] {
        cells.map { row in
            var text = row[first..<min(end, row.count)].joined()
            while text.hasSuffix(" ") { text.removeLast() }
            return text
        }
    }

    var text: String { lines.joined(separator: "\n") }

    mutating func take(_ bytes: some Sequence<UInt8>) {
        pending += bytes
        while let count = step(), count > 0 { pending.removeFirst(count) }
    }

    /// Takes the first thing there is, and returns how many bytes it had; nil if more has to come.
    private mutating func step() -> Int? {
        guard let first = pending.first else { return nil }
        if first == 0x1B {
            guard pending.count >= 2 else { return nil }
            guard pending[1] == UInt8(ascii: "[") else {
                unknown.append("ESC \(pending[1])")
                return 2
            }
            guard let end = pending.indices.dropFirst(2).first(where: { pending[$0] >= 0x40 })
            else { return nil }
            let parameters = String(decoding: pending[2..<end], as: UTF8.self)
            control(Character(Unicode.Scalar(pending[end])), parameters)
            return end + 1
        }
        let count = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 1
        guard pending.count >= count else { return nil }
        put(String(decoding: pending[..<count], as: UTF8.self))
        return count
    }

    private mutating func control(_ final: Character, _ parameters: String) {
        let numbers = parameters.split(separator: ";", omittingEmptySubsequences: false)
            .map { Int($0) }
        switch (final, parameters) {
        case ("H", _):
            row = min(rows, numbers.first.flatMap { $0 } ?? 1) - 1
            column = min(columns, numbers.dropFirst().first.flatMap { $0 } ?? 1) - 1
        case ("J", "2"): for row in 0 ..< rows { clear(row, from: 0) }
        case ("K", ""), ("K", "0"): clear(row, from: column)
        case ("h", "?1049"): isAlternate = true
        case ("l", "?1049"): isAlternate = false
        case ("h", "?25"): isCursorVisible = true
        case ("l", "?25"): isCursorVisible = false
        case ("h", "?7"): wraps = true
        case ("l", "?7"): wraps = false
        case ("m", _):
            for number in parameters.split(separator: ";") {
                if number == "0" { look = [] } else { look.insert(String(number)) }
            }
        default: unknown.append("CSI \(parameters) \(final)")
        }
    }

    private mutating func clear(_ row: Int, from column: Int) {
        for index in column ..< columns {
            cells[row][index] = " "
            looks[row][index] = ""
        }
    }

    private mutating func put(_ text: String) {
        guard let scalar = text.unicodeScalars.first else { return }
        if scalar == "\r" { column = 0 }
        guard scalar.value >= 0x20 else {
            if scalar != "\r", scalar != "\n" { unknown.append("control \(scalar.value)") }
            return
        }
        let width = Self.width(scalar)
        if width == 0 {
            // A mark joins the character before it.
            var before = column - 1
            while before > 0, cells[row][before].isEmpty { before -= 1 }
            if before >= 0 { cells[row][before] += text }
            return
        }
        guard column + width <= columns else {
            if isAlternate, wraps { unknown.append("a line that wraps") }
            return
        }
        cells[row][column] = text
        looks[row][column] = look.sorted().joined(separator: ";")
        if width == 2 {
            cells[row][column + 1] = ""
            looks[row][column + 1] = looks[row][column]
        }
        column += width
    }

    /// What xterm does with the characters that the tests use.
    private static func width(_ scalar: Unicode.Scalar) -> Int {
        switch scalar.value {
        case 0x300 ..< 0x370, 0x200B ..< 0x2010: 0
        case 0x1100 ..< 0x1160, 0x2E80 ..< 0xA4D0, 0xAC00 ..< 0xD7A4, 0xF900 ..< 0xFB00,
            0xFF00 ..< 0xFF61, 0x1F300 ..< 0x1FB00:
            2
        default: 1
        }
    }
}
