import Ledger
import ReconnectionRules

/// Writes a workload as a trace, row by row in time order.
///
/// Memory: about 100 bytes a user, whatever the length. Speed: a million rows a second and more.
public struct WorkloadGenerator {
    private struct User {
        /// Number of its newest connection, 0 before the first.
        var connection: UInt32 = 0
        /// Whether that one is up, and its loss not under way.
        var isUp = false
    }

    private static let day = 86_400_000_000.0
    private static let hour: Microseconds = 3_600_000_000

    private let workload: Workload
    private let end: Microseconds
    private let sessionLengths: Quantiles
    private let returns: [Quantiles]
    private var random: WorkloadRandom
    private var users: [User]
    private var plans = PlanQueue()
    private var text = TraceText()
    private var summary = WorkloadSummary()

    /// Writes the trace in pieces to `write`. `progress` hears how many starts, or microseconds,
    /// are done and of how many.
    ///
    /// Throws `WorkloadError` if the workload is out of bounds, and what `write` throws.
    public static func generate(
        _ workload: Workload, progress: (UInt64, UInt64) -> Void = { _, _ in },
        write: (UnsafeRawBufferPointer) throws -> Void
    ) throws -> WorkloadSummary {
        if let fault = workload.fault { throw WorkloadError(fault) }
        var generator = WorkloadGenerator(workload)
        try generator.run(progress, write)
        return generator.summary
    }

    private init(_ workload: Workload) {
        self.workload = workload
        end = workload.length.map { workload.begin + $0 } ?? .max
        let median = Double(workload.sessionMedian)
        sessionLengths = Quantiles(
            Workload.sessionLengths.map { ($0.share, max(1_000, $0.factor * median)) })
        returns = ReturnTimes.Ending.allCases.map { workload.returnTimes.quantiles(of: $0) }
        random = WorkloadRandom(seed: workload.seed)
        users = [User](repeating: User(), count: workload.userCount)
    }

    // MARK: - Time goes by

    private mutating func run(
        _ progress: (UInt64, UInt64) -> Void, _ write: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        text.appendHeader()
        for user in users.indices {
            plans.add(.start, at: visit(after: workload.begin), user: UInt32(user))
        }
        planMassDisconnect(after: workload.begin)
        while let next = plans.takeNext(), next.time <= end {
            switch next.kind {
            case .start: start(next)
            case .loss: lose(next)
            case .report, .lateReport: report(next)
            case .massDisconnect: loseMany(at: next.time)
            }
            // The last start is the last row.
            if summary.startCount == workload.startCount ?? .max { break }
            if text.isFull {
                try flush(write)
                progress(done(next.time), goal)
            }
        }
        try flush(write)
        progress(goal, goal)
    }

    private var goal: UInt64 { workload.startCount ?? UInt64(workload.length ?? 0) }

    private func done(_ time: Microseconds) -> UInt64 {
        workload.startCount == nil ? UInt64(time - workload.begin) : summary.startCount
    }

    private mutating func flush(_ write: (UnsafeRawBufferPointer) throws -> Void) throws {
        summary.byteCount += UInt64(text.count)
        try text.withBytes(write)
        text.clear()
    }

    // MARK: - What happens

    private mutating func start(_ plan: Plan) {
        let user = Int(plan.user)
        users[user].connection += 1
        users[user].isUp = true
        if users[user].connection == 1 { summary.userCount += 1 }
        summary.startCount += 1
        row(plan.time, plan.user, users[user].connection, nil)
        let length = sessionLengths.value(random.share()) ?? Double(workload.sessionMedian)
        plans.add(
            .loss, at: plan.time + Microseconds(length), user: plan.user,
            connection: users[user].connection, ending: ending())
    }

    private mutating func ending() -> ReturnTimes.Ending {
        let total = workload.resetWeight + workload.pingTimeoutWeight + workload.exitWeight
        let draw = random.share() * total
        if draw < workload.resetWeight { return .reset }
        return draw < workload.resetWeight + workload.pingTimeoutWeight ? .pingTimeout : .exit
    }

