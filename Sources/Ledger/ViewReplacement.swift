package import EventLog
import ReconnectionRules

/// Puts a rebuilt view in place of the stored one.
package enum ViewReplacement {
    /// Deletes the views and writes these. Throws `owned` if another process writes to the ledger.
    ///
    /// A log with every name as it is has no keys yet: they are made here, as by an opening.
    package static func replace(
        in directory: DataDirectory, by view: RecoveredView, of log: EventLog
    ) throws(LedgerError) {
        let owner = try OwnerLock(directory, note: "a rebuild; wait for it to end")
        defer { withExtendedLifetime(owner) {} }
        let keys = try LedgerKeys.owning(
            directory, log, random: .system, userCount: view.users.count)
        ViewStore.remove(directory)
        do {
            let store = try ViewStore(directory: directory, isReadOnly: false)
            var snapshot = ViewSnapshot()
            snapshot.records = view.state.records
            snapshot.userNames = ViewCodec.nameBlocks(view.users, from: 0)
            snapshot.projectNames = ViewCodec.nameBlocks(view.projects, from: 0)
            snapshot.userNameCount = view.users.count
            snapshot.projectNameCount = view.projects.count
            try store.write(snapshot, at: view.head, keys)
            try store.synchronise()
        } catch let error as LedgerError { throw error } catch {
            throw LedgerError(
                .directory,
                "cannot write the views of \(directory.path): \(error); the log is whole")
        }
    }
}
