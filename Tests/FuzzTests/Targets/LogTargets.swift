import Crypto
import LogForge
import ReconnectionRules

@testable import EventLog

extension FuzzTarget {
    static let logTargets = [
        eventRecord, batch, logReader, sealedText, nameBlock, personalKeys, clientAddress,
    ]

    private static let eventSamples: [[UInt8]] = SampleEvents.all.map { event in
        var record = [UInt8](repeating: 0, count: 80)
        record.withUnsafeMutableBytes { EventCodec.encode(event, at: $0.baseAddress!) }
        return record
    }

    /// First the position, a byte that says whether the check word is made to fit, the record.
    static let eventRecord = FuzzTarget(
        name: "event-record", subject: "an event's 80 bytes",
        promise: "What is taken is written back byte by byte: there is one form.",
        byteCountMax: 96,
        seeds: { zip(SampleEvents.all, eventSamples).map { little($0.position) + [1] + $1 } },
        run: { input in
            var reader = InputReader(input)
            let position: Position = reader.number()
            let isSealed = reader.byte() & 1 == 1
            var record = reader.take(80)
            record += [UInt8](repeating: 0, count: 80 - record.count)
            if isSealed {
                var forged = ForgedBatch(key: 0, bytes: record)
                forged.set(forged.checkWord(at: 0, position: position), at: 4)
                record = forged.bytes
            }
            let decoded = record.withUnsafeBytes {
                EventCodec.decode($0.baseAddress!, position: position)
            }
            guard let decoded else { return false }
            var again = [UInt8](repeating: 0xFF, count: 80)
            again.withUnsafeMutableBytes { EventCodec.encode(decoded, at: $0.baseAddress!) }
            try require(again == record, "written otherwise: \(decoded)")
            return true
        })

