@testable import Audit
import Foundation
import Ledger
import LogForge
import ReconnectionRules
import Testing

/// Generated workloads: what they are made of, and that they are the same everywhere.
@Suite struct WorkloadTests {
    private let scratch = ScratchDirectory()

    private func bytes(_ workload: Workload) throws -> ([UInt8], WorkloadSummary) {
        var bytes: [UInt8] = []
        let summary = try WorkloadGenerator.generate(workload) { bytes += $0 }
        return (bytes, summary)
    }

    private func workload(
        seed: UInt64 = 1, users: Int = 50, days: Double = 10,
        _ edit: (inout Workload) -> Void = { _ in }
    ) -> Workload {
        var workload = Workload()
        workload.seed = seed
        workload.userCount = users
        workload.length = Microseconds(days * 86_400e6)
        edit(&workload)
        return workload
    }

    // MARK: - Return times

    /// What a trace shows of one ending: how many, of how many the user was back already, and after
    /// how long the others were.
    private struct Returns {
        var count = 0
        var ghostCount = 0
        var times: [Microseconds] = []

        func share(within time: Microseconds) -> Double {
            Double(times.count { $0 <= time }) / Double(count)
        }
    }

    /// Counted from the rows alone. Endings too close to the end of the trace do not count: their
    /// returns may lie beyond it.
    private func returns(in path: String, until end: Microseconds) throws -> [String: Returns] {
        struct Pending {
            var reason: String
            var time: Microseconds
        }
        var newest: [String: Int] = [:]
        var pending: [String: Pending] = [:]
        var found: [String: Returns] = [:]
        let text = String(decoding: Files.read(path), as: UTF8.self)
        for line in text.split(separator: "\n").dropFirst() {
            let fields = line.split(separator: ",", omittingEmptySubsequences: false).map {
                String($0)
            }
            let time = try #require(Timestamp.parse(fields[0].utf8))
            let (user, connection) = (fields[1], try #require(Int(fields[2])))
            if fields[3] == "start" {
                #expect(connection == newest[user, default: 0] + 1)
                newest[user] = connection
                if let loss = pending.removeValue(forKey: user) {
                    found[loss.reason]?.times.append(time - loss.time)
                }
                continue
            }
            #expect(fields[3] == (fields[4] == "quit" ? "close" : "drop"))
            if time > end { continue }
            found[fields[4], default: Returns()].count += 1
            if connection < newest[user, default: 0] {
                found[fields[4]]?.ghostCount += 1
            } else {
                pending[user] = Pending(reason: fields[4], time: time)
            }
        }
        return found
    }

    /// Five standard deviations of a share counted n times; a workload that draws right passes for
    /// all but one seed in a hundred thousand.
    private func bound(_ share: Double, _ count: Int) -> Double {
        5 * (share * (1 - share) / Double(count)).squareRoot() + 1 / Double(count)
    }

    @Test func peopleComeBackAsPublished() throws {
        let seed = SeededGenerator.announced(31, for: "return times")
        let workload = workload(seed: seed, users: 700, days: 40) {
            $0.massDisconnectsPerDay = 1
        }
        let path = scratch("trace.csv")
        let (content, summary) = try bytes(workload)
        Files.write(content, to: path)
        let end = workload.begin + (workload.length ?? 0) - .seconds(3_700)
        let found = try returns(in: path, until: end)
        // The table of docs/workloads.md, once more, as it was published.
        let seconds: [Int64] = [30, 40, 60, 90, 120, 180, 300, 900, 3_600]
        let table: [(String, [Double])] = [
            ("reset", [15.4, 21.5, 31.3, 36.0, 38.7, 42.2, 45.5, 51.3, 59.7]),
            ("ping-timeout", [5.5, 6.9, 8.8, 10.9, 13.5, 16.8, 21.5, 35.0, 50.2]),
            ("quit", [8.1, 10.7, 14.3, 17.2, 19.2, 21.9, 25.7, 34.6, 43.8]),
        ]
        for (reason, percentages) in table {
            let returns = try #require(found[reason])
            #expect(returns.count > 5_000, "\(reason)")
            for (second, percentage) in zip(seconds, percentages) {
                let share = returns.share(within: .seconds(second))
                let bound = bound(percentage / 100, returns.count)
                #expect(
                    abs(share - percentage / 100) < bound,
                    "\(reason) \(second) s: \(share) of \(returns.count)")
                // Narrow enough to tell the table's neighbours apart.
                #expect(bound < 0.035)
            }
        }
        let timeouts = try #require(found["ping-timeout"])
        let ghosts = Double(timeouts.ghostCount) / Double(timeouts.count)
        #expect(abs(ghosts - 0.116) < bound(0.116, timeouts.count))
        #expect(found["reset"]?.ghostCount == 0 && found["quit"]?.ghostCount == 0)
        let splits = try #require(found["netsplit"])
        #expect(splits.count > 1_000 && summary.massDisconnectCount > 20)
        #expect(abs(splits.share(within: .seconds(3_600)) - 0.78) < bound(0.78, splits.count))
        // Between two points it goes on growing: nobody waits for exactly 90 s.
        let resets = try #require(found["reset"]).times
        let (early, late) = (
            resets.count { (.seconds(60) + 1 ... .seconds(73)) ~= $0 },
            resets.count { (.seconds(73) + 1 ... .seconds(90)) ~= $0 }
        )
        #expect(early > 0 && late > 0 && abs(early - late) < (early + late) / 3)
    }

