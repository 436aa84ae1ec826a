import Crypto
package import ReconnectionRules

/// How what concerns a person is sealed: ChaCha20-Poly1305 under that person's key, a random nonce
/// of 12 bytes before it, the tag of 16 behind it. Bound to the ledger, the user, the event's
/// position and its kind, so that none stands for another. Byte by byte in docs/log-format.md.
enum SealedText {
    static let nonceByteCount = 12
    static let overheadByteCount = 28
    private static let paddingByteCount = 16

    /// Bytes that a text with its length byte takes: padded, so that its length tells little.
    static func byteCount(ofPaddedText byteCount: Int) -> Int {
        (byteCount + paddingByteCount - 1) / paddingByteCount * paddingByteCount
            + overheadByteCount
    }

    /// Whether a sealed name of a user can have that many bytes.
    static func canBeName(byteCount: Int) -> Bool {
        let padded = byteCount - overheadByteCount
        return padded > 0 && padded % paddingByteCount == 0
            && byteCount <= LogFormat.textByteCountMax
    }

    static let addressByteCount = ClientAddress.byteCount + overheadByteCount

    /// What a text is bound to: ledger id, user, position, kind.
    struct Binding {
        private var bytes: [UInt8]

        init(ledgerId: [UInt8]) { bytes = ledgerId + [UInt8](repeating: 0, count: 13) }

        mutating func bind(
            _ user: UserNumber, _ position: Position, _ kind: Event.Kind
        ) -> [UInt8] {
            bytes.withUnsafeMutableBytes {
                $0.storeBytes(of: user.littleEndian, toByteOffset: 16, as: UInt32.self)
                $0.storeBytes(of: position.littleEndian, toByteOffset: 20, as: UInt64.self)
                $0[28] = kind.rawValue
            }
            return bytes
        }
    }

    /// Nonce, what is sealed, tag.
    static func seal(
        _ text: UnsafeRawBufferPointer, _ key: KeySeed, nonce: UnsafeRawBufferPointer,
        _ binding: [UInt8]
    ) -> some Sequence<UInt8> {
        do {
            return try ChaChaPoly.seal(
                text, using: key.withBytes { SymmetricKey(data: $0) },
                nonce: ChaChaPoly.Nonce(data: nonce), authenticating: binding
            ).combined
        } catch { preconditionFailure("sealing fails for wrong lengths alone: \(error)") }
    }

    /// What `read` makes of the text; nil if it was not sealed under this key, for this place.
    static func open<Result>(
        _ sealed: UnsafeRawBufferPointer, _ key: KeySeed, _ binding: [UInt8],
        _ read: (UnsafeRawBufferPointer) -> Result?
    ) -> Result? {
        guard sealed.count >= overheadByteCount,
            let box = try? ChaChaPoly.SealedBox(combined: sealed),
            let text = try? ChaChaPoly.open(
                box, using: key.withBytes { SymmetricKey(data: $0) }, authenticating: binding)
        else { return nil }
        return withBytes(of: text, read)
    }

    /// As it lies in memory: a copy made element by element would cost as much as opening it does.
    private static func withBytes<Result>(
        of text: some Sequence<UInt8>, _ read: (UnsafeRawBufferPointer) -> Result?
    ) -> Result? {
        if let result = text.withContiguousStorageIfAvailable({ read(UnsafeRawBufferPointer($0)) })
        {
            return result
        }
        return Array(text).withUnsafeBytes(read)
    }

    /// The name in an opened text of its length; nil if that is not how a name is padded.
    static func name(in padded: UnsafeRawBufferPointer) -> [UInt8]? {
        guard let first = padded.first else { return nil }
        let end = Int(first) + 2
        guard padded.count == byteCount(ofPaddedText: end) - overheadByteCount,
            padded[end...].allSatisfy({ $0 == 0 })
        else { return nil }
        return Array(padded[1 ..< end])
    }
}

