@testable import EventLog
import Crypto
import Glibc
import LogForge
import ReconnectionRules
import Testing

/// The tree of keys, beside one written from the document of the form.
@Suite struct KeyTreeTests {
    private let scratch = ScratchDirectory()
    private let ledgerId = [UInt8](repeating: 7, count: 16)

    private func content(_ tree: KeyTree) -> PersonalKeys.Content {
        PersonalKeys.Content(tree: tree, appliedPosition: 5, plainUserCount: 3)
    }

    private var root: KeySeed {
        RandomSource.repeatable(seed: 1).bytes(count: 32).withUnsafeBytes { KeySeed($0) }
    }

    private func puncture(_ tree: inout KeyTree, _ leaf: UInt32) -> Bool { tree.puncture(leaf) }

    private func bytes(_ seed: KeySeed?) -> [UInt8]? { seed.map { $0.withBytes { Array($0) } } }

    private func forged(_ tree: KeyTree) throws -> ForgedKeys {
        try #require(
            ForgedKeys(file: PersonalKeyFile.encode(ledgerId, content(tree))))
    }

    /// The examples of docs/log-format.md.
    @Test func theExampleKeys() {
        let tree = KeyTree(
            root: (0 ..< 32).map { UInt8($0) }.withUnsafeBytes { KeySeed($0) })
        var path = KeyPath()
        for (user, key) in Self.exampleKeys {
            let found = path.seed(KeyTree.leaf(of: user), KeyTree.depth, in: tree)
            #expect(hex(bytes(found) ?? []) == key)
        }
    }

    private static let exampleKeys: [(UserNumber, String)] = [
        (1, "3194790dee1aee17f7338a3384f44f5e99ff0012ff5dc332cb3d8c827cd96fba"),
        (2, "ce290bdde0813d432e9731147647f07b6e1675b2b594d6176b2ae8f6661b5930"),
        (300, "640e5980c8af06bc29be4bf0b1b650a3003fe4abc76f2d40cf40b29c1eccc1cf"),
    ]

    @Test func everyKeyIsWhatTheDocumentSays() throws {
        var generator = SeededGenerator(seed: SeededGenerator.announced(12, for: "key tree"))
        var tree = KeyTree(root: root)
        var path = KeyPath()
        var users: [UserNumber] = [1, 2, 3, 4, 255, 256, 257, .max, 1 << 31, 1 << 31 + 1]
        users += (0 ..< 100).map { _ in UserNumber(1 + generator.below(3_000)) }
        var gone: Set<UserNumber> = []
        for round in 0 ..< 5 {
            let keys = try forged(tree)
            for user in users.shuffled(using: &generator) {
                let key = path.seed(KeyTree.leaf(of: user), KeyTree.depth, in: tree)
                #expect(bytes(key) == keys.seeds(of: user).last, "user \(user), round \(round)")
                #expect((key == nil) == gone.contains(user))
            }
            for user in users.shuffled(using: &generator).prefix(15) {
                let isNew = tree.puncture(KeyTree.leaf(of: user))
                #expect(isNew == gone.insert(user).inserted)
            }
            path.clear()
        }
        // No node that is left lies above somebody who is gone.
        let left = try forged(tree)
        for user in gone { #expect(left.seeds(of: user).isEmpty) }
    }

    /// Neighbours, from any depth, after any other: what is cached is right.
    @Test func whatIsRememberedOfTheWayIsRight() throws {
        var generator = SeededGenerator(seed: 3)
        var tree = KeyTree(root: root)
        for user in [5, 6, 300, 70_000] as [UserNumber] {
            #expect(puncture(&tree, KeyTree.leaf(of: user)))
        }
        var path = KeyPath()
        for _ in 0 ..< 4_000 {
            let leaf = UInt32(generator.below(2_000)) & (generator.below(3) == 0 ? ~255 : ~0)
            let depth = [UInt8(20), 24, 28, 32][generator.below(4)]
            var fresh = KeyPath()
            #expect(path.seed(leaf, depth, in: tree) == fresh.seed(leaf, depth, in: tree))
        }
    }

    @Test func aPunctureLeavesEverybodyElse() {
        var tree = KeyTree(root: root)
        var path = KeyPath()
        let before = (0 ..< 600).map { path.seed(UInt32($0), KeyTree.depth, in: tree) }
        #expect(puncture(&tree, 300))
        #expect(!puncture(&tree, 300))
        #expect(tree.nodes.count == 32)
        path.clear()
        for leaf in 0 ..< 600 {
            let after = path.seed(UInt32(leaf), KeyTree.depth, in: tree)
            #expect(after == (leaf == 300 ? nil : before[leaf]))
        }
        // The neighbour too: nothing is left of both.
        #expect(puncture(&tree, 301))
        #expect(tree.nodes.count == 31)
    }

    @Test func theNodesOfABlockAreThoseLeft() {
        var tree = KeyTree(root: root)
        var path = KeyPath()
        #expect(tree.nodes(below: 256, depth: 24, &path).map(\.depth) == [24])
        #expect(puncture(&tree, 300))
        #expect(puncture(&tree, 511))
        path.clear()
        #expect(tree.nodes(below: 0, depth: 24, &path).map(\.first) == [0])
        let nodes = tree.nodes(below: 256, depth: 24, &path)
        let leaves = nodes.flatMap { Array($0.first ... $0.last) }
        #expect(leaves == (256 ..< 511).filter { $0 != 300 })
        for leaf in UInt32(512) ..< 768 { #expect(puncture(&tree, leaf)) }
        path.clear()
        #expect(tree.nodes(below: 512, depth: 24, &path).isEmpty)
        #expect(tree.nodes(below: 768, depth: 24, &path).map(\.first) == [768])
    }

    // MARK: - The file

    @Test func theFileComesBackAndEveryOtherIsRefused() throws {
        var tree = KeyTree(root: root)
        #expect(puncture(&tree, 9))
        let path = scratch("personal.keys")
        try PersonalKeyFile.create(path, ledgerId, content(tree))
        #expect(try PersonalKeyFile.read(path, ledgerId: ledgerId) == content(tree))
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
        let sound = Files.read(path)
        for offset in stride(from: 0, to: sound.count, by: 7) {
            var changed = sound
            changed[offset] ^= 0x20
            Files.write(changed, to: path)
            let error = #expect(throws: LogError.self) {
                try PersonalKeyFile.read(path, ledgerId: ledgerId)
            }
            #expect(error?.code == .keys)
        }
        Files.write(sound, to: path)
        let other = [UInt8](repeating: 8, count: 16)
        let error = #expect(throws: LogError.self) {
            try PersonalKeyFile.read(path, ledgerId: other)
        }
        #expect(error?.message.contains("another ledger") ?? false)
    }

    /// Bytes that mean nothing are zero: with a digest that fits, too, there is one form. A version
    /// 0, what is reserved in the header, what is reserved in the first node.
    @Test(arguments: [(8, 0), (10, 1), (15, 4), (53, 1), (55, 9)])
    func bytesThatMeanNothingAreZero(offset: Int, value: Int) {
        var bytes = PersonalKeyFile.encode(ledgerId, content(KeyTree(root: root)))
        bytes[offset] = UInt8(value)
        let body = bytes.dropLast(32)
        let error = #expect(throws: LogError.self) {
            try PersonalKeyFile.decode(
                body + Array(SHA256.hash(data: body)), "keys", ledgerId: ledgerId)
        }
        #expect(error?.message.contains("is damaged") ?? false)
    }

    /// A crash after any step: the file is the old one or the new one, and once somebody opens it
    /// for writing nothing is left beside it and nothing of what was replaced in it.
    @Test func aReplacementThatWasCutShort() throws {
        let tree = KeyTree(root: root)
        var punctured = tree
        #expect(puncture(&punctured, 4))
        let secret = root.withBytes { Array($0) }
        for step in PersonalKeyFile.Step.allCases {
            let path = scratch("keys-\(step)")
            try PersonalKeyFile.create(path, ledgerId, content(tree))
            let held = open(path, O_RDONLY)
            defer { close(held) }
            try PersonalKeyFile.replace(path, ledgerId, by: content(punctured), through: step)
            try PersonalKeyFile.recover(path)
            #expect(!Files.exists(path + ".new") && !Files.exists(path + ".old"))
            let isNew = step >= .renamed
            #expect(
                try PersonalKeyFile.read(path, ledgerId: ledgerId)
                    == content(isNew ? punctured : tree))
            // Whoever has the old file open still sees what its blocks hold.
            var block = [UInt8](repeating: 1, count: 4_096)
            let count = pread(held, &block, block.count, 0)
            let isThere = Array(block.prefix(count)).holds(secret)
            #expect(isThere == !isNew, "after \(step)")
        }
    }
}

