import Crypto
import EventLog
import ReconnectionRules

@testable import Ledger

extension FuzzTarget {
    static let viewTargets = [viewRecord, keptCheckpoint, viewStore]

    /// First byte: which record.
    static let viewRecord = FuzzTarget(
        name: "view-record", subject: "records of the current view, and their blocks",
        promise: "A record that was written is written back byte by byte; a block opens with its "
            + "own key alone.",
        byteCountMax: 80,
        seeds: {
            [0, 1, 2, 3, 4].map { [UInt8($0)] + (0 ..< 44).map { UInt8($0 % 5) } }
        },
        run: { input in
            var reader = InputReader(input)
            let form = reader.byte() % 5
            if form == 4 { return try checkBlock(&reader) }
            let byteCount = [30, 30, 29, 44][Int(form)]
            var bytes = reader.take(byteCount)
            bytes += [UInt8](repeating: 0, count: byteCount - bytes.count)
            var again = [UInt8](repeating: 0xEE, count: byteCount)
            // What no state writes is for whoever reads a whole checkpoint.
            var isWritten = true
            bytes.withUnsafeBytes { bytes in
                again.withUnsafeMutableBytes { again in
                    let (from, to) = (bytes.baseAddress!, again.baseAddress!)
                    switch form {
                    case 0: ViewCodec.write(ViewCodec.readUser(at: from), at: to)
                    case 1:
                        isWritten = ViewCodec.isConcurrency(at: from)
                        ViewCodec.write(ViewCodec.readConcurrency(at: from), at: to)
                    case 2: ViewCodec.write(ViewCodec.readJumpBlock(at: from), at: to)
                    default:
                        var reader = ByteReader(bytes)
                        let (settings, last, count) = ViewCodec.readProject(&reader)
                        isWritten = ViewCodec.isProject(bytes)
                        var writer = ByteWriter()
                        writer.write(settings.concurrencyCount)
                        writer.write(settings.reconnectWindow)
                        writer.write(settings.lockTimeout)
                        writer.write(settings.cleanupTime)
                        writer.write(UInt32(settings.requiresSessionName ? 1 : 0))
                        writer.write(last)
                        writer.write(count)
                        again.copyBytes(from: writer.bytes)
                    }
                }
            }
            try require(!isWritten || again == bytes, "record \(form) is written otherwise")
            return isWritten
        })

    private static func checkBlock(_ reader: inout InputReader) throws -> Bool {
        let seed: UInt64 = reader.number()
        let isSealed = reader.byte() & 1 == 1
        var block = reader.rest()
        if isSealed {
            block += [UInt8](repeating: 0, count: 8)
            _ = block.withUnsafeMutableBytes { ViewCodec.seal($0, seed: seed) }
        }
        return try block.withUnsafeBytes { block in
            guard let content = ViewCodec.opened(block, seed: seed) else {
                try require(!isSealed, "a sealed block does not open")
                return false
            }
            try require(content.count == block.count - 8, "another content")
            try require(ViewCodec.opened(block, seed: seed ^ 16) == nil, "it opens elsewhere")
            return true
        }
    }

