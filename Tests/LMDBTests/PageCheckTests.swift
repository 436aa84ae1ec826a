import Glibc
import LMDB
import Testing

@Suite struct PageCheckTests {
    @Test(arguments: [1, 2, 3] as [UInt64])
    func healthyFilesPass(seed: UInt64) throws {
        print("seed \(seed)")
        let directory = try TemporaryDirectory()
        let environment = try openQuickly(directory.path)
        var churn = Churn(seed: seed)
        for round in 0..<60 {
            try churn.commitRound(environment, clears: round % 23 == 22)
            if round % 4 != 0 { continue }
            let report = try PageCheck.check(directory: directory.path)
            #expect(report.transactionId == environment.lastTransactionId)
            #expect(report.pageCount == environment.lastPageNumber + 1)
            #expect(report.lostPageCount == 0)
            let reading = try ReadTransaction(environment)
            for (name, statistics) in report.tables {
                let table = try #require(try reading.table(named: name))
                #expect(try reading.statistics(of: table) == statistics)
            }
        }
    }

    @Test func anEmptyEnvironmentPasses() throws {
        let directory = try TemporaryDirectory()
        _ = try openQuickly(directory.path)
        let report = try PageCheck.check(directory: directory.path)
        #expect(report.transactionId == 0)
        #expect(report.pageCount == 2 && report.usedPageCount == 2)
    }

    @Test func progressReachesTheEnd() throws {
        let directory = try TemporaryDirectory()
        let environment = try openQuickly(directory.path)
        let values = (0..<3).map { _ in [UInt8](repeating: 1, count: 20_000_000) }
        try commit(values, to: environment, table: "t")
        var steps: [(Int, Int)] = []
        let report = try PageCheck.check(directory: directory.path) { steps.append(($0, $1)) }
        #expect(steps.count >= 3)
        #expect(steps.allSatisfy { $0.1 == report.pageCount && $0.0 <= $0.1 })
        #expect(steps.last?.0 == report.pageCount)
    }

    /// With a reader that pins the snapshot, a busy writer cannot get in the way.
    @Test func aLiveFilePassesUnderAReadTransaction() async throws {
        let directory = try TemporaryDirectory()
        let environment = try openQuickly(directory.path)
        let stop = StopSign()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                var churn = Churn(seed: 4)
                while !stop.isUp {
                    try churn.commitRound(environment, clears: false)
                    await Task.yield()
                }
            }
            defer { stop.raise() }
            for _ in 0..<30 {
                try await Task.sleep(for: .milliseconds(2))
                let reading = try ReadTransaction(environment)
                let report = try PageCheck.check(directory: directory.path)
                #expect(report.transactionId >= reading.transactionId)
            }
            for _ in 0..<30 {
                try await Task.sleep(for: .milliseconds(2))
                do throws(PageFault) {
                    _ = try PageCheck.check(directory: directory.path)
                } catch {
                    #expect(error.kind == .changing)
                }
            }
        }
    }

    @Test func faultsNameThePage() throws {
        let directory = try TemporaryDirectory()
        do {
            let environment = try openQuickly(directory.path)
            let values = (0..<500).map { _ in [UInt8](repeating: 1, count: 100) }
            try commit(values, to: environment, table: "t")
        }
        let whole = try readFile(directory.dataFile)
        // The first leaf page, found by its flags.
        let page = try #require((2..<whole.count / 4096).first { whole[$0 * 4096 + 10] == 2 })
        for (offset, words) in [
            (0, "calls itself page"), (10, "has flags"), (12, "free space"), (16, "node"),
        ] {
            var changed = whole
            changed[page * 4096 + offset] ^= 0x81
            try writeFile(directory.dataFile, changed)
            let fault = try #require(throws: PageFault.self) {
                try PageCheck.check(directory: directory.path)
            }
            #expect(fault.page == page)
            #expect(fault.kind == .damaged)
            #expect(fault.description.contains(words), "\(fault)")
        }
    }

    /// A damaged name is for a terminal, too.
    @Test func faultsShowNoControlCharacter() throws {
        let directory = try TemporaryDirectory()
        let name = "x\u{1B}[2J\u{9F}"
        do {
            let environment = try openQuickly(directory.path)
            try commit([[1, 2, 3]], to: environment, table: name)
        }
        var changed = try readFile(directory.dataFile)
        let bytes = Array(name.utf8)
        let place = try #require(
            changed.indices.dropLast(64).last { changed[$0...].starts(with: bytes) })
        // The flags of the table's record, which stands behind its name.
        changed[place + bytes.count + 4] = 4
        try writeFile(directory.dataFile, changed)
        let fault = try #require(throws: PageFault.self) {
            try PageCheck.check(directory: directory.path)
        }
        #expect(fault.description.contains("table x\u{FFFD}[2J\u{FFFD} has flags 4"), "\(fault)")
    }

    /// Whatever bits flip: the check does not crash, and LMDB can walk and change what it accepts.
    @Test(arguments: [101, 102] as [UInt64])
    func whatPassesCanBeWalked(seed: UInt64) async {
        print("seed \(seed)")
        await #expect(processExitsWith: .success) { [seed] in
            try flipAndWalk(seed: seed, flipCount: 500)
        }
    }
}

private func flipAndWalk(seed: UInt64, flipCount: Int) throws {
    var generator = SeededGenerator(seed: seed)
    let directory = try TemporaryDirectory()
    do {
        let environment = try openQuickly(directory.path)
        var churn = Churn(seed: seed)
        for _ in 0..<12 { try churn.commitRound(environment, clears: false) }
    }
    let whole = try readFile(directory.dataFile)
    var (acceptedCount, refusedCount) = (0, 0)
    for _ in 0..<flipCount {
        var changed = whole
        let page = Int.random(in: 0..<whole.count / 4096, using: &generator)
        for _ in 0..<Int.random(in: 1...3, using: &generator) {
            // Half of them where the structure is: headers, node positions, node headers.
            let offset =
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: Int.random(in: 0..<24, using: &generator)
                case 1: Int.random(in: 0..<160, using: &generator)
                default: Int.random(in: 0..<4096, using: &generator)
                }
            let bit = UInt8(1) << UInt8.random(in: 0..<8, using: &generator)
            let isWhole = Int.random(in: 0..<4, using: &generator) == 0
            changed[page * 4096 + offset] ^=
                isWhole ? UInt8.random(in: 1...255, using: &generator) : bit
        }
        try writeFile(directory.dataFile, changed)
        do throws(PageFault) {
            _ = try PageCheck.check(directory: directory.path)
        } catch {
            refusedCount += 1
            continue
        }
        acceptedCount += 1
        let environment = try openQuickly(directory.path)
        try walk(environment)
        var churn = Churn(seed: seed &+ 1)
        try churn.commitRound(environment, clears: acceptedCount % 5 == 0)
        try walk(environment)
    }
    print("\(acceptedCount) accepted, \(refusedCount) refused")
    try #require(acceptedCount > 20 && refusedCount > 20)
}

/// Reads every byte of every table.
private func walk(_ environment: Environment) throws {
    let reading = try ReadTransaction(environment)
    var sum = 0
    for name in Churn.tableNames {
        guard let table = try reading.table(named: name) else { continue }
        var cursor = try reading.cursor(in: table)
        while try cursor.next() {
            sum &+= cursor.key.withUnsafeBytes { $0.reduce(0) { $0 &+ Int($1) } }
            sum &+= cursor.value.withUnsafeBytes { $0.count + Int($0.last ?? 0) }
        }
    }
    withExtendedLifetime(sum) {}
}
