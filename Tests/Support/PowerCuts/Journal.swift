import CFaults

/// One thing that was done to the disk.
public struct DiskStep: Sendable {
    public enum Kind: UInt8, Sendable {
        case create = 1
        case makeDirectory, write, resize, extend, sync, rename, link, remove, writeSync
    }

    public var kind: Kind
    /// How many steps were done when this one began: a wait for the disk covers those.
    public var begun: Int
    public var inode: UInt64
    /// Where a write begins, or a size.
    public var offset: Int
    public var path: String
    public var otherPath: String
    public var bytes: [UInt8]

    public init(
        kind: Kind, begun: Int, inode: UInt64, offset: Int, path: String, otherPath: String,
        bytes: [UInt8]
    ) {
        self.kind = kind
        self.begun = begun
        self.inode = inode
        self.offset = offset
        self.path = path
        self.otherPath = otherPath
        self.bytes = bytes
    }
}

/// Keeps a journal of what is done to the files of a folder. Ends with its life.
public final class DiskJournal: Sendable {
    public static var isAvailable: Bool { faults_available() }

    private let watch: Int32
    public let folder: String

    public init(of folder: String) {
        self.folder = folder
        watch = faults_watch(folder)
        precondition(watch >= 0, "no watch is free")
        faults_journal(watch)
    }

    deinit { faults_unwatch(watch) }

    /// Makes every wait for the disk take that much longer.
    public func delaySyncs(microseconds: UInt32) {
        faults_delay(watch, Int32(faults_sync.rawValue), microseconds)
    }

    /// Steps so far.
    public var count: Int { Int(faults_journal_count(watch)) }

    /// All steps. To be asked when nothing is under way.
    public var steps: [DiskStep] {
        var start: UnsafePointer<UInt8>?
        let count = faults_journal_bytes(watch, &start)
        let all = UnsafeRawBufferPointer(start: start, count: count)
        var steps: [DiskStep] = []
        var offset = 0
        func number() -> UInt64 {
            defer { offset += 8 }
            return all.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
        }
        func part(_ count: UInt64) -> ArraySlice<UInt8> {
            defer { offset += Int(count) }
            return Array(all[offset ..< offset + Int(count)])[...]
        }
        while offset < all.count {
            guard let kind = DiskStep.Kind(rawValue: all[offset]) else { preconditionFailure() }
            offset += 1
            let words = (0 ..< 6).map { _ in number() }
            steps.append(
                DiskStep(
                    kind: kind, begun: Int(words[0]), inode: words[1],
                    offset: Int(truncatingIfNeeded: words[2]),
                    path: String(decoding: part(words[3]), as: UTF8.self),
                    otherPath: String(decoding: part(words[4]), as: UTF8.self),
                    bytes: Array(part(words[5]))))
        }
        return steps
    }
}