/// Random bytes, drawn some at a time.
struct NonceBuffer {
    private let random: RandomSource
    private var bytes = [UInt8](repeating: 0, count: 340 * SealedText.nonceByteCount)
    private var offset: Int

    init(_ random: RandomSource) {
        self.random = random
        offset = bytes.count
    }

    mutating func withNext<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        if offset == bytes.count {
            bytes.withUnsafeMutableBytes { random.fill($0) }
            offset = 0
        }
        defer { offset += SealedText.nonceByteCount }
        let range = offset ..< offset + SealedText.nonceByteCount
        return bytes.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[range])) }
    }
}

/// Seals what is to stand in the log. Belongs to one thread.
package final class TextSealer {
    private let keys: PersonalKeys
    private var path = KeyPath()
    private var generation: Int
    private var nonces: NonceBuffer
    private var binding: SealedText.Binding
    private var padded: [UInt8] = []
    private var sealed: [UInt8] = []
    private let random: RandomSource
    private var lostNumbers: ArraySlice<ClosedRange<UInt64>>

    /// - Parameter userCount: how many users the log knows, if `isLost` is to be asked of those
    ///   that come after them.
    package init(_ keys: PersonalKeys, random: RandomSource, userCount: Int? = nil) {
        self.keys = keys
        self.random = random
        lostNumbers = userCount.map { keys.lostNumbers(above: $0)[...] } ?? []
        generation = keys.currentGeneration
        nonces = NonceBuffer(random)
        binding = SealedText.Binding(ledgerId: keys.ledgerId)
    }

    /// Hands over a user's name as it stands with its userNamed event. Traps for a user that was
    /// forgotten: nothing happens to one.
    package func withSealedName(
        _ name: UnsafeRawBufferPointer, _ event: Event, _ body: (UnsafeRawBufferPointer) -> Void
    ) {
        precondition((1 ... LogFormat.nameByteCountMax).contains(name.count), "a name's length")
        padded.removeAll(keepingCapacity: true)
        padded.append(UInt8(name.count - 1))
        padded.append(contentsOf: name)
        let byteCount =
            SealedText.byteCount(ofPaddedText: padded.count) - SealedText.overheadByteCount
        padded.append(contentsOf: repeatElement(0, count: byteCount - padded.count))
        seal(event)
        sealed.withUnsafeBytes(body)
    }

    /// Hands over a client's address as it stands with an apply or a session.
    package func withSealedAddress(
        _ address: ClientAddress, _ event: Event, _ body: (UnsafeRawBufferPointer) -> Void
    ) {
        padded.removeAll(keepingCapacity: true)
        padded.append(contentsOf: repeatElement(0, count: ClientAddress.byteCount))
        padded.withUnsafeMutableBytes { address.store(at: $0) }
        seal(event)
        sealed.withUnsafeBytes(body)
    }

    /// Whether a number has no key and can be nobody's: see docs/decisions/0054. To be asked of
    /// each new number, in order.
    @inline(__always)
    package func isLost(_ user: UserNumber) -> Bool {
        if lostNumbers.isEmpty { return false }
        while let first = lostNumbers.first, first.upperBound < UInt64(user) {
            lostNumbers.removeFirst()
        }
        return lostNumbers.first?.contains(UInt64(user)) ?? false
    }

    /// Hands over what stands with the userNamed event of such a number: a text that nothing opens.
    package func withLostName(_ event: Event, _ body: (UnsafeRawBufferPointer) -> Void) {
        padded.removeAll(keepingCapacity: true)
        padded.append(contentsOf: repeatElement(0, count: 16))
        let key = random.bytes(count: KeySeed.byteCount).withUnsafeBytes { KeySeed($0) }
        seal(event, under: key)
        sealed.withUnsafeBytes(body)
    }

    private func seal(_ event: Event) {
        if generation != keys.currentGeneration {
            generation = keys.currentGeneration
            path.clear()
        }
        guard let key = keys.key(of: event.user, &path) else {
            preconditionFailure("a user that was forgotten acts")
        }
        seal(event, under: key)
    }

    private func seal(_ event: Event, under key: KeySeed) {
        let binding = binding.bind(event.user, event.position, event.kind)
        sealed.removeAll(keepingCapacity: true)
        nonces.withNext { nonce in
            padded.withUnsafeBytes { text in
                sealed.append(contentsOf: SealedText.seal(text, key, nonce: nonce, binding))
            }
        }
    }
}

