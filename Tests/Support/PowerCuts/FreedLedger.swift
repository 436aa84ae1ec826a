import EventLog
import LMDB
import Ledger

/// A ledger that was closed: the writer's thread lets go of it a moment after its end is told.
enum FreedLedger {
    static func reader(_ path: String) async throws -> LedgerReader {
        for _ in 0 ..< 2_000 {
            if let reader = try openIfFree(path) { return reader }
            try await Task.sleep(for: .milliseconds(1))
        }
        return try LedgerReader(opening: path)
    }

    /// Nil while this process has it open.
    private static func openIfFree(_ path: String) throws(LedgerError) -> LedgerReader? {
        do throws(LedgerError) { return try LedgerReader(opening: path) } catch {
            guard case .log(.storage(let cause)) = error.code, cause.code == .alreadyOpen else {
                throw error
            }
            return nil
        }
    }
}
