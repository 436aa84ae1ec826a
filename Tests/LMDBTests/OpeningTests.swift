import Glibc
import LMDB
import Testing

@Suite struct OpeningTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func openingCode(_ change: (inout Environment.Options) -> Void = { _ in })
        -> LMDBError.Code?
    {
        code { _ = try openQuickly(directory.path, change) }
    }

    /// A file with a two-level tree, closed again.
    private func makeFile() throws {
        let environment = try openQuickly(directory.path)
        let values = (0..<200).map { [UInt8](repeating: UInt8($0), count: 100) }
        try commit(values, to: environment, table: "t")
    }

    @Test func aSecondOpenIsRefusedWhileTheFirstLives() throws {
        var first: Environment? = try openQuickly(directory.path)
        #expect(openingCode() == .alreadyOpen)
        #expect(code { _ = try openQuickly("\(directory.path)/../\(name)/.") } == .alreadyOpen)
        // The transaction keeps it open.
        let reading = try ReadTransaction(#require(first))
        first = nil
        #expect(openingCode() == .alreadyOpen)
        _ = consume reading
        #expect(openingCode() == nil)
    }

    private var name: Substring { directory.path.split(separator: "/").last! }

    @Test func aRefusedOpenLeavesTheDirectoryFree() throws {
        try writeFile(directory.dataFile, [])
        #expect(openingCode() == .emptyFile)
        unlink(directory.dataFile)
        #expect(openingCode() == nil)
    }

    @Test func missingPlacesAreNamed() throws {
        #expect(code { _ = try openQuickly("/nowhere/at/all") } == .system(ENOENT))
        #expect(openingCode { $0.isReadOnly = true } == .system(ENOENT))
        try writeFile(directory.dataFile, [1])
        #expect(code { _ = try openQuickly(directory.dataFile) } == .system(ENOTDIR))
    }

    @Test func aDirectoryInPlaceOfTheFileIsRefused() throws {
        mkdir(directory.dataFile, 0o700)
        #expect(openingCode() == .system(EISDIR))
        #expect(openingCode { $0.isReadOnly = true } == .system(EISDIR))
    }

    @Test(arguments: [1, 100, 5000, 100_000]) func aForeignFileIsRefused(size: Int) throws {
        print("seed 11")
        var generator = SeededGenerator(seed: 11)
        let garbage = (0..<size).map { _ in UInt8.random(in: 0...255, using: &generator) }
        try writeFile(directory.dataFile, garbage)
        #expect(openingCode() == .invalid)
        #expect(throws: PageFault.self) { try PageCheck.check(directory: directory.path) }
    }

    @Test func aShortenedFileIsRefused() throws {
        try makeFile()
        let whole = try readFile(directory.dataFile)
        for missing in [1, 4095, 4096, whole.count / 2, whole.count - 4096] {
            try writeFile(directory.dataFile, Array(whole.dropLast(missing)))
            let refusal = openingCode()
            let fault = #expect(throws: PageFault.self) {
                try PageCheck.check(directory: directory.path)
            }
            if whole.count - missing > 8192 {
                #expect(
                    refusal
                        == .truncated(expected: whole.count, actual: whole.count - missing))
                #expect(fault?.kind == .truncated)
            } else {
                #expect(refusal == .corrupted)
            }
        }
        try writeFile(directory.dataFile, whole)
        #expect(openingCode() == nil)
    }

    /// Pages that one transaction takes and frees are never written, so a healthy file can end
    /// before its last page.
    @Test func aShortFileWhoseEndIsFreeIsAccepted() throws {
        do {
            let environment = try openQuickly(directory.path)
            // LMDB takes pages back at once only after it began to use its list of free pages.
            for _ in 0..<4 { try commit([[1]], to: environment, table: "t") }
            var writing = try WriteTransaction(environment)
            let table = try writing.table(named: "t", create: false)
            let large = [UInt8](repeating: 1, count: 100_000)
            try writing.put(large.span.bytes, forKey: 1, in: table)
            try writing.delete(1, in: table)
            try writing.commit()
            let used = (environment.lastPageNumber + 1) * environment.pageSizeBytes
            #expect(try readFile(directory.dataFile).count < used)
        }
        #expect(try PageCheck.check(directory: directory.path).freePageCount >= 25)
        #expect(openingCode() == nil)
        #expect(openingCode { $0.isReadOnly = true } == nil)
    }

    @Test func aNewerFileFormatIsRefused() throws {
        try makeFile()
        var whole = try readFile(directory.dataFile)
        for meta in [4096, 0] {
            whole[meta + 20] = 2
            try writeFile(directory.dataFile, whole)
            #expect(openingCode() == .versionMismatch)
        }
    }

    @Test func aReadOnlyEnvironmentReadsAndRefusesWrites() throws {
        try makeFile()
        let environment = try openQuickly(directory.path) { $0.isReadOnly = true }
        #expect(environment.isReadOnly)
        #expect(code { try commit([], to: environment, table: "t") } == .system(EACCES))
        let reading = try ReadTransaction(environment)
        let table = try #require(try reading.table(named: "t"))
        #expect(try reading.entryCount(in: table) == 200)
    }

    @Test func aCopyHoldsTheLastCommit() throws {
        try makeFile()
        let environment = try openQuickly(directory.path)
        for isCompacting in [false, true] {
            let target = try TemporaryDirectory()
            try environment.copy(to: target.path, isCompacting: isCompacting)
            #expect(try PageCheck.check(directory: target.path).tables["t"]?.entryCount == 200)
            let copied = try openQuickly(target.path)
            #expect(try ReadTransaction(copied).table(named: "t") != nil)
            #expect(
                code { try environment.copy(to: target.path) } == .system(EEXIST))
        }
    }

    @Test func reportsItsSizes() throws {
        let environment = try openQuickly(directory.path) {
            $0.mapSizeBytes = 10_000_001
            $0.readerCountMax = 50
        }
        #expect(environment.mapSizeBytes % environment.pageSizeBytes == 0)
        #expect(environment.mapSizeBytes >= 10_000_001)
        #expect(environment.readerCountMax == 50)
        #expect(environment.lastPageNumber == 1)
        #expect(environment.lastTransactionId == 0)
        #expect(environment.clearStaleReaders() == 0)
        try commit([[1]], to: environment, table: "t")
        #expect(environment.lastTransactionId == 1)
    }
}