    /// First byte: raw, or put together and sealed.
    static let batch = FuzzTarget(
        name: "batch", subject: "a batch: header, records, texts, origin, hash",
        promise: "Three ways through a sound batch give the same events and texts; it is written "
            + "back byte by byte.",
        byteCountMax: 1200,
        seeds: { [[0] + BatchForm.sample(version: 2), [0] + BatchForm.sample(version: 1)]
            + BatchForm.samples },
        run: { input in
            let bytes = BatchForm.bytes(input)
            return try bytes.withUnsafeBytes { raw in
                guard raw.count >= 16 else {
                    try require((try? BatchView(raw, key: 1)) == nil, "so short a batch is taken")
                    return false
                }
                let key = Position(
                    littleEndian: raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
                do {
                    try BatchForm.compare(try checked(raw, key), bytes)
                    return true
                } catch let error as LogError {
                    try require(isPrintable(error.message), "a control character")
                    return false
                }
            }
        })

    private static func checked(
        _ raw: UnsafeRawBufferPointer, _ key: Position
    ) throws(LogError) -> BatchView {
        let view = try BatchView(raw, key: key)
        _ = view.follows(key &- 1)
        if key == 1 {
            try view.check(after: nil)
        } else {
            try view.verifyHash()
            _ = try view.checkRecords()
        }
        return view
    }

    /// Batches one behind the other in LMDB, each behind two bytes that say how long it is.
    static let logReader = FuzzTarget(
        name: "log-reader", subject: "a log of a few batches, some of them anything",
        promise: "Walks forward, backward and event by event find the same, or all say damage.",
        byteCountMax: 1200,
        seeds: { LogForm.samples },
        run: { try LogForm.shared.run($0) })

    // MARK: - What concerns a person

    private static let id = [UInt8](repeating: 7, count: 16)

    /// Everybody has a key but user 3 and user 300.
    static let keys: PersonalKeys = {
        let seed = [UInt8](repeating: 9, count: 32).withUnsafeBytes { KeySeed($0) }
        var tree = KeyTree(root: seed)
        for user in [3, 300] as [UserNumber] { _ = tree.puncture(KeyTree.leaf(of: user)) }
        return PersonalKeys(
            path: "keys", ledgerId: id,
            PersonalKeys.Content(tree: tree, appliedPosition: 9, plainUserCount: 0))
    }()

    /// First byte: what is sealed, and for whom; the rest is what stands inside.
    static let sealedText = FuzzTarget(
        name: "sealed-text", subject: "names and addresses once their seal is broken",
        promise: "A name or an address comes out in the one form there is, or damage is said.",
        seeds: {
            [
                [0, 2] + Array("ada".utf8) + [UInt8](repeating: 0, count: 12),
                [1, 4, 32, 192, 0, 2, 7] + [UInt8](repeating: 0, count: 12),
                [1, 6, 48, 0x20, 0x01, 0x0D, 0xB8, 0, 1] + [UInt8](repeating: 0, count: 10),
                [2] + [UInt8](repeating: 5, count: 60), [3, 0, 0x61],
            ]
        },
        run: { input in
            var reader = InputReader(input)
            let form = reader.byte()
            let isAddress = form & 1 == 1
            let user: UserNumber = form & 4 == 0 ? 5 : 3
            let event = Event(
                position: 77, time: 0, kind: isAddress ? .applied : .userNamed, outcome: .done)
            var about = event
            about.user = user
            let inside = reader.rest()
            let opener = TextOpener(keys)
            var path = KeyPath()
            var sealed = inside
            if form & 2 == 0, let key = keys.key(of: user, &path) {
                var binding = SealedText.Binding(ledgerId: id)
                let bound = binding.bind(user, 77, about.kind)
                let nonce = [UInt8](repeating: 1, count: SealedText.nonceByteCount)
                sealed = nonce.withUnsafeBytes { nonce in
                    inside.withUnsafeBytes {
                        Array(SealedText.seal($0, key, nonce: nonce, bound))
                    }
                }
            }
            return try sealed.withUnsafeBytes { sealed in
                if isAddress {
                    guard let address = opener.address(sealed, about) else { return false }
                    try require(
                        ClientAddress(recorded: address.description) == address,
                        "the address \(address) is not one that is recorded")
                    return true
                }
                guard case .text(let name) = opener.name(sealed, about, isSealed: true) else {
                    return false
                }
                try require((1 ... 256).contains(name.count), "a name of \(name.count) bytes")
                let padded = [UInt8(name.count - 1)] + name
                try require(inside.starts(with: padded), "not the name that was sealed")
                return true
            }
        })

    /// First byte: stored bytes as they are, a block sealed as a checkpoint does it, or one piece
    /// with anything in it.
    static let nameBlock = FuzzTarget(
        name: "name-block", subject: "blocks of names in a checkpoint",
        promise: "A block opens to so many users as it says; what was sealed opens the same.",
        byteCountMax: 1024,
        seeds: { NameBlockForm.samples },
        run: { try NameBlockForm.run($0, keys, id) })

    /// First byte: whether mark, ledger and digest are made to fit.
    static let personalKeys = FuzzTarget(
        name: "personal-keys", subject: "the file of the personal keys",
        promise: "What is taken is written back byte by byte; every key in it can be taken away.",
        byteCountMax: 1500,
        seeds: {
            let seed = [UInt8](repeating: 9, count: 32).withUnsafeBytes { KeySeed($0) }
            var tree = KeyTree(root: seed)
            let whole = PersonalKeys.Content(tree: tree, appliedPosition: 0, plainUserCount: 4)
            _ = tree.puncture(7)
            let some = PersonalKeys.Content(tree: tree, appliedPosition: 9, plainUserCount: 0)
            return [whole, some].flatMap { content in
                let bytes = PersonalKeyFile.encode(id, content)
                return [[0] + bytes, [1] + bytes.dropLast(32)]
            }
        },
        run: { input in
            var reader = InputReader(input)
            let isSealed = reader.byte() & 1 == 1
            var bytes = reader.rest()
            if isSealed {
                if bytes.count >= 32 {
                    bytes.replaceSubrange(0 ..< 8, with: Array("HFKEYTRE".utf8))
                    bytes.replaceSubrange(16 ..< 32, with: id)
                }
                bytes += Array(SHA256.hash(data: bytes))
            }
            let content: PersonalKeys.Content
            do throws(LogError) {
                content = try PersonalKeyFile.decode(bytes, "keys", ledgerId: id)
            } catch {
                try require(isPrintable(error.message), "a control character")
                return false
            }
            try require(PersonalKeyFile.encode(id, content) == bytes, "written otherwise")
            var tree = content.tree
            for leaf in [0, 5, 1 << 20, .max] as [UInt32] {
                let wasThere = tree.index(covering: leaf) != nil
                try require(tree.puncture(leaf) == wasThere, "leaf \(leaf) is not taken away")
                try require(tree.index(covering: leaf) == nil, "leaf \(leaf) is still there")
                try require(KeyTree(nodes: tree.nodes) == tree, "the tree is out of order")
            }
            return true
        })

    static let clientAddress = FuzzTarget(
        name: "client-address", subject: "addresses of clients, as they come and as recorded",
        promise: "One form is recorded; it is stored and read back the same.",
        byteCountMax: 64, words: ["/24", "/48", "::ffff:", "192.0.2.7", "2001:db8::"],
        seeds: {
            ["192.0.2.7", "192.0.2.0/24", "2001:db8::1", "2001:db8:1::/48", "::ffff:192.0.2.7"]
                .map { Array($0.utf8) }
        },
        run: { input in
            let written = text(input)
            if let recorded = ClientAddress(recorded: written) {
                try require(
                    recorded.description.utf8.elementsEqual(written.utf8),
                    "\(recorded) is \(written)")
            }
            guard let address = ClientAddress(written) else { return false }
            for way in ClientAddressRecording.allCases {
                guard let kept = address.recorded(way) else { continue }
                var stored = [UInt8](repeating: 0, count: ClientAddress.byteCount)
                stored.withUnsafeMutableBytes { kept.store(at: $0) }
                let back = stored.withUnsafeBytes { ClientAddress(stored: $0) }
                try require(back == kept, "\(kept) comes back from its bytes otherwise")
                try require(
                    ClientAddress(recorded: kept.description) == kept, "\(kept) is not read back")
            }
            return true
        })
}
