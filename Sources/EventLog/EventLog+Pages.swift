import LMDB

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

extension EventLog {
    /// Checks the structure of the log file page by page, without following a pointer that was not
    /// checked: damage there must become an error before LMDB would trip over it.
    ///
    /// Returns how many pages are in use. Cost: reads each of them once; beside a busy writer up to
    /// ten times. Throws `corrupt` at position 0 with the page's number, `foreign`, `missing`, or
    /// `storage` if the file cannot be read.
    public static func checkPages(
        directory: String, progress: ((Int, Int) -> Void)? = nil
    ) throws(LogError) -> Int {
        do throws(PageFault) {
            return try PageCheck.check(directory: directory, progress: progress).usedPageCount
        } catch {
            guard error.kind == .changing else { throw pageError(error, directory) }
        }
        // A writer is at work, so the file is one LMDB can open. A snapshot held meanwhile keeps
        // the pages of every newer one from being used again.
        do {
            var options = Environment.Options()
            options.isReadOnly = true
            let transaction = try ReadTransaction(
                Environment(directory: directory, options: options))
            defer { withExtendedLifetime(transaction) {} }
            return try PageCheck.check(directory: directory, progress: progress).usedPageCount
        } catch let error as PageFault {
            throw pageError(error, directory)
        } catch {
            throw (error as? LMDBError).map { LogError($0) } ?? LogError(.foreign, "\(error)")
        }
    }

    private static func pageError(_ fault: PageFault, _ directory: String) -> LogError {
        switch fault.kind {
        case .notLMDB, .versionMismatch, .emptyFile:
            LogError(.foreign, "\(directory)/data.mdb: \(fault)")
        case .unreadable(ENOENT): LogError(.missing, "no log at \(directory)")
        case .unreadable(let number):
            LogError(.storage(LMDBError(.system(number), during: "check")), "\(fault)")
        case .changing:
            LogError(
                .storage(LMDBError(.system(EAGAIN), during: "check")),
                "the log file cannot be checked now: \(fault); try again, or check a backup")
        case .truncated, .damaged, .unsupported:
            LogError(
                .corrupt(position: 0),
                "the log file is damaged: \(fault); restore a backup of \(directory)")
        }
    }
}

extension EventLog {
    /// Bytes of a page of the log file.
    public var pageByteCount: Int { environment.pageSizeBytes }
}
