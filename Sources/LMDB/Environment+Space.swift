import CLMDB

#if canImport(Glibc)
import Glibc
#endif

extension Environment {
    /// Takes disk for the file ahead of its end, so that a commit need not find it: in steps of an
    /// eighth of what is used, 1 MiB to 64 MiB, whenever less than `byteCount` is left.
    ///
    /// Costs two system calls that look, and seldom one that takes. What the file system cannot do,
    /// or a full disk, is no failure here: the commit itself will tell.
    public func reserveFileSpace(ahead byteCount: Int) {
        #if os(Linux)
        var file: Int32 = -1
        guard unsafe mdb_env_get_fd(handle, &file) == MDB_SUCCESS else { return }
        var status = stat()
        guard unsafe fstat(file, &status) == 0 else { return }
        let used = (lastPageNumber + 1) * pageSizeBytes
        let size = Int(status.st_size)
        guard size - used < byteCount else { return }
        let step = min(max(used / 8, 1 << 20), 64 << 20) + byteCount
        let start = max(size, used)
        _ = clmdb_fallocate(file, off_t(start), off_t(step / pageSizeBytes * pageSizeBytes))
        #endif
    }
}
