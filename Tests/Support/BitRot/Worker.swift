import Foundation
import LogForge

/// Flips one after the other on one specimen, in a process that may crash: what is about to be
/// tried is said before it is tried.
public enum Worker {
    /// What to do: the flips of these numbers.
    public struct Order: Sendable {
        public var shape: Shape
        public var seed: UInt64
        public var first: Int
        public var end: Int

        public init(shape: Shape, seed: UInt64, first: Int, end: Int) {
            (self.shape, self.seed, self.first, self.end) = (shape, seed, first, end)
        }
    }

    /// The flip of a number: the same for the same seed, whatever was done before. The first 128
    /// are of the transaction numbers of both meta pages.
    public static func flip(_ number: Int, _ seed: UInt64, of specimen: Specimen) -> Flip? {
        let transactions = specimen.transactionFlips()
        if number < transactions.count { return transactions[number] }
        var generator = SeededGenerator(seed: seed &+ UInt64(number) &* 0x9E37_79B9_7F4A_7C15)
        return specimen.draw(&generator)
    }

    /// Does them. `say` takes a line: `try` with what is tried, and `result` with what came of it.
    public static func run(
        _ order: Order, on specimen: Specimen, say: (String) -> Void
    ) {
        for number in order.first ..< order.end {
            guard let flip = flip(number, order.seed, of: specimen) else { continue }
            let beneath = flip.isUnderReader ? "beneath" : "closed"
            let tried = "\(flip.decay)\t\(flip.file)\t\(flip.offset)\t\(flip.use)"
            say("try\t\(number)\t\(tried)\t\(beneath)")
            let finding = specimen.look(at: flip, writes: number % 4 == 0)
            let detail = finding.detail.prefix(300).map { $0 == "\t" || $0.isNewline ? " " : $0 }
            say("result\t\(number)\t\(finding.outcome)\t\(String(detail))")
        }
    }
}

/// What came of many flips.
public struct Tally: Sendable {
    /// One line of the table.
    public struct Row: Hashable, Comparable, Sendable {
        public var shape: String
        public var file: String
        public var use: String
        public var decay: String
        public var isBeneath: Bool

        public static func < (left: Row, right: Row) -> Bool {
            (left.shape, left.file, left.use, left.decay, left.isBeneath ? 1 : 0)
                < (right.shape, right.file, right.use, right.decay, right.isBeneath ? 1 : 0)
        }
    }

    public private(set) var counts: [Row: [Finding.Outcome: Int]] = [:]
    /// What was wrong, with what repeats it.
    public private(set) var faults: [String] = []
    private var tried: (row: Row, line: String)?

    public init() {}

    /// Takes a line of a worker.
    public mutating func take(_ line: String, of shape: Shape, seed: UInt64) {
        let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
        switch fields.first {
        case "try" where fields.count == 7:
            // Kept checkpoints are called by their positions.
            let file = fields[3].hasPrefix("checkpoints/") ? "checkpoints" : fields[3]
            let row = Row(
                shape: shape.rawValue, file: file, use: fields[5], decay: fields[2],
                isBeneath: fields[6] == "beneath")
            tried = (row, line)
        case "result" where fields.count >= 4:
            guard let tried, let outcome = Finding.Outcome(rawValue: fields[2]) else { return }
            count(outcome, tried.row)
            if Finding(outcome: outcome, detail: "").isFault {
                faults.append("\(shape) seed \(seed) \(tried.line): \(outcome): \(fields[3])")
            }
            self.tried = nil
        default: break
        }
    }

    /// The worker ended by a signal: over what it tried last. Returns the number to go on behind.
    public mutating func crashed(_ shape: Shape, seed: UInt64, signal: Int32) -> Int? {
        guard let tried else { return nil }
        self.tried = nil
        count(tried.row.isBeneath ? .stopped : .crash, tried.row)
        if !tried.row.isBeneath {
            faults.append("\(shape) seed \(seed) \(tried.line): ended by signal \(signal)")
        }
        return Int(tried.line.split(separator: "\t")[1])
    }

    /// Adds what another one counted.
    public mutating func add(_ other: Tally) {
        for (row, outcomes) in other.counts {
            counts[row, default: [:]].merge(outcomes, uniquingKeysWith: +)
        }
        faults += other.faults
    }

    private mutating func count(_ outcome: Finding.Outcome, _ row: Row) {
        counts[row, default: [:]][outcome, default: 0] += 1
    }

    /// How many flips had an outcome, of those that fit.
    public func sum(
        _ outcome: Finding.Outcome? = nil, where fits: (Row) -> Bool = { _ in true }
    ) -> Int {
        counts.reduce(0) { sum, entry in
            guard fits(entry.key) else { return sum }
            return sum + (outcome.map { entry.value[$0] ?? 0 } ?? entry.value.values.reduce(0, +))
        }
    }
}