    /// The connection is gone; a ping timeout is noticed later than that.
    private mutating func lose(_ plan: Plan) {
        let user = Int(plan.user)
        // It may have been lost with many others.
        guard users[user].isUp, users[user].connection == plan.connection else { return }
        users[user].isUp = false
        let draw = random.share()
        guard plan.ending == .pingTimeout else {
            row(plan.time, plan.user, plan.connection, plan.ending)
            planReturn(of: plan.user, after: plan.time, plan.ending, draw)
            return
        }
        let noticed = plan.time + workload.pingTimeoutDelay
        let isGhost = draw < workload.ghostShare
        plans.add(
            isGhost ? .lateReport : .report, at: noticed, user: plan.user,
            connection: plan.connection, ending: .pingTimeout)
        if isGhost {
            // Back on a second connection before the first is noticed dead.
            let wait = Double(workload.pingTimeoutDelay) * random.share()
            plans.add(.start, at: plan.time + Microseconds(wait), user: plan.user)
        } else {
            planReturn(of: plan.user, after: noticed, .pingTimeout, draw - workload.ghostShare)
        }
    }

    private mutating func report(_ plan: Plan) {
        row(plan.time, plan.user, plan.connection, plan.ending)
        if plan.kind == .lateReport { summary.ghostCount += 1 }
    }

    private mutating func loseMany(at time: Microseconds) {
        summary.massDisconnectCount += 1
        for index in users.indices where users[index].isUp {
            guard random.share() < workload.massDisconnectShare else { continue }
            users[index].isUp = false
            row(time, UInt32(index), users[index].connection, .massDisconnect)
            planReturn(of: UInt32(index), after: time, .massDisconnect, random.share())
        }
        planMassDisconnect(after: time)
    }

    // MARK: - What is to come

    private mutating func planReturn(
        of user: UInt32, after time: Microseconds, _ ending: ReturnTimes.Ending, _ draw: Double
    ) {
        if let wait = returns[ending.rawValue].value(draw) {
            plans.add(.start, at: time + Microseconds(wait), user: user)
        } else {
            let last = workload.returnTimes.curves[ending]?.last?.time ?? Self.hour
            plans.add(.start, at: visit(after: time + last), user: user)
        }
    }

    /// When somebody who is away comes of their own accord.
    private mutating func visit(after time: Microseconds) -> Microseconds {
        let mean = Self.day / workload.visitsPerDay
        if workload.arrivals == .poisson { return later(time, random.wait(mean: mean)) }
        // As often as in the busiest hour, then left out by how busy the hour is.
        var time = time
        while true {
            time = later(time, random.wait(mean: mean * Workload.meanOfHours))
            let hour = Int(time / Self.hour % 24)
            if random.share() < Workload.hours[hour] { return time }
        }
    }

    private mutating func planMassDisconnect(after time: Microseconds) {
        guard workload.massDisconnectsPerDay > 0 else { return }
        let mean = Self.day / workload.massDisconnectsPerDay
        plans.add(.massDisconnect, at: later(time, random.wait(mean: mean)), user: 0)
    }

    /// Beyond any end of a workload all times are alike.
    private func later(_ time: Microseconds, _ wait: Double) -> Microseconds {
        time + Microseconds(min(wait, 1e17))
    }

    private mutating func row(
        _ time: Microseconds, _ user: UInt32, _ connection: UInt32, _ ending: ReturnTimes.Ending?
    ) {
        if summary.rowCount == 0 { summary.firstTime = time }
        summary.rowCount += 1
        summary.lastTime = time
        if let ending { summary.endings[ending, default: 0] += 1 }
        text.append(time, user: user, connection, ending)
    }
}

/// What happens to somebody at a time to come.
private struct Plan {
    enum Kind: UInt8 {
        case start, loss, report, lateReport, massDisconnect
    }