/// Opens what stands in the log. Belongs to one thread.
package final class TextOpener {
    /// What became of a sealed text.
    package enum Opened: Equatable, Sendable {
        case text([UInt8])
        /// The key is gone: the person was forgotten.
        case forgotten
        /// There are no keys to try.
        case locked
        /// It was not sealed under the person's key, or not for this event.
        case damaged
    }

    private let keys: PersonalKeys?
    private var path = KeyPath()
    private var generation = 0
    private var binding: SealedText.Binding
    /// Names that were opened already, and which of them comes next.
    private var ahead: OpenedNames?
    private var aheadIndex = 0

    /// Without keys nothing sealed can be opened.
    package init(_ keys: PersonalKeys?) {
        self.keys = keys
        generation = keys?.currentGeneration ?? 0
        binding = SealedText.Binding(ledgerId: keys?.ledgerId ?? [UInt8](repeating: 0, count: 16))
    }

    /// The name that a userNamed event binds. `text` is what stands with it.
    package func name(_ text: UnsafeRawBufferPointer, _ event: Event, isSealed: Bool) -> Opened {
        name(text, ofUser: event.user, at: event.position, isSealed: isSealed)
    }

    package func name(
        _ text: UnsafeRawBufferPointer, ofUser user: UserNumber, at position: Position,
        isSealed: Bool
    ) -> Opened {
        guard isSealed else { return .text(Array(text)) }
        if let opened = nextAhead(position) { return opened }
        return open(text, user, position, .userNamed, SealedText.name(in:))
    }

    /// Takes over what another thread opened of the events that come next.
    package func use(_ names: OpenedNames) {
        ahead = names
        aheadIndex = 0
    }

    private func nextAhead(_ position: Position) -> Opened? {
        guard let ahead else { return nil }
        // A fold may begin in the middle of a segment.
        while aheadIndex < ahead.entries.count, ahead.entries[aheadIndex].position < position {
            aheadIndex += 1
        }
        guard aheadIndex < ahead.entries.count, ahead.entries[aheadIndex].position == position
        else { return nil }
        return ahead.entries[aheadIndex].opened
    }

    /// The client's address that stands with an apply or a session; nil if none can be read.
    package func address(_ text: UnsafeRawBufferPointer, _ event: Event) -> ClientAddress? {
        guard event.kind == .applied || event.kind == .sessionCreated,
            case .text(let stored) = open(
                text, event.user, event.position, event.kind, { Array($0) })
        else { return nil }
        return stored.withUnsafeBytes { ClientAddress(stored: $0) }
    }

    /// Whether what stands with an apply or a session is not what was sealed for it.
    package func isDamaged(_ text: UnsafeRawBufferPointer, _ event: Event) -> Bool {
        open(text, event.user, event.position, event.kind, { Array($0) }) == .damaged
    }

    private func open(
        _ text: UnsafeRawBufferPointer, _ user: UserNumber, _ position: Position,
        _ kind: Event.Kind, _ read: (UnsafeRawBufferPointer) -> [UInt8]?
    ) -> Opened {
        guard let keys else { return .locked }
        if generation != keys.currentGeneration {
            generation = keys.currentGeneration
            path.clear()
        }
        guard let key = keys.key(of: user, &path) else { return .forgotten }
        let binding = binding.bind(user, position, kind)
        return SealedText.open(text, key, binding, read).map { .text($0) } ?? .damaged
    }
}
