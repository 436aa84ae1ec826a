// Lets bits flip, bytes change, sectors go blank and pages change places in every file of small
// ledgers, and looks whether verify finds it and whether any command answers wrongly.
//
//     swift run -c release bit-rot --flips 16000 --output docs/bit-rot
//
// Workers are child processes: one that crashes is a finding, and the next goes on behind it.

import BitRot
import Foundation
import Synchronization

@main enum BitRotTool {
    struct Usage: Error { var text: String }

    struct Settings {
        var flipCount = 16_000
        var seed: UInt64 = 2026
        var output: String?
        var scratch = "/tmp"
        var shapes = Shape.allCases
    }

    static func main() {
        signal(SIGPIPE, SIG_DFL)
        let arguments = Array(CommandLine.arguments.dropFirst())
        do {
            if arguments.first == "worker" { return try work(arguments.dropFirst()) }
            if arguments.contains("--help") { return print(help) }
            exit(try run(settings(arguments)) ? 0 : 1)
        } catch {
            let text = (error as? Usage)?.text ?? "\(error)"
            FileHandle.standardError.write(Data("bit-rot: \(text)\n".utf8))
            exit(error is Usage ? 2 : 1)
        }
    }

    static let help = """
        bit-rot [--flips N] [--quick] [--seed N] [--shape NAME] [--scratch DIR] [--output DIR]

        Damages small ledgers N times (default 16000; --quick 800), a flip at a time, in every file
        of the data directory, and asks verify and every reading and writing command. Exits with 1
        if a flip in live data is not found, is served, or ends a process. --output writes
        report.md and report.json.
        """

    private static func settings(_ arguments: [String]) throws -> Settings {
        var settings = Settings()
        var index = 0
        func value() throws -> String {
            index += 1
            guard index < arguments.count else {
                throw Usage(text: "\(arguments[index - 1]) takes a value; see --help")
            }
            return arguments[index]
        }
        while index < arguments.count {
            switch arguments[index] {
            case "--quick": settings.flipCount = 800
            case "--flips":
                guard let count = Int(try value()), count > 0 else {
                    throw Usage(text: "--flips takes a number from 1")
                }
                settings.flipCount = count
            case "--seed":
                guard let seed = UInt64(try value()) else {
                    throw Usage(text: "--seed takes a number")
                }
                settings.seed = seed
            case "--shape":
                let name = try value()
                guard let shape = Shape(rawValue: name) else {
                    let names = Shape.allCases.map(\.rawValue).joined(separator: ", ")
                    throw Usage(text: "--shape takes one of \(names)")
                }
                settings.shapes = [shape]
            case "--scratch": settings.scratch = try value()
            case "--output": settings.output = try value()
            default: throw Usage(text: "unknown option \(arguments[index]); see --help")
            }
            index += 1
        }
        return settings
    }

    // MARK: - The worker

    /// worker SHAPE SEED FIRST END DIR
    private static func work(_ words: ArraySlice<String>) throws {
        let words = Array(words)
        guard words.count == 5, let shape = Shape(rawValue: words[0]), let seed = UInt64(words[1]),
            let first = Int(words[2]), let end = Int(words[3])
        else { throw Usage(text: "a worker takes a shape, a seed, two numbers and a directory") }
        let specimen = try Specimen(shape, seed: seed, in: words[4])
        let order = Worker.Order(shape: shape, seed: seed, first: first, end: end)
        Worker.run(order, on: specimen) { line in
            FileHandle.standardOutput.write(Data((line + "\n").utf8))
        }
    }

    // MARK: - The driver