extension [UInt8] {
    func holds(_ part: [UInt8]) -> Bool {
        guard count >= part.count else { return false }
        return (0 ... count - part.count).contains {
            self[$0 ..< $0 + part.count].elementsEqual(part)
        }
    }
}

/// Names and addresses as they stand in the log.
@Suite struct SealedTextTests {
    private let scratch = ScratchDirectory()

    private func keys(_ seed: UInt64 = 1) throws -> (PersonalKeys, ForgedKeys) {
        let directory = scratch.directory("\(seed)")
        let random = RandomSource.repeatable(seed: seed)
        let log = try EventLog(directory: directory, mode: .create, random: random)
        let keys = try PersonalKeys(
            creating: directory + "/personal.keys", of: log, random: random, plainUserCount: 0)
        return (keys, try #require(ForgedKeys(file: Files.read(directory + "/personal.keys"))))
    }

    private func sealed(_ sealer: TextSealer, _ name: String, _ event: Event) -> [UInt8] {
        var text: [UInt8] = []
        Array(name.utf8).withUnsafeBytes { name in
            sealer.withSealedName(name, event) { text = Array($0) }
        }
        return text
    }

    @Test func namesOfEveryLengthComeBack() throws {
        let (keys, forged) = try keys()
        let sealer = TextSealer(keys, random: .system)
        let opener = TextOpener(keys)
        for count in [1, 2, 14, 15, 16, 17, 31, 32, 100, 255, 256] {
            let name = String(repeating: "n", count: count)
            let event = namingEvent(at: UInt64(count), time: 0, user: UserNumber(count))
            let text = sealed(sealer, name, event)
            // Its length says no more than sixteen bytes would.
            #expect(text.count == 28 + (count + 1 + 15) / 16 * 16)
            #expect(SealedText.canBeName(byteCount: text.count))
            #expect(forged.name(text, user: event.user, position: event.position) == name)
            text.withUnsafeBytes { bytes in
                #expect(
                    opener.name(bytes, event, isSealed: true) == .text(Array(name.utf8)))
                var other = event
                other.position += 1
                #expect(opener.name(bytes, other, isSealed: true) == .damaged)
                other = event
                other.user += 1
                #expect(opener.name(bytes, other, isSealed: true) == .damaged)
                #expect(TextOpener(nil).name(bytes, event, isSealed: true) == .locked)
            }
        }
        let (strangers, _) = try self.keys(2)
        let event = namingEvent(at: 1, time: 0, user: 1)
        sealed(sealer, "a", event).withUnsafeBytes {
            #expect(TextOpener(strangers).name($0, event, isSealed: true) == .damaged)
        }
    }

