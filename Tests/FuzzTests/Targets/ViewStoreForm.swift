import EventLog
import LMDB
import LogForge
import ReconnectionRules

@testable import Ledger

/// A stored view whose blocks are changed before they are sealed.
final class ViewStoreForm: Sendable {
    static let shared = ViewStoreForm()

    private struct Block {
        var table: ViewStore.Table
        var key: UInt64
        var content: [UInt8]
    }

    private let store: ViewStore
    private let blocks: [Block]

    private init() {
        do {
            let directory = DataDirectory(Scratch.directory.directory("views-of"))
            store = try ViewStore(directory: directory, isReadOnly: false)
            let (records, head) = try Self.sample()
            var view = RecoveredView()
            view.state = State(records)
            view.head = head
            for name in ["ada"] { Array(name.utf8).withUnsafeBytes { view.users.append($0) } }
            Array("play".utf8).withUnsafeBytes { view.projects.append($0) }
            try store.write(Self.snapshot(view), at: head, FuzzTarget.keys)
            blocks = try Self.blocks(of: store)
        } catch { preconditionFailure("\(error)") }
    }

    /// A state of two records of users and a project.
    private static func sample() throws -> (StateRecords, LogHead) {
        ScratchFile.shared.hold(FuzzTarget.checkpoint(FuzzTarget.checkpointSample))
        guard let source = HashingInput(ScratchFile.shared.path),
            let first = source.take(KeptCheckpointFile.headerByteCount)
        else { throw Violation("there is no sample") }
        let header = try KeptCheckpointFile.header(first)
        return (try KeptCheckpointFile.records(header, from: source), header.head)
    }

    private static func snapshot(_ view: RecoveredView) -> ViewSnapshot {
        var snapshot = ViewSnapshot()
        snapshot.records = view.state.records
        snapshot.userNames = ViewCodec.nameBlocks(view.users, from: 0)
        snapshot.projectNames = ViewCodec.nameBlocks(view.projects, from: 0)
        snapshot.userNameCount = view.users.count
        snapshot.projectNameCount = view.projects.count
        return snapshot
    }

    private static func blocks(of store: ViewStore) throws -> [Block] {
        let transaction = try ReadTransaction(store.environment)
        var blocks: [Block] = []
        for table in ViewStore.Table.allCases {
            guard let handle = try transaction.table(named: table.rawValue) else { continue }
            var cursor = try transaction.cursor(in: handle)
            var hasEntry = try cursor.first()
            while hasEntry {
                let content = cursor.value.withUnsafeBytes { Array($0.dropLast(8)) }
                blocks.append(Block(table: table, key: cursor.keyUInt64 ?? 0, content: content))
                hasEntry = try cursor.next()
            }
        }
        return blocks
    }

    func run(_ input: [UInt8]) throws -> Bool {
        try put(changed(input))
        guard case .view(let view, let locked) = store.load(FuzzTarget.keys, { _ in nil }) else {
            return false
        }
        let digest = StateDigest.of(view.state)
        // Names that cannot be opened would be written as those of the forgotten.
        guard locked.isEmpty else { return true }
        try store.write(Self.snapshot(view), at: view.head, FuzzTarget.keys)
        guard case .view(let again, _) = store.load(FuzzTarget.keys, { _ in nil }) else {
            throw Violation("what was loaded and stored cannot be loaded")
        }
        try require(StateDigest.of(again.state) == digest, "another state comes back")
        try require(again.head == view.head, "another head comes back")
        try require(again.users.count == view.users.count, "other users come back")
        for number in 1 ..< UInt32(view.users.count + 1) {
            let (before, after) = (view.users.name(of: number), again.users.name(of: number))
            try require(after.utf8.elementsEqual(before.utf8), "user \(number) is another")
        }
        return true
    }

    /// Each change: a block, where in it, how many bytes, the bytes. None takes the end off, 255
    /// takes the block away, 254 moves it to another key.
    private func changed(_ input: [UInt8]) -> [Block] {
        var reader = InputReader(input)
        var blocks = blocks
        while !reader.isAtEnd, !blocks.isEmpty {
            let index = Int(reader.byte()) % blocks.count
            let offset = Int(reader.number(UInt16.self)) % (blocks[index].content.count + 1)
            switch reader.byte() {
            case 0: blocks[index].content.removeSubrange(offset...)
            case 255: blocks.remove(at: index)
            case 254:
                blocks[index].key = UInt64(offset) << (offset & 1 == 0 ? 0 : 32)
            case let count:
                let bytes = reader.take(Int(count % 48))
                let end = min(blocks[index].content.count, offset + bytes.count)
                blocks[index].content.replaceSubrange(offset ..< end, with: bytes)
            }
        }
        return blocks
    }

    private func put(_ blocks: [Block]) throws {
        var transaction = try WriteTransaction(store.environment)
        for table in ViewStore.Table.allCases {
            try transaction.clear(try transaction.table(named: table.rawValue, create: false))
        }
        var sum: UInt64 = 0
        // The head, which names the sum of the others, comes last.
        for block in blocks.sorted(by: { $0.table != .head && $1.table == .head }) {
            var bytes = block.content
            if block.table == .head, bytes.count >= 8 {
                bytes.replaceSubrange(bytes.count - 8 ..< bytes.count, with: little(sum))
            }
            bytes += [UInt8](repeating: 0, count: 8)
            let seed = ViewStore.seed(block.table, block.key)
            let check = bytes.withUnsafeMutableBytes { ViewCodec.seal($0, seed: seed) }
            if block.table != .head { sum &+= check }
            let table = try transaction.table(named: block.table.rawValue, create: false)
            try transaction.put(bytes.span.bytes, forKey: block.key, in: table)
        }
        try transaction.commit()
    }
}
