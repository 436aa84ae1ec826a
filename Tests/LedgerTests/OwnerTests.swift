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
    /// One process writes, and however it ends, the next one can.
    @Suite struct Owner {
        private let scratch: Scratch

        init() throws { scratch = try Scratch() }

        @Test func aSecondOpeningInThisProcessIsRefused() async throws {
            var options = LedgerOptions()
            options.ownerNote = "which listens on port 4711; stop it first"
            let ledger = try Ledger(opening: scratch.path, options: options)
            do {
                _ = try Ledger(opening: scratch.path)
                Issue.record("opened twice")
            } catch {
                #expect(error.code == .owned)
                #expect(error.message.contains("process \(getpid())"))
                #expect(error.message.contains("port 4711"))
                #expect(error.message.contains(scratch.path))
            }
            ledger.directory.writeOwnerNote("which listens on port 4712; stop it first")
            do { _ = try Ledger(opening: scratch.path) } catch {
                #expect(error.message.contains("port 4712"))
                #expect(!error.message.contains("4711"))
            }
            // The refusals took nothing away.
            try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 1))
            await ledger.close()
        }

        @Test func anotherProcessIsRefused() async throws {
            let ledger = try Ledger(opening: scratch.path)
            let path = scratch.path
            let owner = "process \(getpid())"
            await #expect(processExitsWith: .success) {
                [path = path as String, owner = owner as String] in
                do {
                    _ = try Ledger(opening: path)
                    exit(2)
                } catch let error as LedgerError {
                    guard error.code == .owned, error.message.contains(owner) else { exit(3) }
                }
            }
            // It may read, and sees what is durable.
            try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 7))
            await #expect(processExitsWith: .success) { [path = path as String] in
                let reader = try LedgerReader(opening: path)
                guard reader.project("demo")?.totalCount == 7 else { exit(4) }
            }
            try await ledger.apply(user: "ann", project: "demo")
            await ledger.close()
            // The directory is free once close() has returned.
            await #expect(processExitsWith: .success) { [path = path as String] in
                let ledger = try Ledger(opening: path)
                guard ledger.recovery.replayedEventCount == 0 else { exit(5) }
                guard try await ledger.user("ann")?.state == .reserved else { exit(6) }
                await ledger.close()
            }
        }

        @Test func anOwnerThatIsKilledLetsGo() async throws {
            let path = scratch.path
            await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
                let ledger = try Ledger(opening: path)
                try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 7))
                kill(getpid(), SIGKILL)
                await ledger.close()
            }
            let ledger = try Ledger(opening: path)
            #expect(ledger.recovery.replayedEventCount == 2)
            #expect(try await ledger.project("demo")?.totalCount == 7)
            await ledger.close()
        }

        /// Killed between making the file and the first commit: nothing was answered, and the
        /// directory must still be one that can be opened.
        @Test func aCreationCutShortCanBeRepeated() async throws {
            mkdir(scratch.directory.log, 0o700)
            let ledger = try Ledger(opening: scratch.path)
            try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 7))
            await ledger.close()
        }

        /// As above, a moment later: LMDB has made its file, no table is in it yet.
        @Test func aCreationKilledBeforeItsFirstCommitCanBeRepeated() async throws {
            mkdir(scratch.directory.log, 0o700)
            do { _ = try Environment(directory: scratch.directory.log) }
            let ledger = try Ledger(opening: scratch.path)
            try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 7))
            await ledger.close()
        }

        /// As above, a moment before: LMDB has opened its file and written nothing.
        @Test func aCreationKilledBeforeItsFirstByteCanBeRepeated() async throws {
            mkdir(scratch.directory.log, 0o700)
            writeBytes(scratch.directory.log + "/data.mdb", [])
            writeBytes(scratch.directory.log + "/lock.mdb", [UInt8](repeating: 0, count: 65_664))
            #expect(try scratch.directory.content() == .new)
            #expect(await code { _ = try LedgerReader(opening: scratch.path) } == .directory)
            let ledger = try Ledger(opening: scratch.path)
            try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 7))
            await ledger.close()
        }

        @Test func whatIsNoLedgerIsLeftAlone() async throws {
            writeBytes(scratch.path + "/letter.txt", Array("dear diary".utf8))
            #expect(await code { _ = try Ledger(opening: scratch.path) } == .directory)
            #expect(
                await code { _ = try Ledger(opening: scratch.path + "/letter.txt") } == .directory)
            #expect(
                await code { _ = try Ledger(opening: scratch.path + "/no/such") } == .directory)
            #expect(Scratch.entries(of: scratch.path) == ["letter.txt"])
            #expect(readBytes(scratch.path + "/letter.txt") == Array("dear diary".utf8))
        }
    }
}
