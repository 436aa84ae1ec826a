import Dispatch
import EventLog
import Ledger
public import Proofs
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file of heads, each appended durably behind the last, with an empty line between.
///
/// Of use against the ledger's owner only where the owner cannot change what is in it: another
/// machine's disk, a store that takes appends alone.
public struct HeadFile: HeadDestination {
    public let path: String

    public init(_ path: String) { self.path = path }

    /// Appends the head, as `append`. On a thread that may be blocked: a network's disk can hang,
    /// and is then left to itself.
    public func deliver(_ head: SignedHead, timeout: Duration) async throws {
        try await withCheckedThrowingContinuation { continuation in
            let answer = Answer(continuation)
            let queue = DispatchQueue.global(qos: .utility)
            queue.async { answer.give(Result { try append(head) }) }
            let seconds = Double(timeout.components.seconds)
            queue.asyncAfter(deadline: .now() + max(1, seconds)) {
                answer.give(
                    .failure(
                        LedgerError(
                            .directory, "writing \(path) takes longer than \(Int(seconds)) s")))
            }
        }
    }

    /// Whoever is first answers.
    private final class Answer: Sendable {
        private let waiting: Mutex<CheckedContinuation<Void, any Error>?>

        init(_ continuation: CheckedContinuation<Void, any Error>) {
            waiting = Mutex(continuation)
        }

        func give(_ result: Result<Void, any Error>) {
            let continuation = waiting.withLock { waiting in
                defer { waiting = nil }
                return waiting
            }
            continuation?.resume(with: result)
        }
    }

    /// Appends the head, unless it is the last in the file. A head that a crash left half written
    /// is cut off. Throws `directory` if the file cannot be written, or is no file of heads.
    public func append(_ head: SignedHead) throws {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw failure("cannot open") }
        defer { FileLock.release(closing: descriptor) }
        guard FileLock.tryTake(descriptor) else { throw failure("cannot lock") }
        let size = lseek(descriptor, 0, SEEK_END)
        guard size >= 0 else { throw failure("cannot read") }
        let tail = try tail(of: descriptor, size)
        let note = head.bytes
        let end = try wholeEnd(tail, head.head.origin)
        let whole = tail.prefix(end)
        if whole.suffix(note.count).elementsEqual(note) { return }
        let offset = size - off_t(tail.count) + off_t(end)
        guard offset == size || ftruncate(descriptor, offset) == 0 else {
            throw failure("cannot cut a half written head off")
        }
        guard write(offset > 0 ? [0x0A] + note : note, to: descriptor, at: offset),
            fsync(descriptor) == 0
        else {
            let error = failure("cannot write")
            _ = ftruncate(descriptor, offset)
            throw error
        }
        if size == 0 { try syncDirectory() }
    }

    /// Enough of the file's end to hold a head.
    private func tail(of descriptor: Int32, _ size: off_t) throws -> [UInt8] {
        var tail = [UInt8](repeating: 0, count: Int(min(size, 1 << 16)))
        var count = 0
        while count < tail.count {
            let part = tail.withUnsafeMutableBytes {
                pread(
                    descriptor, $0.baseAddress! + count, $0.count - count,
                    size - off_t($0.count) + off_t(count))
            }
            if part < 0, errno == EINTR { continue }
            guard part > 0 else { throw failure("cannot read") }
            count += part
        }
        return tail
    }

    /// Where the last whole head ends. A file that holds something and no head is not ours.
    private func wholeEnd(_ tail: [UInt8], _ origin: String) throws -> Int {
        if tail.isEmpty { return 0 }
        let mark = Array("\n\u{2014} ".utf8)
        var end: Int?
        var index = tail.startIndex
        while index + mark.count <= tail.endIndex {
            if tail[index...].starts(with: mark),
                let line = tail[(index + 1)...].firstIndex(of: 0x0A)
            {
                end = line + 1
                index = line
            } else {
                index += 1
            }
        }
        if let end {
            guard Self.names(origin, tail[..<end]) else {
                throw LedgerError(
                    .directory, "\(path) holds the heads of another log; nothing was written to "
                        + "it; name another or a new file")
            }
            return end
        }
        // A first head that was cut short begins with the name of the log.
        let name = Array((origin + "\n").utf8)
        guard tail.count < 4096, tail.starts(with: name) || name.starts(with: tail) else {
            throw LedgerError(
                .directory, "\(path) is not a file of heads; nothing was written to it; name "
                    + "another or a new one")
        }
        return 0
    }

    /// Whether one of the heads begins with the name of the log.
    private static func names(_ origin: String, _ heads: ArraySlice<UInt8>) -> Bool {
        heads.split(separator: 0x0A).contains { $0.elementsEqual(origin.utf8) }
    }

    private func write(_ bytes: [UInt8], to descriptor: Int32, at offset: off_t) -> Bool {
        bytes.withUnsafeBytes { FileBytes.writeAll($0, to: descriptor, at: Int(offset)) }
    }

    private func syncDirectory() throws {
        guard FileBytes.synchronise(directory: FileBytes.parent(of: path)) else {
            throw failure("cannot sync the directory of")
        }
    }

    private func failure(_ what: String) -> LedgerError {
        LedgerError(.directory, "\(what) \(path): \(String(cString: strerror(errno)))")
    }
}