    var time: Microseconds
    var order: UInt64
    var user: UInt32
    var connection: UInt32
    var kind: Kind
    var ending: ReturnTimes.Ending

    @inline(__always)
    func isBefore(_ other: Plan) -> Bool {
        time != other.time ? time < other.time : order < other.order
    }
}

/// Plans by time, those of one time in the order in which they were made: a heap of fours.
private struct PlanQueue {
    private var heap: [Plan] = []
    private var order: UInt64 = 0

    /// Times are whole milliseconds, as they are written.
    mutating func add(
        _ kind: Plan.Kind, at time: Microseconds, user: UInt32, connection: UInt32 = 0,
        ending: ReturnTimes.Ending = .reset
    ) {
        order += 1
        let plan = Plan(
            time: time / 1_000 * 1_000, order: order, user: user, connection: connection,
            kind: kind, ending: ending)
        heap.append(plan)
        heap.withUnsafeMutableBufferPointer { heap in
            var index = heap.count - 1
            while index > 0 {
                let parent = (index - 1) / 4
                guard plan.isBefore(heap[parent]) else { break }
                heap[index] = heap[parent]
                index = parent
            }
            heap[index] = plan
        }
    }

    mutating func takeNext() -> Plan? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        guard !heap.isEmpty else { return first }
        heap.withUnsafeMutableBufferPointer { heap in
            var index = 0
            while true {
                let begin = 4 * index + 1
                guard begin < heap.count else { break }
                var least = begin
                for child in begin + 1 ..< max(begin + 1, min(begin + 4, heap.count))
                where heap[child].isBefore(heap[least]) {
                    least = child
                }
                guard heap[least].isBefore(last) else { break }
                heap[index] = heap[least]
                index = least
            }
            heap[index] = last
        }
        return first
    }
}

/// Rows of a trace as bytes.
private struct TraceText {
    private static let capacity = 1 << 20
    private var bytes: [UInt8] = []

    init() { bytes.reserveCapacity(Self.capacity + 256) }

    var count: Int { bytes.count }
    var isFull: Bool { bytes.count >= Self.capacity }

    mutating func clear() { bytes.removeAll(keepingCapacity: true) }

    func withBytes(_ body: (UnsafeRawBufferPointer) throws -> Void) rethrows {
        try bytes.withUnsafeBytes(body)
    }

    mutating func appendHeader() {
        bytes += TraceReader.header.utf8
        bytes.append(0x0A)
    }

    /// `2026-03-01T09:00:00.250Z,u12,3,drop,reset`
    mutating func append(
        _ time: Microseconds, user: UInt32, _ connection: UInt32, _ ending: ReturnTimes.Ending?
    ) {
        let end: StaticString =
            switch ending {
            case nil: ",start,\n"
            case .reset: ",drop,reset\n"
            case .pingTimeout: ",drop,ping-timeout\n"
            case .massDisconnect: ",drop,netsplit\n"
            case .exit: ",close,quit\n"
            }
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 96) { row in
            Timestamp.write(time, to: row.baseAddress!)
            row[23] = UInt8(ascii: "Z")
            row[24] = UInt8(ascii: ",")
            row[25] = UInt8(ascii: "u")
            var count = 26
            Self.append(user + 1, row, &count)
            row[count] = UInt8(ascii: ",")
            count += 1
            Self.append(connection, row, &count)
            end.withUTF8Buffer { text in
                for byte in text {
                    row[count] = byte
                    count += 1
                }
            }
            bytes.append(contentsOf: UnsafeBufferPointer(rebasing: row[..<count]))
        }
    }

    private static func append(
        _ number: UInt32, _ row: UnsafeMutableBufferPointer<UInt8>, _ count: inout Int
    ) {
        var power: UInt32 = 1
        while number / power >= 10 { power *= 10 }
        while power > 0 {
            row[count] = 0x30 + UInt8(number / power % 10)
            count += 1
            power /= 10
        }
    }
}
