import CLMDB

extension MDB_val {
    /// A value for a C call that reads it. LMDB writes through it never; its type says it may.
    @inline(__always)
    init(_ bytes: UnsafeRawBufferPointer) {
        unsafe self.init(
            mv_size: bytes.count, mv_data: UnsafeMutableRawPointer(mutating: bytes.baseAddress))
    }

    @inline(__always)
    var bytes: UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(start: mv_data, count: mv_size)
    }
}

/// Calls `body` with the 8 bytes of `key`, highest first, so that `memcmp` orders as numbers do.
@inline(__always)
func withBigEndianBytes<R, E: Error>(
    of key: UInt64, _ body: (UnsafeRawBufferPointer) throws(E) -> R
) throws(E) -> R {
    let bytes = key.bigEndian
    return try unsafe withUnsafeBytes(of: bytes, body)
}
