public import ReconnectionRules

/// How soon people are back after a connection ended, by how it ended.
///
/// Between two points of a curve the share grows linearly with the logarithm of the time, before
/// the first point from one second on. Who is not back at the last point comes back as somebody who
/// was never there.
public struct ReturnTimes: Sendable, Equatable {
    /// How a connection ended.
    public enum Ending: Int, CaseIterable, Sendable {
        case reset, pingTimeout, exit, massDisconnect

        /// As it stands in the reason column of a trace, and in a file of return times.
        public var name: String {
            switch self {
            case .reset: "reset"
            case .pingTimeout: "ping-timeout"
            case .exit: "quit"
            case .massDisconnect: "netsplit"
            }
        }
    }

    /// Within `time` after the end, `share` of all are back.
    public struct Point: Sendable, Equatable {
        public var time: Microseconds
        public var share: Double

        public init(time: Microseconds, share: Double) {
            self.time = time
            self.share = share
        }
    }

    /// A curve for each ending, times and shares increasing.
    public private(set) var curves: [Ending: [Point]]

    /// Throws a reason if a curve is missing, empty, or not increasing.
    public init(_ curves: [Ending: [Point]]) throws(WorkloadError) {
        for ending in Ending.allCases {
            guard let points = curves[ending], let first = points.first else {
                throw WorkloadError("no return times for \(ending.name)")
            }
            guard first.time > .seconds(1), first.share >= 0, points[points.count - 1].share <= 1,
                zip(points, points.dropFirst()).allSatisfy({
                    $0.time < $1.time && $0.share <= $1.share
                })
            else {
                throw WorkloadError(
                    "the return times for \(ending.name) must begin later than one second, and "
                        + "their times and shares must grow, up to 100 percent")
            }
        }
        self.curves = curves
    }

    private init(checked curves: [Ending: [Point]]) { self.curves = curves }

    /// Counted from log A of docs/workloads.md (public chat, nine months, 26,131 events, 620
    /// names): of 3,119 connection resets, 5,603 ping timeouts and 2,676 deliberate exits, the
    /// percentage whose user was back within so many seconds. Of mass disconnects only the share
    /// within an hour was counted, 78 %; their curve has the resets' shape.
    public static let published = ReturnTimes(
        checked: [
            .reset: curve([15.4, 21.5, 31.3, 36.0, 38.7, 42.2, 45.5, 51.3, 59.7]),
            .pingTimeout: curve([5.5, 6.9, 8.8, 10.9, 13.5, 16.8, 21.5, 35.0, 50.2]),
            .exit: curve([8.1, 10.7, 14.3, 17.2, 19.2, 21.9, 25.7, 34.6, 43.8]),
            .massDisconnect: curve(
                [15.4, 21.5, 31.3, 36.0, 38.7, 42.2, 45.5, 51.3, 59.7].map { $0 * 78 / 59.7 }),
        ])

    private static let seconds: [Int64] = [30, 40, 60, 90, 120, 180, 300, 900, 3_600]

    private static func curve(_ percentages: [Double]) -> [Point] {
        zip(seconds, percentages).map { Point(time: .seconds($0), share: $1 / 100) }
    }

    /// Reads curves from text, one point a line: `ending,seconds,percentage`, the ending being
    /// reset, ping-timeout, quit or netsplit; a first line with these three words may stand above
    /// them. An ending that is not mentioned keeps its published curve.
    public init(parsing text: String) throws(WorkloadError) {
        var found: [Ending: [Point]] = [:]
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false)
            .enumerated()
        {
            let fields = line.filter { $0 != "\r" && $0 != " " }.split(
                separator: ",", omittingEmptySubsequences: false)
            if fields.count == 1, fields[0].isEmpty { continue }
            if index == 0, fields == ["ending", "seconds", "percentage"] { continue }
            guard fields.count == 3, let ending = Ending.allCases.first(where: {
                $0.name == fields[0]
            }), let seconds = Int64(fields[1]), let percentage = Double(fields[2]),
                (0 ... 1_000_000).contains(seconds), (0 ... 100).contains(percentage)
            else {
                throw WorkloadError(
                    "line \(index + 1) is no return time; write ending,seconds,percentage, as in "
                        + "reset,90,36.0")
            }
            found[ending, default: []].append(
                Point(time: .seconds(seconds), share: percentage / 100))
        }
        if found.isEmpty { throw WorkloadError("no return times in it") }
        try self.init(Self.published.curves.merging(found) { $1 })
    }

    /// The same, to be drawn from.
    func quantiles(of ending: Ending) -> Quantiles {
        let points = curves[ending] ?? []
        return Quantiles([(0, 1e6)] + points.map { ($0.share, Double($0.time)) })
    }
}

/// A distribution given by some of its points: logarithmic between them.
struct Quantiles {
    private let shares: [Double]
    private let logarithms: [Double]

    init(_ points: [(share: Double, value: Double)]) {
        shares = points.map(\.share)
        logarithms = points.map { Portable.log($0.value) }
    }

    /// The value at a share; nil past the last point.
    func value(_ share: Double) -> Double? {
        var index = 1
        while index < shares.count {
            if share < shares[index] {
                let part = (share - shares[index - 1]) / (shares[index] - shares[index - 1])
                let low = logarithms[index - 1]
                return Portable.exp(low + part * (logarithms[index] - low))
            }
            index += 1
        }
        return nil
    }
}

/// Why a workload cannot be made, in one line.
public struct WorkloadError: Error, Sendable, CustomStringConvertible {
    public var description: String

    init(_ description: String) { self.description = description }
}

/// Logarithm and exponential from additions, multiplications and divisions alone, which are the
/// same on every machine; a C library's differ in the last bit from one to the next. Good to some
/// fourteen digits.
enum Portable {
    private static let ln2 = 0.693147180559945309417

    /// Of a positive, finite number.
    static func log(_ x: Double) -> Double {
        var (mantissa, exponent) = (x.significand, Double(x.exponent))
        if mantissa > 1.414 {
            mantissa /= 2
            exponent += 1
        }
        // ln m = 2 artanh((m − 1) / (m + 1)), of at most 0.172.
        let part = (mantissa - 1) / (mantissa + 1)
        let square = part * part
        var sum = 0.0
        for divisor in stride(from: 21.0, through: 1, by: -2) { sum = sum * square + 1 / divisor }
        return exponent * ln2 + 2 * part * sum
    }

    /// Of a number between −700 and 700.
    static func exp(_ x: Double) -> Double {
        let whole = (x / ln2).rounded()
        let rest = x - whole * ln2
        var sum = 1.0
        for divisor in stride(from: 14.0, through: 1, by: -1) { sum = 1 + sum * rest / divisor }
        return Double(sign: .plus, exponent: Int(whole), significand: sum)
    }
}

/// Steele, Lea and Flood's SplitMix64 ("Fast splittable pseudorandom number generators", 2014): the
/// same numbers for the same seed, on every machine and in every version of Swift.
struct WorkloadRandom {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// From 0 up to 1, in steps of 2⁻⁵³.
    mutating func share() -> Double { Double(next() >> 11) / 9_007_199_254_740_992 }

    /// A waiting time with no memory, of that mean.
    mutating func wait(mean: Double) -> Double { -mean * Portable.log(1 - share()) }
}
