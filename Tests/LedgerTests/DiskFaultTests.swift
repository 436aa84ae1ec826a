import Audit
import EventLog
import LMDB
import Ledger
import ReconnectionRules
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

extension LedgerTests {
    /// The system refuses any one call, or every one from some call on: at each step of a ledger's
    /// life. Each time there is an error of one line or none at all, what was answered stays, and
    /// once the cause is gone everything goes on.
    @Suite(.enabled(if: Faults.isAvailable, "needs glibc, dynamically linked"))
    struct DiskFaults {
        private let scratch: Scratch
        private let clock = ManualClock()

        init() throws { scratch = try Scratch(isInMemory: true) }

        struct Fault: Sendable, CustomTestStringConvertible {
            var testDescription: String
            var kind: Faults.Kind?
            var error: Int32 = 0
            /// One call alone, or all from there on.
            var times: UInt64 = 1
        }

        static let faults = [
            Fault(testDescription: "a write fails: EIO", kind: .write, error: EIO),
            Fault(testDescription: "the disk is full", kind: .write, error: ENOSPC, times: .max),
            Fault(testDescription: "a wait fails: EIO", kind: .sync, error: EIO),
            Fault(testDescription: "no wait succeeds", kind: .sync, error: EIO, times: .max),
            Fault(testDescription: "a write is cut short", kind: nil),
            Fault(testDescription: "writes are cut short", kind: nil, times: .max),
            Fault(testDescription: "no descriptors", kind: .open, error: EMFILE, times: .max),
            Fault(testDescription: "no descriptor", kind: .open, error: EMFILE),
            Fault(testDescription: "no address space", kind: .map, error: ENOMEM, times: .max),
            Fault(testDescription: "no space to take", kind: .size, error: ENOSPC),
            Fault(testDescription: "a read-only system", kind: .name, error: EROFS, times: .max),
            Fault(testDescription: "a name is refused", kind: .name, error: EIO),
        ]

        /// How many calls are let through before the first that fails: all for a while, then every
        /// eleventh; all with HOLDFAST_EVERY_FAULT=1.
        private func skips() -> [UInt64] {
            let isWhole = environmentNumber("HOLDFAST_EVERY_FAULT", default: 0) > 0
            return (0 ..< 400).filter { isWhole || $0 < 9 || $0 % 11 == 0 }.map { UInt64($0) }
        }

