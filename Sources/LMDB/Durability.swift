import CLMDB

/// What a commit waits for.
public enum Durability: Sendable, Hashable, CaseIterable {
    /// Data, then the meta page, reach the disk: what was committed survives a power cut.
    case full
    /// Data reaches the disk, the meta page later: a power cut may undo the last commit, and
    /// never damages the file. `Environment.sync()` makes the last commit durable.
    case noMetaSync
    /// Nothing is waited for. A power cut may leave a damaged file; a crash of the process
    /// alone loses nothing. For data that can be made again.
    case noSync

    var flags: UInt32 {
        switch self {
        case .full: 0
        case .noMetaSync: UInt32(MDB_NOMETASYNC)
        case .noSync: UInt32(MDB_NOSYNC)
        }
    }
}
