// Records ledgers at work, builds the disk states that a power cut may leave of them, and opens
// each. Writes a report; ends with 1 at the first state that breaks a promise.
//
//     swift run -c release power-cuts --states 100000 --output docs/crash-safety

import JSON
import Ledger
import PowerCuts

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

@main enum PowerCutsCommand {
    struct Options {
        var stateCount = 100_000
        var statesPerRun = 500
        var seed: UInt64 = 1
        var folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
        var output: String?
        var kind: Load.Kind?

        init(_ arguments: [String]) throws(Usage) {
            var rest = arguments[...]
            while let name = rest.popFirst() {
                if name == "--quick" {
                    (stateCount, statesPerRun) = (2_000, 100)
                    continue
                }
                guard let value = rest.popFirst() else { throw Usage("\(name) takes a value") }
                switch name {
                case "--states": stateCount = try Self.number(name, value)
                case "--states-per-run": statesPerRun = try Self.number(name, value)
                case "--seed": seed = UInt64(try Self.number(name, value))
                case "--folder": folder = value
                case "--output": output = value
                case "--load":
                    kind = Load.Kind(rawValue: value)
                    if kind == nil { throw Usage("no load is called \(value)") }
                default: throw Usage("\(name) is no option")
                }
            }
        }

        private static func number(_ name: String, _ value: String) throws(Usage) -> Int {
            guard let number = Int(value), number > 0 else {
                throw Usage("\(name) takes a number from 1")
            }
            return number
        }
    }

    struct Usage: Error {
        var message: String
        init(_ message: String) { self.message = message }
    }

    static func main() async {
        let words = CommandLine.arguments
        if words.count == 4, words[1] == "play", let seed = UInt64(words[3]) {
            return await play(words[2], seed)
        }
        let options: Options
        do throws(Usage) { options = try Options(Array(CommandLine.arguments.dropFirst())) } catch {
            return end(
                "\(error.message); options: --states N --states-per-run N --seed N --load KIND "
                    + "--folder DIR --output DIR --quick", 2)
        }
        guard DiskJournal.isAvailable else {
            return end("calls cannot be watched on this platform; use Linux with glibc", 1)
        }
        var template = Array("\(options.folder)/power-cuts-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            return end("cannot make a folder in \(options.folder); name another with --folder", 1)
        }
        let folder = String(
            decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        do {
            try await run(options, folder)
            PowerCuts.clear(folder)
        } catch { end("\(error)", 1) }
    }

    /// `power-cuts play DIR SEED`: a ledger that Tools/crash kills. Every answer is a line.
    static func play(_ path: String, _ seed: UInt64) async {
        do {
            try await Load(seed: seed).play(in: path) { say(EventJSON.line($0)) }
        } catch { end("\(error)", 1) }
    }

    static func run(_ options: Options, _ folder: String) async throws {
        var result = PowerCutReport(seed: options.seed)
        let clock = ContinuousClock.now
        var nextLine = clock
        while result.tally.stateCount < options.stateCount {
            let seed = options.seed + UInt64(result.runCount)
            var cuts = PowerCuts(folder: folder, seed: seed)
            cuts.kind = options.kind
            cuts.stateCount = min(
                options.statesPerRun, options.stateCount - result.tally.stateCount)
            cuts.lieEvery = 10
            say("seed \(seed): \(Load(seed: seed, kind: options.kind).description)")
            let (recording, tally) = try await cuts.run()
            result.add(recording, tally)
            result.seconds = seconds(since: clock)
            guard ContinuousClock.now > nextLine else { continue }
            nextLine = ContinuousClock.now + .seconds(5)
            let done = result.tally.stateCount
            let left = result.seconds / Double(done) * Double(options.stateCount - done)
            say(
                "\(done) of \(options.stateCount) states, \(result.tally.answerCount) answers "
                    + "found, about \(Int(left)) s left")
        }
        say(result.markdown)
        guard let output = options.output else { return }
        mkdir(output, 0o755)
        try save(result.markdown, to: output + "/power-cuts.md")
        try save(result.json, to: output + "/power-cuts.json")
    }

    static func seconds(since start: ContinuousClock.Instant) -> Double {
        let (seconds, attoseconds) = (ContinuousClock.now - start).components
        return Double(seconds) + Double(attoseconds) / 1e18
    }

    static func save(_ text: String, to path: String) throws {
        guard let file = fopen(path, "w") else { throw Usage("cannot write \(path)") }
        defer { fclose(file) }
        fputs(text, file)
    }

    /// At once, also into a file: how far it came is of interest when it ends in the middle.
    static func say(_ text: String) {
        let bytes = Array((text + "\n").utf8)
        _ = write(STDOUT_FILENO, bytes, bytes.count)
    }

    static func end(_ complaint: String, _ status: Int32) {
        let line = Array("power-cuts: \(complaint)\n".utf8)
        _ = write(STDERR_FILENO, line, line.count)
        exit(status)
    }
}
