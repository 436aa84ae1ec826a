package import EventLog
package import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What a verification finds of the files beside the log.
package enum StoredFiles {
    /// What the views hold, looked at as an opening would.
    package enum Views: Sendable {
        /// No checkpoint, or one that cannot be looked at now: a writer keeps changing it.
        case none
        /// A whole one of this log, with the state at a position.
        case sound(position: Position, digest: Digest32)
        /// A whole one, of a position that the log does not reach any more.
        case ahead(of: Position, at: Position)
        /// Why the next opening will not use it.
        case fault(String)
    }

    /// Looks at the views of a data directory. Writes nothing. Cost: the checkpoint's size.
    package static func views(_ directory: DataDirectory, _ log: EventLog) -> Views {
        guard directory.has(directory.views + "/data.mdb") else { return .none }
        let store: ViewStore
        do { store = try ViewStore(directory: directory, isReadOnly: true) } catch {
            // A page fault that names a writer is none of the file's.
            return "\(error)".contains("a writer kept changing the file")
                ? .none : .fault("\(directory.views) cannot be used: \(error)")
        }
        var newest: Position = 0
        let loaded = store.load(nil) { head in
            newest = head.position
            return Recovery.mismatch(head, log)
        }
        switch loaded {
        case .none: return .none
        case .unreadable: return .fault("the checkpoint is damaged or of another version")
        case .rejected(let reason):
            // Views hold durable events only: a log that ends before them lost its newest commit.
            // One damaged bit of a transaction number is enough, and every page and hash fits.
            guard let end = try? log.uncheckedEnd().position, end < newest else {
                return .fault(reason)
            }
            return .ahead(of: end, at: newest)
        case .view(let view, _):
            return .sound(position: view.head.position, digest: StateDigest.of(view.state))
        }
    }

    /// Whether the last sign of life, or the one before it, is not what was written.
    package static func hasDamagedSignOfLife(_ directory: DataDirectory) -> Bool {
        SignOfLife.hasDamage(path: directory.signOfLife)
    }

    /// What is wrong with the private files that are there and may be read: the personal keys, and
    /// both keys that sign.
    package static func keyFaults(_ directory: DataDirectory, _ log: EventLog) -> [String] {
        var faults: [String] = []
        func note(_ path: String, _ body: () throws -> Void) {
            guard access(path, R_OK) == 0 else { return }
            do { try body() } catch { faults.append("\(error)") }
        }
        note(directory.personalKeys) {
            _ = try PersonalKeys(reading: directory.personalKeys, of: log)
        }
        note(directory.headKey) { _ = try HeadKey.read(directory) }
        note(directory.serverSessionKey) {
            _ = try SigningKeyFile<LedgerError>.read(
                directory.serverSessionKey, loss: "tokens handed out so far will no longer verify")
        }
        return faults
    }
}
