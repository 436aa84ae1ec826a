import Glibc
import LMDB
import Testing

/// What only a second process can show. Exit tests run their body in one.
@Suite(.serialized) struct ProcessTests {
    @Test func anotherProcessReadsWholeCommitsWhileThisOneWrites() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.path
        let environment = try openQuickly(path)
        try commitBatch(0, environment)
        let stop = StopSign()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                var batch: UInt64 = 1
                while !stop.isUp {
                    try commitBatch(batch, environment)
                    batch += 1
                    await Task.yield()
                }
            }
            await #expect(processExitsWith: .success) { [path = path as String] in
                let environment = try openQuickly(path) { $0.isReadOnly = true }
                for _ in 0..<50 { try expectWholeBatches(environment) }
            }
            stop.raise()
            try await group.waitForAll()
        }
    }

    @Test func theSlotOfADeadReaderIsCleared() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.path
        let environment = try openQuickly(path)
        try commitBatch(0, environment)
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
            let environment = try openQuickly(path)
            let reading = try ReadTransaction(environment)
            kill(getpid(), SIGKILL)
            _ = reading.transactionId
        }
        #expect(environment.clearStaleReaders() == 1)
        #expect(environment.clearStaleReaders() == 0)
    }

    @Test func aWriterThatDiesLeavesNothingAndBlocksNobody() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.path
        let environment = try openQuickly(path)
        try commitBatch(0, environment)
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
            try dieWriting(try openQuickly(path))
        }
        try commitBatch(1, environment)
        try expectWholeBatches(environment)
    }

    @Test func aSmallAddressSpaceGetsASmallerMap() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.path
        await #expect(processExitsWith: .success) { [path = path as String] in
            var limit = rlimit(rlim_cur: 16 << 30, rlim_max: 16 << 30)
            try #require(setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0)
            let environment = try openQuickly(path)
            #expect((1 << 30...16 << 30).contains(environment.mapSizeBytes))
            try commitBatch(0, environment)
        }
    }

    @Test func endingAWriteOnAnotherThreadIsFatal() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.path
        await #expect(processExitsWith: .failure) { [path = path as String] in
            try endOnAnotherThread(try openQuickly(path))
        }
    }
}

/// Ten keys more, each the number of its batch.
private func commitBatch(_ batch: UInt64, _ environment: Environment) throws {
    var writing = try WriteTransaction(environment)
    let table = try writing.table(named: "t", create: true)
    for key in batch * 10..<batch * 10 + 10 {
        let value = [batch]
        try writing.put(value.span.bytes, forKey: key, in: table, mode: .append)
    }
    try writing.commit()
}

private func expectWholeBatches(_ environment: Environment) throws {
    let reading = try ReadTransaction(environment)
    let table = try #require(try reading.table(named: "t"))
    var expected: UInt64 = 0
    var cursor = try reading.cursor(in: table)
    while try cursor.next() {
        try #require(cursor.keyUInt64 == expected)
        let batch = cursor.value.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
        try #require(batch == expected / 10)
        expected += 1
    }
    try #require(expected > 0 && expected % 10 == 0)
}

private func dieWriting(_ environment: Environment) throws {
    var writing = try WriteTransaction(environment)
    let table = try writing.table(named: "t", create: false)
    try writing.put([1].span.bytes, forKey: .max, in: table)
    kill(getpid(), SIGKILL)
    try writing.commit()
}

/// What the compiler keeps from happening by accident.
private nonisolated(unsafe) var smuggled: WriteTransaction?

private func endOnAnotherThread(_ environment: Environment) throws {
    smuggled = try WriteTransaction(environment)
    var thread = pthread_t()
    pthread_create(
        &thread, nil,
        { _ in
            smuggled = nil
            return nil
        }, nil)
    pthread_join(thread, nil)
}