        @Test(arguments: faults)
        func anyCallMayFail(fault: Fault) async throws {
            var stoppedCount = 0
            for skip in skips() {
                scratch.remove("data")
                let (answers, error, wasMet) = try await life(fault, skip)
                if let error {
                    stoppedCount += 1
                    #expect(!error.message.contains("\n") && error.message.count > 20, "\(error)")
                }
                try await recover(answers, "\(fault.testDescription), after \(skip) calls")
                // Later calls are none of this life.
                if !wasMet { break }
            }
            print("\(fault.testDescription): stopped \(stoppedCount) times")
            if fault.kind == .write || fault.kind == .sync { #expect(stoppedCount > 0) }
        }

        /// Opens a new ledger, works, checkpoints, forgets, and closes it. Returns what was
        /// answered, the first error, and whether the call that was to fail came.
        private func life(
            _ fault: Fault, _ skip: UInt64
        ) async throws -> ([Event], LedgerError?, Bool) {
            let faults = Faults(on: scratch.path + "/data")
            if let kind = fault.kind {
                faults.fail(kind, after: skip, times: fault.times, with: fault.error)
            } else {
                faults.shorten(after: skip, times: fault.times)
            }
            var options = LedgerOptions()
            options.clock = clock.clock
            options.checkpointEventCount = 8
            options.keptCheckpoints = CheckpointSpacing(eventCount: 10, eventCountPerRecord: 0)
            var answers: [Event] = []
            var first: LedgerError?
            do throws(LedgerError) {
                let ledger = try Ledger(opening: scratch.path + "/data", options: options)
                do throws(LedgerError) {
                    answers.append(
                        try await ledger.modifyProject("p", ProjectChange(concurrencyCount: 4))
                            .event)
                    for round in 0 ..< 8 {
                        let user = "u\(round % 5)"
                        answers.append(try await ledger.apply(user: user, project: "p").event)
                        answers.append(try await ledger.createSession(user: user).event)
                        if round == 5 {
                            answers.append(try await ledger.forget(user: user).event)
                        }
                    }
                } catch { first = error }
                await ledger.close()
                if let failure = ledger.failure { first = first ?? failure }
            } catch { first = error }
            let count = fault.kind.map { faults.count($0) } ?? faults.count(.write)
            return (answers, first, count > skip)
        }

        /// The cause is gone.
        private func recover(_ answers: [Event], _ what: String) async throws {
            let path = scratch.path + "/data"
            var options = LedgerOptions()
            options.clock = clock.clock
            #expect(
                try await eventually {
                    do throws(LedgerError) {
                        let ledger = try Ledger(opening: path, options: options)
                        try await ledger.modifyProject("q", ProjectChange(concurrencyCount: 1))
                        await ledger.close()
                        return ledger.failure == nil
                    } catch {
                        // Nothing was answered, and the file says what to do.
                        if answers.isEmpty, error.message.contains("remove") {
                            scratch.remove("data")
                        } else if !isBusy(error) {
                            Issue.record("\(what): \(error)")
                        }
                        return false
                    }
                }, "\(what): not opened again")
            #expect(try await eventually { isFree(path) })
            let digest = try {
                let reader = try LedgerReader(opening: path)
                for event in answers {
                    #expect(try reader.log.event(at: event.position) == event, "\(what)")
                }
                return StateDigest.of(reader.state)
            }()
            #expect(try Verifier.verify(DataDirectory(path)).stateDigest == digest, "\(what)")
        }

        private func isBusy(_ error: LedgerError) -> Bool {
            if error.code == .owned { return true }
            guard case .log(.storage(let cause)) = error.code else { return false }
            return cause.code == .alreadyOpen
        }

        private func isFree(_ path: String) -> Bool {
            do throws(LedgerError) {
                _ = try LedgerReader(opening: path)
                return true
            } catch {
                return !isBusy(error)
            }
        }

        // MARK: - Limits

        /// A log that has reached what it may take stops the ledger as a full disk does, and reads
        /// on as it was.
        @Test func aFullMapStopsTheLedger() async throws {
            var answers: [Event] = []
            do {
                let ledger = try Ledger(scratch, clock) { $0.logByteCountMax = 1 << 18 }
                try await ledger.modifyProject("p", ProjectChange(concurrencyCount: 4))
                var failure: LedgerError?
                while failure == nil, answers.count < 10_000 {
                    do throws(LedgerError) {
                        answers.append(try await ledger.apply(user: "u", project: "p").event)
                    } catch { failure = error }
                }
                #expect(failure?.code == .failed && answers.count > 20)
                #expect(failure?.message.contains("mapSizeBytes") == true)
                await ledger.close()
            }
            #expect(try await eventually { isFree(scratch.path) })
            try expectSound(scratch)
            try await withLedger(scratch, clock) { ledger in
                let newest = answers.last!
                #expect(ledger.head.position > newest.position)
                try await ledger.apply(user: "u", project: "p")
            }
        }

        /// What cannot be written to can be read: no lock file is needed then.
        @Test func aReadOnlyFileSystemIsRead() async throws {
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject("p", ProjectChange(concurrencyCount: 4))
                try await ledger.apply(user: "ann", project: "p")
            }
            #expect(try await eventually { isFree(scratch.path) })
            let locks = Faults(on: scratch.directory.log + "/lock.mdb")
            let viewLocks = Faults(on: scratch.directory.views + "/lock.mdb")
            let owner = Faults(on: scratch.directory.ownerLock)
            for faults in [locks, viewLocks, owner] {
                faults.fail(.open, times: .max, with: EROFS)
            }
            #expect(try LedgerReader(opening: scratch.path).user("ann")?.state == .reserved)
            #expect(try Verifier.verify(scratch.directory).eventCount == 4)
            do {
                _ = try Ledger(scratch, clock)
                Issue.record("written to")
            } catch {
                #expect("\(error)".contains("Read-only file system"))
            }
        }