    private static func run(_ settings: Settings) throws -> Bool {
        let start = ContinuousClock.now
        let each = (settings.flipCount + settings.shapes.count - 1) / settings.shapes.count
        let progress = Progress(total: each * settings.shapes.count)
        let results = Mutex<[Result<Tally, any Error>]>([])
        // A worker for each shape: they wait for each other nowhere.
        DispatchQueue.concurrentPerform(iterations: settings.shapes.count) { index in
            let result = Result { try run(settings.shapes[index], each, settings, progress) }
            results.withLock { $0.append(result) }
        }
        var tally = Tally()
        for result in results.withLock({ $0 }) { tally.add(try result.get()) }
        let report = RotReport(
            tally, seed: settings.seed, seconds: seconds(since: start),
            command: "swift run -c release bit-rot --flips \(settings.flipCount)",
            machine: "\(ProcessInfo.processInfo.activeProcessorCount) cores, "
                + ProcessInfo.processInfo.operatingSystemVersionString)
        print(report.markdown)
        if let output = settings.output {
            try FileManager.default.createDirectory(
                atPath: output, withIntermediateDirectories: true)
            try Data(report.markdown.utf8).write(to: URL(filePath: output + "/report.md"))
            try Data(report.json).write(to: URL(filePath: output + "/report.json"))
        }
        return tally.faults.isEmpty && report.liveCount > 0
    }

    private static func run(
        _ shape: Shape, _ count: Int, _ settings: Settings, _ progress: Progress
    ) throws -> Tally {
        var tally = Tally()
        var next = 0
        while next < count {
            let path =
                "\(settings.scratch)/bit-rot-\(ProcessInfo.processInfo.processIdentifier)-\(shape)"
            defer { try? FileManager.default.removeItem(atPath: path) }
            let process = Process()
            process.executableURL = URL(filePath: CommandLine.arguments[0]).absoluteURL
            process.arguments = [
                "worker", shape.rawValue, "\(settings.seed)", "\(next)", "\(count)", path,
            ]
            let pipe = Pipe()
            process.standardOutput = pipe
            try process.run()
            var rest = Data()
            while case let data = pipe.fileHandleForReading.availableData, !data.isEmpty {
                rest += data
                while let end = rest.firstIndex(of: 0x0A) {
                    let line = String(decoding: rest[rest.startIndex ..< end], as: UTF8.self)
                    rest = Data(rest[rest.index(after: end)...])
                    tally.take(line, of: shape, seed: settings.seed)
                    if line.hasPrefix("try\t"), let number = Int(line.split(separator: "\t")[1]) {
                        next = number + 1
                    }
                }
                progress.show(next, of: shape, faultCount: tally.faults.count)
            }
            process.waitUntilExit()
            if process.terminationReason == .uncaughtSignal {
                guard
                    let crashed = tally.crashed(
                        shape, seed: settings.seed, signal: process.terminationStatus)
                else { throw Usage(text: "the worker for \(shape) crashed before its first flip") }
                next = crashed + 1
                continue
            }
            guard process.terminationStatus == 0 else {
                throw Usage(text: "the worker for \(shape) ended with an error")
            }
            next = count
        }
        return tally
    }

    private static func seconds(since start: ContinuousClock.Instant) -> Double {
        let (seconds, attoseconds) = (ContinuousClock.now - start).components
        return Double(seconds) + Double(attoseconds) / 1e18
    }
}

/// Progress with an ETA on standard error, every five seconds.
private final class Progress: Sendable {
    private struct State {
        var done: [Shape: (flipCount: Int, faultCount: Int)] = [:]
        var lastShown = ContinuousClock.now
    }

    private let state = Mutex(State())
    private let total: Int
    private let start = ContinuousClock.now

    init(total: Int) { self.total = total }

    func show(_ done: Int, of shape: Shape, faultCount: Int) {
        let line: String? = state.withLock { state in
            state.done[shape] = (done, faultCount)
            guard ContinuousClock.now - state.lastShown > .seconds(5) else { return nil }
            state.lastShown = .now
            let flips = state.done.values.reduce(0) { $0 + $1.flipCount }
            let faults = state.done.values.reduce(0) { $0 + $1.faultCount }
            let elapsed = Double((ContinuousClock.now - start).components.seconds)
            let left = elapsed / Double(max(1, flips)) * Double(total - flips)
            return "bit-rot \(100 * flips / total) %  \(flips) of \(total) flips  "
                + "\(faults) faults  ETA \(Int(left)) s\n"
        }
        if let line { FileHandle.standardError.write(Data(line.utf8)) }
    }
}
