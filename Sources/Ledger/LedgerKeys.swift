package import EventLog
import ReconnectionRules

/// How a ledger finds its personal keys, and keeps them in step with the log.
package enum LedgerKeys {
    /// The keys of a log that is only read; nil for a log that has nothing sealed.
    ///
    /// Throws `keys` if they are needed and missing, damaged, or another ledger's.
    package static func reading(
        _ directory: DataDirectory, _ log: EventLog
    ) throws(LedgerError) -> PersonalKeys? {
        do throws(LogError) {
            if try log.newestBatchVersion() < LogFormat.sealedVersion,
                !directory.has(directory.personalKeys)
            {
                return nil
            }
            return try PersonalKeys(reading: directory.personalKeys, of: log)
        } catch { throw LedgerError(error) }
    }

    /// The keys of a log that is to be written, as they lie on disk: made with the ledger. Nil for
    /// a log that has names as they are, and no keys yet.
    ///
    /// Throws `keys` rather than make new ones for a log that has something sealed.
    static func owning(
        _ directory: DataDirectory, _ log: EventLog, random: RandomSource
    ) throws(LedgerError) -> PersonalKeys? {
        do throws(LogError) {
            let version = try log.newestBatchVersion()
            if version >= LogFormat.sealedVersion || directory.has(directory.personalKeys) {
                return try PersonalKeys(owning: directory.personalKeys, of: log)
            }
            guard version == 0 else { return nil }
            return try PersonalKeys(
                creating: directory.personalKeys, of: log, random: random, plainUserCount: 0)
        } catch { throw LedgerError(error) }
    }

    /// The keys of a log that is to be written; made where it has every name as it is so far, for
    /// the `userCount` users it names. `found` are those that were there already.
    package static func owning(
        _ directory: DataDirectory, _ log: EventLog, random: RandomSource, userCount: Int,
        _ found: PersonalKeys? = nil
    ) throws(LedgerError) -> PersonalKeys {
        if let found { return found }
        if let found = try owning(directory, log, random: random) { return found }
        do throws(LogError) {
            return try PersonalKeys(
                creating: directory.personalKeys, of: log, random: random,
                plainUserCount: userCount)
        } catch { throw LedgerError(error) }
    }

    /// Throws unless a user can be forgotten. `number` is nil for a name that is not known.
    @discardableResult
    static func requireForgettable(
        _ number: UserNumber?, plainUserCount: Int
    ) throws(LedgerError) -> UserNumber {
        guard let number else {
            throw LedgerError(
                .unknownUser, "no user of that name is known; names are compared byte by byte")
        }
        guard Int(number) > plainUserCount else {
            throw LedgerError(
                .invalid,
                "this user was first seen by a Holdfast that kept names as they are (log format "
                    + "1), and a log is never rewritten; export the ledger, import it into a new "
                    + "one, delete this one, and forget the user there")
        }
        return number
    }

    /// Lets go of the keys of everybody the log says was forgotten and whose key is still there: a
    /// crash came between the event and that, or an older key file was put back.
    ///
    /// Cost: a point read for each of the ledger's own events that the key file does not know of.
    package static func forgetMissing(
        _ keys: PersonalKeys, _ log: EventLog, _ view: RecoveredView
    ) throws(LedgerError) {
        do {
            let applied = keys.appliedPosition
            // A log older than the keys: its next events take positions that the keys have seen.
            let isAhead = applied > view.state.position
            let floor = isAhead ? 0 : applied
            var newest: Position = isAhead ? 0 : applied
            var users: [UserNumber] = []
            try log.read { snapshot in
                var reader = try snapshot.reader()
                var position = view.state.lastOfLedger
                while position > floor, let event = try reader.event(at: position),
                    event.previousOfConcurrency < position
                {
                    if event.kind == .userForgotten {
                        users.append(event.user)
                        newest = max(newest, position)
                    }
                    position = event.previousOfConcurrency
                }
            }
            // An older Holdfast may have gone on with names as they are after these keys were made.
            let isPlain = try log.newestBatchVersion() < LogFormat.sealedVersion
            let plainUserCount = isPlain ? view.users.count : keys.plainUserCount
            guard !users.isEmpty || isAhead || plainUserCount != keys.plainUserCount else {
                return
            }
            try keys.forget(users, through: newest, plainUserCount: plainUserCount)
        } catch let error as LogError { throw LedgerError(error) } catch {
            throw LedgerError(.directory, "\(error)")
        }
    }
}

extension RecoveredView {
    /// Reads the names of some users from the log: what a checkpoint had of them cannot be opened
    /// any more, since somebody stored with them was forgotten. False if the log does not have
    /// them.
    ///
    /// Cost: O(log k) point reads for a user of k events.
    mutating func fillNames(
        of numbers: [UserNumber], from log: EventLog
    ) throws -> Bool {
        let opener = TextOpener(keys)
        return try log.read { snapshot in
            for number in numbers {
                let record = state.users[Int(number)]
                let first = try snapshot.firstEvent(
                    ofUser: number, newest: record.last)
                guard let first, first.kind == .userNamed,
                    let text = try snapshot.text(at: first.position)
                else { return false }
                let opened = text.bytes.withUnsafeBytes {
                    opener.name($0, first, isSealed: text.isSealed)
                }
                guard case .text(let name) = opened else { return false }
                name.withUnsafeBytes { users.fill(number, $0) }
            }
            return true
        }
    }
}