    @Test func everyFlippedBitIsFound() throws {
        let (keys, _) = try keys()
        let event = namingEvent(at: 3, time: 0, user: 2)
        let text = sealed(TextSealer(keys, random: .system), "ada", event)
        let opener = TextOpener(keys)
        for bit in 0 ..< 8 * text.count {
            var changed = text
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            changed.withUnsafeBytes {
                #expect(opener.name($0, event, isSealed: true) == .damaged)
            }
        }
    }

    /// The same source, the same bytes; and no two texts alike.
    @Test func theSameSourceGivesTheSameBytes() throws {
        let event = namingEvent(at: 3, time: 0, user: 2)
        let (keys, _) = try keys()
        let one = TextSealer(keys, random: .repeatable(seed: 9))
        let other = TextSealer(keys, random: .repeatable(seed: 9))
        let text = sealed(one, "ada", event)
        #expect(text == sealed(other, "ada", event))
        #expect(text != sealed(one, "ada", event))
    }

    /// The golden text: nonce, what is sealed, tag, for the key and place that the document gives.
    @Test func theGoldenText() throws {
        let (keys, forged) = try keys(77)
        let event = namingEvent(at: 41, time: 0, user: 3)
        let text = sealed(TextSealer(keys, random: .repeatable(seed: 5)), "ada", event)
        #expect(hex(text) == Self.golden)
        #expect(forged.name(text, user: 3, position: 41) == "ada")
    }