    /// First byte 0: the file as it is. Otherwise how many users, jump blocks and projects, then
    /// what the header says, then records; lengths and digest are made to fit.
    static let keptCheckpoint = FuzzTarget(
        name: "kept-checkpoint", subject: "kept checkpoints, from the header to the digest",
        promise: "A state comes out and is written back byte by byte, or the file is refused.",
        byteCountMax: 900,
        seeds: { [[0] + checkpoint(checkpointSample), checkpointSample, [0, 1, 2]] },
        run: { input in
            let file = ScratchFile.shared
            let bytes = input.first == 0 ? Array(input.dropFirst()) : checkpoint(input)
            file.hold(bytes)
            let header: KeptCheckpointFile.Header
            let records: StateRecords
            do throws(KeptCheckpointFault.Reason) {
                guard let source = HashingInput(file.path) else { throw .damaged }
                guard let first = source.take(KeptCheckpointFile.headerByteCount) else {
                    throw .truncated
                }
                header = try KeptCheckpointFile.header(first)
                records = try KeptCheckpointFile.records(header, from: source)
            } catch { return false }
            let state = State(records)
            _ = StateDigest.of(state)
            var isWritten = false
            file.whileEmpty { descriptor in
                isWritten = KeptCheckpointFile.write(
                    state.records, at: header.head, ledgerId: text(header.ledgerId),
                    to: HashingOutput(descriptor))
            }
            try require(isWritten, "it cannot be written")
            // Ids are hexadecimal; another text is another ledger's, and refused later.
            let isOurs = text(header.ledgerId).utf8.elementsEqual(header.ledgerId)
            try require(!isOurs || file.read() == bytes, "written otherwise")
            return true
        })

    /// Changes to the blocks of a small view, which are sealed and summed up again.
    static let viewStore = FuzzTarget(
        name: "view-store", subject: "the stored current view, block by block",
        promise: "A view comes out that is stored and comes out the same, or none does.",
        byteCountMax: 96,
        seeds: { [[], [0, 3, 0, 2, 1, 1], [1, 30, 0, 0], [6, 0, 0, 255, 2], [5, 9, 0, 1, 7]] },
        run: { try ViewStoreForm.shared.run($0) })

    static let checkpointSample: [UInt8] = {
        var input: [UInt8] = [1, 2, 1, 1, 0] + Array(repeating: 0x61, count: 32)
        input += little(UInt64(9)) + little(UInt64(1_000_000)) + [UInt8](repeating: 3, count: 32)
        input += little(UInt64(1)) + little(UInt64(0))
        // A project of one concurrency, which is waiting; two users.
        input += little(UInt32(1)) + little(UInt64(90)) + little(UInt64(30)) + little(UInt64(0))
        input += little(UInt32(0)) + little(UInt64(4)) + little(UInt32(1))
        input += [UInt8](repeating: 0, count: 30) + little(UInt64(9)) + little(UInt64(0))
        input += little(UInt32(1)) + little(UInt32(3)) + little(UInt32(0)) + little(UInt16(1))
        return input
    }()

    static func checkpoint(_ input: [UInt8]) -> [UInt8] {
        var reader = InputReader(input)
        _ = reader.byte()
        let counts = (0 ..< 3).map { _ in Int(reader.byte() % 4) + 1 }
        var bytes = little(KeptCheckpointFile.magic) + little(KeptCheckpointFile.version)
        bytes += little(UInt32(KeptCheckpointFile.headerByteCount))
        let free = reader.byte()
        bytes += reader.take(32 + 8 + 8 + 32 + 8)
        bytes += [UInt8](repeating: 0, count: max(0, 104 - bytes.count))
        for count in [counts[0], counts[1], Int(free), counts[2]] { bytes += little(UInt64(count)) }
        for byteCount in [30, 29, 30, 44] { bytes += little(UInt32(byteCount)) }
        bytes += reader.take(8)
        bytes += [UInt8](
            repeating: 0, count: max(0, KeptCheckpointFile.headerByteCount - bytes.count))
        var concurrencyCount = 0
        for _ in 1 ..< counts[2] {
            var project = reader.take(44)
            project += [UInt8](repeating: 0, count: 44 - project.count)
            let numbers = project[40] & 3
            project.replaceSubrange(40 ..< 44, with: [numbers, 0, 0, 0])
            bytes += project
            concurrencyCount += Int(numbers) + 1
        }
        let rest = 30 * counts[0] + 29 * counts[1] + 30 * concurrencyCount
        let records = reader.take(rest)
        bytes += records + [UInt8](repeating: 0, count: rest - records.count)
        return bytes + Array(SHA256.hash(data: bytes))
    }
}
