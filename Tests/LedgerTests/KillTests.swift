import Audit
import EventLog
import Ledger
import LedgerModel
import ReconnectionRules
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

extension LedgerTests {
    /// The process is killed under load at any moment: what was answered is there, as answered.
    @Suite struct Kill {
        @Test func whatWasAnsweredSurvivesKillMinus9() async throws {
            let kills = environmentNumber("HOLDFAST_KILLS", default: 20)
            let seed = seed("kill -9")
            var random = SplitMix64(seed: seed)
            var scratch = try Scratch()
            var known: [String] = []
            var answered = 0
            for round in 0 ..< kills {
                // Every fifth round begins with an empty directory: creation is killed, too.
                if round % 5 == 0 {
                    scratch = try Scratch()
                    known = []
                }
                let answers = try await killed(
                    scratch, seed: random.next(), afterMicroseconds: delay(&random))
                known += answers
                answered += answers.count
                try await check(scratch, known, round: round)
            }
            print("kill -9: \(kills) kills, \(answered) answers, all there")
            #expect(answered > kills * 5)
        }

        /// Mostly amid the load, now and then while it opens.
        private func delay(_ random: inout SplitMix64) -> Int {
            random.chance(1, in: 6) ? random.below(20_000) : random.within(20_000 ... 250_000)
        }

        /// Runs the load in another process and kills it. Returns what it was answered.
        private func killed(
            _ scratch: Scratch, seed: UInt64, afterMicroseconds delay: Int
        ) async throws -> [String] {
            let report = scratch.path + "-report"
            writeBytes(report, [])
            defer { unlink(report) }
            let killer = Task.detached {
                while true {
                    let lines = String(decoding: readBytes(report), as: UTF8.self)
                    if let line = lines.split(separator: "\n").first, let id = pid_t(line) {
                        try? await Task.sleep(for: .microseconds(delay))
                        return kill(id, SIGKILL)
                    }
                    try await Task.sleep(for: .milliseconds(1))
                }
            }
            let path = scratch.path
            await #expect(processExitsWith: .signal(SIGKILL)) {
                [path = path as String, report = report as String, seed = seed as UInt64] in
                try await KillLoad.run(path, report: report, seed: seed)
            }
            #expect(try await killer.value == 0)
            return String(decoding: readBytes(report), as: UTF8.self)
                .split(separator: "\n").dropFirst().map(String.init)
        }

        private func check(
            _ scratch: Scratch, _ answers: [String], round: Int
        ) async throws {
            if answers.isEmpty, (try? scratch.directory.content()) != .ledger { return }
            // Killed after the file was made and before anything was in it.
            if answers.isEmpty, await code({ _ = try LedgerReader(opening: scratch.path) })
                == .log(.missing)
            {
                return
            }
            do {
                let reader: LedgerReader
                do throws(LedgerError) { reader = try LedgerReader(opening: scratch.path) } catch {
                    // Killed between the file's beginning and its first commit: the next round's
                    // opening completes it.
                    if answers.isEmpty, error.code == .log(.missing) { return }
                    throw error
                }
                for answer in answers {
                    let first = answer.split(separator: " ").first
                    let position = try #require(first.flatMap { Position($0) })
                    let event = try reader.log.event(at: position)
                    let named = event.map { reader.named($0) }
                    #expect(named.map(KillLoad.line) == answer, "round \(round)")
                }
            }
            let verified = try Verifier.verify(scratch.directory)
            let rebuilt = try Rebuilder.rebuild(scratch.directory)
            #expect(rebuilt.isSame, "round \(round)")
            #expect(rebuilt.stateDigest == verified.stateDigest.description)
        }
    }
}

/// What the process to be killed does.
enum KillLoad {
    static func run(_ path: String, report: String, seed: UInt64) async throws {
        let file = open(report, O_WRONLY | O_APPEND)
        guard file >= 0 else { exit(2) }
        say("\(getpid())", file)
        var options = LedgerOptions()
        options.checkpointEventCount = 200
        let ledger = try Ledger(opening: path, options: options)
        try await ledger.modifyProject(
            "p0",
            ProjectChange(
                concurrencyCount: 8, reconnectWindow: .seconds(1), lockTimeout: .seconds(1)))
        try await ledger.modifyProject("p1", ProjectChange(concurrencyCount: 8))
        try await ledger.modifyProject("p2", ProjectChange(concurrencyCount: 8))
        await withTaskGroup(of: Void.self) { group in
            for caller in 0 ..< 32 {
                group.addTask {
                    var random = SplitMix64(seed: seed &+ UInt64(caller))
                    while true {
                        let action = Workload.action(&random)
                        guard let reply = try? await ledger.perform(action),
                            let named = try? await ledger.event(of: reply)
                        else { exit(3) }
                        say(line(named), file)
                    }
                }
            }
        }
    }

    /// Position first, then everything the event says.
    static func line(_ named: NamedEvent) -> String {
        "\(named.event.position) \(named.user) \(named.project) \(named.inputProject) "
            + "\(named.event)"
    }

    /// One write, so that lines of several threads stay whole.
    private static func say(_ line: String, _ file: Int32) {
        let bytes = Array((line + "\n").utf8)
        if write(file, bytes, bytes.count) != bytes.count { exit(4) }
    }
}