    private static let golden =
        "966a28d35016032ee27b1860" + "5754caa2f62bd040b9d42559b302be63"
        + "8cb4d6637aeafc32fc8f20deeb5b1690"

    @Test func whoWasForgottenIsForgottenInCopiesToo() throws {
        let (keys, _) = try keys()
        let event = namingEvent(at: 3, time: 0, user: 2)
        let text = sealed(TextSealer(keys, random: .system), "ada", event)
        let opener = TextOpener(keys)
        let reader = PersonalKeys(
            path: keys.path, ledgerId: keys.ledgerId,
            try PersonalKeyFile.read(keys.path, ledgerId: keys.ledgerId))
        try keys.forget([2], through: 9)
        try text.withUnsafeBytes { text in
            #expect(opener.name(text, event, isSealed: true) == .forgotten)
            let before = TextOpener(reader)
            #expect(before.name(text, event, isSealed: true) == .text(Array("ada".utf8)))
            reader.reload()
            #expect(before.name(text, event, isSealed: true) == .forgotten)
            #expect(reader.isForgotten(2) && !reader.isForgotten(1))
            #expect(reader.appliedPosition == 9)
            let file = try PersonalKeyFile.read(keys.path, ledgerId: keys.ledgerId)
            #expect(file.plainUserCount == 0 && file.appliedPosition == 9)
        }
    }

    // MARK: - Addresses

    @Test(arguments: [
        ("192.0.2.77", "192.0.2.77", "192.0.2.0/24"), ("0.0.0.0", "0.0.0.0", "0.0.0.0/24"),
        ("::ffff:192.0.2.77", "192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2:3::4", "2001:db8:1::/48"), ("::1", "::1", "::/48"),
        ("FE80::0:1", "fe80::1", "fe80::/48"),
    ])
    func addressesAreReadAndCut(text: String, full: String, network: String) throws {
        let address = try #require(ClientAddress(text))
        #expect(address.recorded(.full)?.description == full)
        #expect(address.recorded(.truncated)?.description == network)
        #expect(address.recorded(.none) == nil)
        let (keys, _) = try keys()
        let sealer = TextSealer(keys, random: .system)
        let event = sampleEvent(at: 8, time: 0)
        for recording in [ClientAddressRecording.full, .truncated] {
            let recorded = try #require(address.recorded(recording))
            sealer.withSealedAddress(recorded, event) { text in
                #expect(text.count == SealedText.addressByteCount)
                #expect(TextOpener(keys).address(text, event) == recorded)
                #expect(TextOpener(nil).address(text, event) == nil)
            }
        }
    }

    /// Kind, bits, and how the address begins: forms that are never stored.
    @Test(arguments: [
        [4, 25, 192, 0, 2, 0], [4, 24, 192, 0, 2, 7], [4, 32, 192, 0, 2, 7, 1], [4, 0], [6, 64],
        [6, 48, 0x20, 1, 0xD, 0xB8, 0, 1, 1], [6, 128] + [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255],
        [5, 32],
    ] as [[UInt8]])
    func whatIsNeverStoredIsNoAddress(begin: [UInt8]) {
        let stored = begin + [UInt8](repeating: 0, count: ClientAddress.byteCount - begin.count)
        #expect(stored.withUnsafeBytes { ClientAddress(stored: $0) } == nil)
    }

    @Test(arguments: [
        "", " ", "localhost", "192.0.2", "192.0.2.256", "192.0.2.7/24", "192.0.2.7 ", ":::1",
        "2001:db8::1::2", "1.2.3.4.5", "fe80::1%eth0", "192.0.2.7\0",
    ])
    func whatIsNoAddressIsNone(text: String) { #expect(ClientAddress(text) == nil) }
}
