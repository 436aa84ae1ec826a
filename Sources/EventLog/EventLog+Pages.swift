import LMDB

extension EventLog {
    /// Checks the structure of the log file page by page, without following a pointer that was not
    /// checked: damage there must become an error before LMDB would trip over it.
    ///
    /// Returns how many pages are in use. Cost: reads each of them once. Throws `corrupt` at position 0 with the page's number, or
    /// `foreign`, `missing`.
    public static func checkPages(
        directory: String, progress: ((Int, Int) -> Void)? = nil
    ) throws(LogError) -> Int {
        do {
            return try PageCheck.check(directory: directory, progress: progress).usedPageCount
        } catch {
            switch error.kind {
            case .notLMDB, .versionMismatch, .emptyFile:
                throw LogError(.foreign, "\(directory)/data.mdb: \(error)")
            default:
                throw LogError(
                    .corrupt(position: 0),
                    "the log file is damaged: \(error); restore a backup of \(directory)")
            }
        }
    }
}
