import CLMDB

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

extension Environment {
    /// Where the map's size begins in a meta page, and how much LMDB writes from there.
    private static let metaFields = 32 ..< 152
    private static let transactionIdOffset = 144

    /// Makes the older meta page right again after a commit that failed, where the commit before it
    /// was of `.full` or `.noMetaSync` durability. Only for the one process that writes.
    ///
    /// LMDB that cannot write a meta page writes it once more with the number of the commit that
    /// stood there, and with the tree of the commit that failed. Nobody goes by that page, but who
    /// looks at both, and finds more in the older one, cannot tell it from a newer one with a
    /// damaged number. So the page becomes a copy of the newest, which stands for the same tree
    /// under a lower number. If the disk refuses this as well, nothing that counts has changed.
    ///
    /// Cost: two system calls of a few bytes.
    public func restoreOlderMetaPage(afterFailureOf transactionId: Int) {
        var descriptor: Int32 = -1
        guard unsafe mdb_env_get_fd(handle, &descriptor) == MDB_SUCCESS else { return }
        let pageSize = pageSizeBytes
        // LMDB writes a commit's meta page by its number: even ones on page 0.
        let (failed, newest) = transactionId % 2 == 0 ? (0, 1) : (1, 0)
        let (start, count) = (Self.metaFields.lowerBound, Self.metaFields.count)
        let idAt = Self.transactionIdOffset - start
        unsafe withUnsafeTemporaryAllocation(byteCount: count, alignment: 8) { fields in
            let got = unsafe pread(
                descriptor, fields.baseAddress, count, off_t(newest * pageSize + start))
            guard got == count,
                unsafe fields.loadUnaligned(fromByteOffset: idAt, as: Int.self)
                    == transactionId - 1
            else { return }
            // The number that the page had: two commits before.
            let older = max(0, transactionId - 2)
            unsafe fields.storeBytes(of: older, toByteOffset: idAt, as: Int.self)
            _ = unsafe pwrite(
                descriptor, fields.baseAddress, count, off_t(failed * pageSize + start))
        }
    }
}
