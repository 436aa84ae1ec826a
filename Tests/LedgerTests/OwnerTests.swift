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

        /// What is open in this process and lies in the directory: descriptors and names.
        private func descriptors() -> [(number: Int32, name: String)] {
            Scratch.entries(of: "/proc/self/fd").compactMap { entry in
                var target = [UInt8](repeating: 0, count: 4_096)
                let count = target.withUnsafeMutableBytes {
                    readlink("/proc/self/fd/" + entry, $0.baseAddress!, $0.count)
                }
                let file = String(decoding: target.prefix(max(0, count)), as: UTF8.self)
                guard let number = Int32(entry), file.hasPrefix(scratch.path + "/") else {
                    return nil
                }
                return (number, String(file.dropFirst(scratch.path.utf8.count + 1)))
            }
        }

        /// A process that is just being started has a copy of every descriptor. The directory is
        /// free all the same once the ledger is closed.
        @Test func aCopyOfTheLockKeepsNobodyOut() async throws {
            var copy: Int32 = -1
            do {
                let ledger = try Ledger(opening: scratch.path)
                let lock = try #require(descriptors().first { $0.name == "owner.lock" })
                copy = dup(lock.number)
                await ledger.close()
            }
            try #require(copy >= 0)
            defer { close(copy) }
            let ledger = try Ledger(opening: scratch.path)
            // The copy is of the first one's lock and does nothing for the second.
            #expect(await code { _ = try Ledger(opening: scratch.path) } == .owned)
            await ledger.close()
        }

        /// A program that the process starts has none of the ledger's files open.
        @Test func noDescriptorIsInherited() async throws {
            let ledger = try Ledger(opening: scratch.path)
            try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 7))
            try await ledger.apply(user: "ann", project: "demo")
            #expect(try await ledger.history(ofUser: "ann").count == 2)
            let open = descriptors()
            for name in ["owner.lock", "sign-of-life", "log/data.mdb", "log/lock.mdb"] {
                #expect(open.contains { $0.name == name }, "\(name) is not open")
            }
            for (number, name) in open {
                #expect(fcntl(number, F_GETFD) == FD_CLOEXEC, "\(name) would be inherited")
            }
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
