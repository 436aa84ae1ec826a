import CLMDB

extension WriteTransaction {
    /// What a put does about keys that are there.
    public enum Mode: Sendable, Hashable, CaseIterable {
        /// Sets the value, whether or not the key was there.
        case upsert
        /// Throws `.keyExists` if the key was there.
        case insert
        /// Throws `.keyExists` unless the key is above every other. Fills pages to the brim.
        case append

        var flags: UInt32 {
            switch self {
            case .upsert: 0
            case .insert: UInt32(MDB_NOOVERWRITE)
            case .append: UInt32(MDB_APPEND)
            }
        }
    }
}