    @Test func returnTimesOfOnesOwn() throws {
        let times = try ReturnTimes(
            parsing: "ending,seconds,percentage\nreset,10,50\nreset,20,100\n")
        #expect(times.curves[.exit] == ReturnTimes.published.curves[.exit])
        let path = scratch("trace.csv")
        let workload = workload(users: 300, days: 6) {
            $0.returnTimes = times
            $0.massDisconnectsPerDay = 0
        }
        Files.write(try bytes(workload).0, to: path)
        let end = workload.begin + .seconds(5 * 86_400)
        let resets = try #require(try returns(in: path, until: end)["reset"])
        #expect(resets.times.count == resets.count && resets.count > 300)
        #expect(resets.times.allSatisfy { $0 <= .seconds(20) })
        #expect(abs(resets.share(within: .seconds(10)) - 0.5) < bound(0.5, resets.count))
        let faults: [(String, String)] = [
            ("", "no return times"), ("reset,90\n", "line 1"), ("lost,90,3\n", "line 1"),
            ("reset,30,20\nreset,x,3\n", "line 2"), ("reset,30,101\n", "line 1"),
            ("reset,30,20\nreset,20,30\n", "must grow"), ("reset,30,-1\n", "line 1"),
            ("reset,30,20\nreset,40,10\n", "must grow"), ("reset,1,20\n", "later than one second"),
        ]
        for (text, reason) in faults {
            let error = #expect(throws: WorkloadError.self, "\(text)") {
                try ReturnTimes(parsing: text)
            }
            #expect(error?.description.contains(reason) ?? false, "\(text): \(error!)")
        }
    }

    // MARK: - Seeds

    @Test func theSameSeedTheSameBytes() throws {
        let (one, summary) = try bytes(workload(seed: 5))
        #expect(try bytes(workload(seed: 5)) == (one, summary))
        #expect(try bytes(workload(seed: 6)).0 != one)
        // On every machine: counted once, and the same since.
        #expect(Array(try bytes(workload(seed: 5, users: 3, days: 1)).0) == Array(Self.small.utf8))
    }

    static let small = """
        time,user,connection,action,reason
        2026-01-01T11:36:36.292Z,u1,1,start,
        2026-01-01T12:20:09.938Z,u1,1,close,quit
        2026-01-01T17:46:51.782Z,u3,1,start,
        2026-01-01T17:55:26.931Z,u3,2,start,
        2026-01-01T17:55:30.140Z,u3,1,drop,ping-timeout
        2026-01-01T18:00:56.325Z,u3,2,close,quit
        2026-01-01T18:02:08.319Z,u3,3,start,
        2026-01-01T21:09:50.588Z,u3,3,close,quit
        2026-01-01T21:10:37.975Z,u3,4,start,
        2026-01-01T21:55:57.332Z,u3,4,close,quit
        2026-01-01T22:01:58.070Z,u3,5,start,
        2026-01-01T22:08:18.409Z,u3,5,close,quit
        2026-01-01T22:37:55.471Z,u3,6,start,

        """

    /// The logarithm and the exponential are the library's, to all digits that matter.
    @Test func theArithmeticIsRight() {
        for step in 1 ... 2_000 {
            let x = Double(step) * Double(step) / 700
            #expect(abs(Portable.log(x) - log(x)) <= 4e-15 * max(1, abs(log(x))))
            let y = Double(step - 1_000) / 15
            #expect(abs(Portable.exp(y) / exp(y) - 1) < 1e-13)
        }
        #expect(Portable.log(1) == 0 && Portable.exp(0) == 1)
    }

    // MARK: - Form

    @Test func theReaderAndTheImporterTakeIt() throws {
        let path = scratch("trace.csv")
        let workload = workload(users: 120, days: 4) { $0.massDisconnectsPerDay = 2 }
        let (content, summary) = try bytes(workload)
        Files.write(content, to: path)
        var count: UInt64 = 0
        var times: [Microseconds] = []
        try TraceReader(path: path).forEachRow { row, _, _ in
            count += 1
            if times.count < 1 { times.append(row.time) }
            if count == summary.rowCount { times.append(row.time) }
        }
        #expect(count == summary.rowCount && times == [summary.firstTime, summary.lastTime])
        #expect(summary.byteCount == UInt64(content.count))
        let endings = summary.endings.values.reduce(0, +)
        #expect(summary.rowCount == summary.startCount + endings)
        try importTrace(path, into: scratch("data"), ProjectChange(concurrencyCount: 1_000))
        let counters = try reading(scratch("data")) { $0.state.counters }
        #expect(counters.starts == summary.startCount)
        // With room for all, what is stale is the late report of a replaced connection.
        #expect(counters.staleDisconnects == summary.ghostCount && counters.staleDestroys == 0)
        #expect(counters.takenOver > 0 && counters.resumed > 100)
        let drops = endings - (summary.endings[.exit] ?? 0)
        #expect(counters.disconnected == drops - summary.ghostCount)
    }

    @Test func itEndsWhereItIsToldTo() throws {
        let (content, summary) = try bytes(
            workload {
                $0.length = nil
                $0.startCount = 321
            })
        #expect(summary.startCount == 321)
        let last = String(decoding: content, as: UTF8.self).split(separator: "\n").last
        #expect(last?.hasSuffix(",start,") ?? false)
        let (_, short) = try bytes(workload(days: 1.5))
        let length = Microseconds(1.5 * 86_400e6)
        #expect(short.lastTime <= Workload().begin + length && short.lastTime > Workload().begin)
        let (_, later) = try bytes(workload(days: 1) { $0.begin = .seconds(5) })
        #expect(later.firstTime >= .seconds(5) && later.lastTime <= .seconds(5 + 86_400))
    }

    /// By the hour of the day, or not.
    @Test func arrivalsFollowTheirPattern() throws {
        func hours(_ arrivals: Workload.Arrivals) throws -> [Int] {
            var hours = [Int](repeating: 0, count: 24)
            let path = scratch("\(arrivals).csv")
            let workload = workload(users: 2_000, days: 10) {
                $0.arrivals = arrivals
                $0.massDisconnectsPerDay = 0
                // Nobody comes back at once: visits alone.
                $0.returnTimes = try! ReturnTimes(
                    Dictionary(
                        uniqueKeysWithValues: ReturnTimes.Ending.allCases.map {
                            ($0, [ReturnTimes.Point(time: .seconds(2), share: 0)])
                        }))
                $0.ghostShare = 0
                $0.sessionMedian = .seconds(1)
            }
            Files.write(try bytes(workload).0, to: path)
            try TraceReader(path: path).forEachRow { row, _, _ in
                if row.action == .start { hours[Int(row.time / .seconds(3_600) % 24)] += 1 }
            }
            return hours
        }
        let even = try hours(.poisson)
        let mean = Double(even.reduce(0, +)) / 24
        #expect(abs(mean * 24 / 20_000 - 1) < 0.05)
        for count in even { #expect(abs(Double(count) - mean) < 6 * mean.squareRoot()) }
        let daily = try hours(.diurnal)
        let total = Double(daily.reduce(0, +))
        #expect(abs(total / 20_000 - 1) < 0.1)
        for (hour, count) in daily.enumerated() {
            let expected = total * Workload.hours[hour] / (Workload.meanOfHours * 24)
            #expect(abs(Double(count) - expected) < 6 * expected.squareRoot(), "hour \(hour)")
        }
    }

    @Test func whatIsOutOfBoundsIsRefused() throws {
        let faults: [(String, (inout Workload) -> Void)] = [
            ("how long", { $0.length = nil }), ("users", { $0.userCount = 0 }),
            ("users", { $0.userCount = 100_000_001 }), ("length", { $0.length = 0 }),
            ("starts", { $0.startCount = 0 }), ("1970", { $0.begin = -1 }),
            ("visits", { $0.visitsPerDay = 0 }), ("visits", { $0.visitsPerDay = .nan }),
            ("median", { $0.sessionMedian = 0 }), ("share", { $0.ghostShare = 1.1 }),
            ("share", { $0.massDisconnectShare = -0.1 }), ("ghosts", { $0.ghostShare = 0.6 }),
            ("mass", { $0.massDisconnectsPerDay = -1 }), ("weights", { $0.exitWeight = .infinity }),
            ("late", { $0.pingTimeoutDelay = 0 }),
            (
                "weights",
                { ($0.resetWeight, $0.pingTimeoutWeight, $0.exitWeight) = (0, 0, 0) }
            ),
        ]
        for (text, edit) in faults {
            let error = #expect(throws: WorkloadError.self, "\(text)") {
                try bytes(workload(days: 1, edit))
            }
            #expect(error?.description.contains(text) ?? false, "\(error!)")
        }
    }

    @Test func whatCannotBeWrittenEndsIt() {
        struct Full: Error {}
        #expect(throws: Full.self) {
            try WorkloadGenerator.generate(workload(days: 1)) { _ in throw Full() }
        }
    }
}
