import EventLog
import Ledger
import ReconnectionRules

/// Storms on a data directory of their own.
public enum Storm {
    /// Opens the directory, prepares the users, runs the storm, and closes the ledger again.
    public static func reconnects(
        _ storm: ReconnectStorm, in path: String, progress: ((Int, Int) -> Void)? = nil
    ) async throws -> ReconnectFigures {
        try StormPopulation.requireOwn(path, isEmpty: false)
        var figures: ReconnectFigures
        do {
            var options = Ledger.Options()
            options.keptCheckpoints = storm.keptCheckpoints
            let ledger = try Ledger(opening: path, options: options)
            try await StormPopulation.prepare(ledger, users: storm.users, progress: progress)
            figures = try await storm.run(on: ledger)
            await ledger.close()
            if let failure = ledger.failure { throw failure }
        }
        figures.batchBytes = try newestBatches(in: path, count: min(4_096, Int(figures.commits)))
        return figures
    }

    /// Bytes of the newest batches of a log, oldest first.
    static func newestBatches(in path: String, count: Int) throws -> [Int] {
        let log = try EventLog(directory: DataDirectory(path).log, mode: .readOnly)
        var sizes: [Int] = []
        try log.read { snapshot in
            var position = try snapshot.head().position
            while position > 0, sizes.count < count {
                try snapshot.withBatch(holding: position) { batch in
                    sizes.append(batch.byteCount)
                    position = batch.firstPosition - 1
                }
            }
        }
        return sizes.reversed()
    }
}
