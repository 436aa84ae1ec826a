/// Checks the structure of a data file page by page, without LMDB and its map: LMDB trusts what
/// it reads, and follows a flipped bit into a crash.
///
/// What it accepts, LMDB can walk and change. It does not see changes inside keys that keep their
/// order, nor inside values: those are for checksums of the caller.
public enum PageCheck {
    private static let attemptCountMax = 5

    /// Reads every page in use of `data.mdb` in `directory`: both meta pages, the list of free
    /// pages, every table, every first page of a long value. Costs a read of all of them and one
    /// bit of memory per page.
    ///
    /// Run it before opening. Beside a live writer a page can be used again while it is read;
    /// then it starts over, five times at most. To check a live file in peace, hold a
    /// `ReadTransaction` of the same directory meanwhile: it keeps pages from being used again.
    ///
    /// - Parameter progress: Called now and then, and at the end, with the number of pages
    ///   accounted for and of all pages.
    /// - Throws: The first fault found, with its page.
    public static func check(
        directory: String, progress: ((Int, Int) -> Void)? = nil
    ) throws(PageFault) -> PageReport {
        let file: FileReader
        do throws(LMDBError) {
            file = try FileReader(path: "\(directory)/data.mdb", during: "check")
        } catch {
            throw PageFault(error)
        }
        var lastFault: PageFault?
        for _ in 0..<attemptCountMax {
            let before = try? MetaPage.newest(in: file)
            do throws(PageFault) {
                return try check(file, progress)
            } catch {
                lastFault = error
            }
            let after = try? MetaPage.newest(in: file)
            // Nobody wrote: it is not a writer's doing.
            if before == after, let lastFault { throw lastFault }
        }
        throw PageFault(
            .changing, page: lastFault?.page,
            "a writer kept changing the file; at last: \(lastFault?.reason ?? "")")
    }

    private static func check(
        _ file: borrowing FileReader, _ progress: ((Int, Int) -> Void)?
    ) throws(PageFault) -> PageReport {
        let (first, second) = try MetaPage.both(in: file)
        for meta in [first, second] where meta.transactionId != 0 {
            guard meta.transactionId & 1 == UInt64(meta.number) else {
                throw PageFault(
                    .damaged, page: meta.number,
                    "holds transaction \(meta.transactionId), which goes to the other meta page")
            }
        }
        let newest = first.transactionId < second.transactionId ? second : first
        let older = first.transactionId < second.transactionId ? first : second
        guard newest.transactionId - older.transactionId <= 1 else {
            throw PageFault(
                .damaged, page: newest.number,
                "holds transaction \(newest.transactionId), the other meta page "
                    + "\(older.transactionId); they should be one apart")
        }
        let fileSizeBytes: Int
        do throws(LMDBError) {
            fileSizeBytes = try file.sizeBytes()
        } catch {
            throw PageFault(error)
        }
        var census = PageCensus(meta: newest, fileSizeBytes: fileSizeBytes, progress: progress)
        try FreePageWalk.walk(newest, file, &census)
        let tables = try TableWalk.walk(newest, file, &census)
        return try census.report(newest, tables)
    }
}
