import EventLog
import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The ledger's last durable sign of life: a small file beside the log that says "at this ledger
/// time everything due had been settled durably". Two slots written in turn, each with a check
/// word, so that a torn write leaves the other. It is at most a second old while deadlines run; the
/// outage is counted from it.
final class SignOfLife {
    private let descriptor: Int32
    private var nextSlot = 0

    private static let slotByteCount = 512  // one sector each: a torn write harms one slot only
    private static let mark: UInt64 = 0x4546_494C_464F_4753  // "SGOFLIFE"

    /// Opens or creates the file.
    init(path: String) throws(LedgerError) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw LedgerError(
                .directory, "cannot open \(path): \(String(cString: strerror(errno)))")
        }
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// What a file says, beside a process that writes it; nil if it says nothing, or is not there.
    static func read(path: String) -> Microseconds? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return (0 ..< 2).compactMap { time(inSlot: $0, of: descriptor) }.max()
    }

    /// Whether a slot of the file holds something else than a sign that was written whole: what a
    /// power cut may do to one of them.
    package static func hasDamage(path: String) -> Bool {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return (0 ..< 2).contains { slot in
            var bytes = [UInt8](repeating: 0, count: 24)
            let count = pread(descriptor, &bytes, bytes.count, off_t(slot * slotByteCount))
            // A ledger that gave a single sign so far may end before the second slot.
            return count > 0 && time(inSlot: slot, of: descriptor) == nil
        }
    }

    /// The latest ledger time either slot holds intact, nil if there is none.
    func read() -> Microseconds? {
        var latest: Microseconds?
        for slot in 0 ..< 2 {
            guard let time = Self.time(inSlot: slot, of: descriptor) else { continue }
            if latest.map({ time > $0 }) ?? true {
                latest = time
                nextSlot = 1 - slot
            }
        }
        return latest
    }

    private static func time(inSlot slot: Int, of descriptor: Int32) -> Microseconds? {
        var words: [UInt64] = [0, 0, 0]
        let count = words.withUnsafeMutableBytes {
            pread(descriptor, $0.baseAddress, $0.count, off_t(slot * slotByteCount))
        }
        guard count == 24, words[0] == mark, words[2] == check(words[1]) else { return nil }
        return Microseconds(bitPattern: words[1])
    }

    /// Writes the time durably. Cost: one write and one sync. A failure is no failure of the
    /// ledger: the next outage is then counted from an earlier sign, which costs nobody a slot.
    func write(_ time: Microseconds) {
        let word = UInt64(bitPattern: time)
        let words: [UInt64] = [Self.mark, word, Self.check(word)]
        // The first sign goes to both slots: one that is blank is then damage.
        let slots = lseek(descriptor, 0, SEEK_END) == 0 ? [1 - nextSlot, nextSlot] : [nextSlot]
        for slot in slots {
            let count = words.withUnsafeBytes {
                pwrite(descriptor, $0.baseAddress, $0.count, off_t(slot * Self.slotByteCount))
            }
            guard count == 24 else { return }
        }
        #if os(Linux)
            _ = fdatasync(descriptor)
        #else
            _ = fsync(descriptor)
        #endif
        nextSlot = 1 - nextSlot
    }

    private static func check(_ word: UInt64) -> UInt64 {
        withUnsafeBytes(of: word) { CheckWord.of($0, seed: mark) }
    }
}