        // MARK: - Strangers and leftovers

        /// What a process that is gone left in the lock files means nothing.
        @Test(arguments: ["process 1, which embeds the ledger", "", "\u{0}\u{1}nonsense"])
        func aStaleLockIsTakenOver(text: String) async throws {
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject("p", ProjectChange(concurrencyCount: 4))
            }
            #expect(try await eventually { isFree(scratch.path) })
            writeBytes(scratch.directory.ownerLock, Array(text.utf8))
            for directory in [scratch.directory.log, scratch.directory.views] {
                let size = readBytes(directory + "/lock.mdb").count
                writeBytes(directory + "/lock.mdb", (0 ..< size).map { UInt8($0 * 7 & 255) })
            }
            try await withLedger(scratch, clock) { ledger in
                try await ledger.apply(user: "ann", project: "p")
            }
            #expect(try await eventually { isFree(scratch.path) })
            try expectSound(scratch)
        }

        /// A reader that was killed pins no pages for good.
        @Test func deadReadersAreCleared() async throws {
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject("p", ProjectChange(concurrencyCount: 4))
            }
            let path = scratch.directory.log
            for _ in 0 ..< 3 {
                await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
                    var options = Environment.Options()
                    options.isReadOnly = true
                    let environment = try Environment(directory: path, options: options)
                    let transaction = try ReadTransaction(environment)
                    kill(getpid(), SIGKILL)
                    withExtendedLifetime(transaction) {}
                }
            }
            do {
                let environment = try Environment(directory: path)
                #expect(environment.clearStaleReaders() == 0, "the opening has cleared them")
            }
            try await withLedger(scratch, clock) { ledger in
                try await ledger.apply(user: "ann", project: "p")
            }
        }

        /// Files copied one after the other while they are written to are no moment's state: such a
        /// copy is sound, or it is refused. A backup is made with `holdfast backup`.
        @Test func aDirectoryCopiedWhileLiveIsSoundOrRefused() async throws {
            let isDone = Shared(false)
            var (sound, refused) = (0, 0)
            try await withLedger(scratch, clock, { $0.checkpointEventCount = 20 }) { ledger in
                try await ledger.modifyProject("p", ProjectChange(concurrencyCount: 4))
                let load = Task {
                    var round = 0
                    while !isDone.value {
                        round += 1
                        try await ledger.apply(user: "u\(round % 50)", project: "p")
                    }
                }
                for number in 0 ..< 12 {
                    let copy = scratch.path + "-copy\(number)"
                    defer { Scratch.remove(copy) }
                    try copyTree(scratch.path, to: copy)
                    do {
                        let reader = try LedgerReader(opening: copy)
                        let head = reader.head
                        #expect(head.position > 0)
                        let digest = StateDigest.of(reader.state)
                        // Its own words, nothing else's: what it has is the log's.
                        let event = try reader.log.event(at: head.position)
                        #expect(try ledger.log.event(at: head.position) == event)
                        let (view, _) = try Rebuilder.fold(reader.log)
                        #expect(StateDigest.of(view.state) == digest)
                        sound += 1
                    } catch {
                        #expect(error is LedgerError || error is LogError, "\(error)")
                        #expect(!"\(error)".contains("\n"))
                        refused += 1
                    }
                }
                isDone.change { $0 = true }
                try await load.value
            }
            print("copied while live: \(sound) sound, \(refused) refused")
            #expect(sound + refused == 12)
        }

        /// By another process: closing a file drops this one's locks on it.
        private func copyTree(_ path: String, to copy: String) throws {
            var id: pid_t = 0
            let words = ["cp", "-a", path, copy]
            var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
            defer { for argument in arguments { free(argument) } }
            arguments.append(nil)
            try #require(posix_spawnp(&id, "cp", nil, nil, arguments, nil) == 0)
            var status: Int32 = 0
            waitpid(id, &status, 0)
        }
    }
}
