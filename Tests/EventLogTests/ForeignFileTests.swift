import Crypto
import EventLog
import LogForge
import ReconnectionRules
import Testing

/// What is no log, no log of ours, no longer whole, or from a newer Holdfast.
@Suite struct ForeignFileTests {
    private let scratch = ScratchDirectory()

    private func error(
        _ directory: String, modes: [EventLog.Mode] = [.readOnly, .readWrite]
    ) throws -> LogError {
        let errors = modes.compactMap { readingError(directory, mode: $0) }
        try #require(errors.count == modes.count, "it opens")
        for error in errors {
            #expect(!error.message.contains("\n") && error.message.contains(directory), "\(error)")
            #expect(error.code == errors[0].code)
        }
        return errors[0]
    }

    @Test func nothingThere() throws {
        #expect(try error(scratch("nowhere")).code == .missing)
        #expect(!Files.exists(scratch("nowhere")))
        let error = try error(scratch.path, modes: [.readOnly])
        #expect(error.code == .missing)
        #expect(Files.all(below: scratch.path).isEmpty, "reading leaves nothing behind")
    }

    @Test func randomBytesAndTextAreNoLMDBFile() throws {
        var generator = SeededGenerator(seed: 5)
        let random = (0 ..< 20_000).map { _ in UInt8.random(in: 0 ... 255, using: &generator) }
        for content in [random, Array(random.prefix(100)), Array("hello\n".utf8)] {
            Files.write(content, to: scratch("data.mdb"))
            #expect(try error(scratch.path).code == .foreign)
            #expect(Files.read(scratch("data.mdb")) == content, "it is left alone")
        }
    }

    @Test func aDirectoryInPlaceOfTheFile() throws {
        _ = scratch.directory("data.mdb")
        for mode in [EventLog.Mode.readOnly, .readWrite] {
            let error = try #require(readingError(scratch.path, mode: mode))
            #expect(!error.message.isEmpty && error.code != .missing)
        }
    }

    @Test func aFileInPlaceOfTheDirectory() throws {
        Files.write([1], to: scratch("log"))
        let error = try #require(readingError(scratch("log")))
        #expect(!error.message.isEmpty && error.code != .missing)
    }

    @Test func anotherProgramsDatabase() throws {
        try LogForge.put([1], forKey: [2], table: "stuff", in: scratch.path)
        let before = Files.read(scratch("data.mdb"))
        #expect(try error(scratch.path, modes: [.readOnly, .readWrite, .create]).code == .foreign)
        #expect(Files.read(scratch("data.mdb")) == before, "it is left alone")
    }

    @Test func anotherProgramsMetaEntry() throws {
        for value in [[], [1, 2, 3], [UInt8](repeating: 65, count: 72)] as [[UInt8]] {
            let directory = scratch.directory("m\(value.count)")
            try makeLog(in: directory, [1])
            try LogForge.setMeta(in: directory, to: value)
            #expect(try error(directory).code == .foreign)
        }
    }

    /// The log beside it must not be overwritten by a second creation.
    @Test func createRefusesALogThatIsThere() throws {
        try makeLog(in: scratch.path, [2])
        #expect(readingError(scratch.path, mode: .create)?.code == .foreign)
        #expect(try EventLog(directory: scratch.path, mode: .readWrite).head().position == 2)
    }

    /// Killed between the making of the file and its first commit: the file holds nothing yet.
    @Test func aCreationCutShortIsCompleted() throws {
        try makeBlankDatabase(in: scratch.path)
        let error = try error(scratch.path, modes: [.readOnly])
        #expect(error.code == .missing)
        let log = try EventLog(directory: scratch.path, mode: .readWrite)
        try log.appendSamples([2])
        #expect(try log.head().position == 2)
    }

    // MARK: - Newer and damaged meta entries

    @Test func theMetaEntryStandsAsDocumented() throws {
        try makeLog(in: scratch.path, [1])
        let meta = try LogForge.meta(in: scratch.path)
        let id = try EventLog(directory: scratch.path, mode: .readOnly).ledgerId
        #expect(meta.count == 72)
        #expect(Array(meta[..<8]) == Array("HOLDFAST".utf8))
        #expect(Array(meta[8 ..< 16]) == [2, 0, 0, 0, 0, 0, 0, 0])
        #expect(hex(meta[16 ..< 32]) == id)
        #expect(Array(meta[32 ..< 40]) == [UInt8](repeating: 0, count: 8))
        #expect(Array(meta[40...]) == Array(SHA256.hash(data: meta[..<40])))
    }

    @Test func everyFlippedByteOfTheMetaEntryIsFound() throws {
        try makeLog(in: scratch.path, [1])
        let meta = try LogForge.meta(in: scratch.path)
        for offset in meta.indices {
            var changed = meta
            changed[offset] ^= 0x41
            try LogForge.setMeta(in: scratch.path, to: changed)
            #expect(readingError(scratch.path) != nil, "byte \(offset)")
        }
    }

    @Test(arguments: [UInt16(3), 4, 258, .max])
    func aNewerFormatIsNamed(version: UInt16) throws {
        try makeLog(in: scratch.path, [1, 2])
        var meta = try LogForge.meta(in: scratch.path)
        // A newer form may look different in all but mark and version.
        meta.replaceSubrange(8 ..< 10, with: [UInt8(version & 255), UInt8(version >> 8)])
        try LogForge.setMeta(in: scratch.path, to: Array(meta.prefix(24)))
        let error = try error(scratch.path)
        #expect(error.code == .newerFormat(version: version))
        #expect(error.message.contains("log format \(version), newer than 2"))
    }

    @Test(arguments: [0, 1])
    func aNewerBatchIsNamed(index: Int) throws {
        try makeLog(in: scratch.path, [1, 2])
        try LogForge.rewrite(in: scratch.path) { batches in
            batches[index].set(UInt16(7), at: 4)
            batches[index].sealHash()
        }
        let error = try #require(readingError(scratch.path))
        #expect(error.code == .newerFormat(version: 7))
        #expect(error.message.contains("position \(index == 0 ? 1 : 2) has format 7"))
    }
}
