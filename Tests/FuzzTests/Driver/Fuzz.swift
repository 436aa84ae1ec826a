import CFuzzer

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// `fuzz --list`, `fuzz --seeds TARGET DIR`, or `fuzz TARGET` and what libFuzzer takes. Tools/fuzz
/// starts it.
@main
enum Fuzz {
    nonisolated(unsafe) private static var target: FuzzTarget?
    private static let variable = "HOLDFAST_FUZZ_TARGET"

    static func main() {
        let arguments = CommandLine.arguments
        switch arguments.dropFirst().first {
        case "--list":
            for target in FuzzTarget.all {
                print([target.name, "\(target.byteCountMax)", target.subject, target.promise]
                    .joined(separator: "\t"))
            }
        case "--seeds" where arguments.count == 4: writeSeeds(named(arguments[2]), arguments[3])
        // libFuzzer starts the program again, by itself, with what it knows alone.
        case let first? where first.hasPrefix("-"):
            guard let name = getenv(variable) else { stop("name a target, or --list") }
            target = named(String(cString: name))
            run(argumentCount: 1)
        case let name?:
            target = named(name)
            setenv(variable, name, 1)
            run(argumentCount: 2)
        case nil: stop("name a target, or --list")
        }
    }

    private static func named(_ name: String) -> FuzzTarget {
        guard let target = FuzzTarget.named(name) else { stop("there is no target \(name)") }
        return target
    }

    private static func say(_ line: String) {
        let bytes = Array("\(line)\n".utf8)
        _ = bytes.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
    }

    private static func stop(_ message: String) -> Never {
        say("fuzz: \(message)")
        exit(2)
    }

    /// Good inputs, and the dictionary.
    private static func writeSeeds(_ target: FuzzTarget, _ directory: String) {
        do {
            for (index, seed) in try target.seeds().enumerated() {
                keep(seed, as: "\(directory)/seed-\(index)")
            }
        } catch { stop("\(error)") }
        let words = target.words.map { word in
            let bytes = word.utf8.map { byte in
                let digits = Array("0123456789abcdef")
                return "\\x\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
            }
            return "\"\(bytes.joined())\"\n"
        }
        keep(Array(words.joined().utf8), as: "\(directory)/words")
    }

    private static func keep(_ bytes: [UInt8], as path: String) {
        guard let file = fopen(path, "w") else { stop("cannot write \(path)") }
        fwrite(bytes, 1, bytes.count, file)
        fclose(file)
    }

    /// What was taken goes; what libFuzzer knows stays.
    private static func run(argumentCount: Int) {
        let taken = argumentCount - 1
        var count = CommandLine.argc - Int32(taken)
        var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? =
            CommandLine.unsafeArgv + taken
        arguments?[0] = CommandLine.unsafeArgv[0]
        exit(
            LLVMFuzzerRunDriver(&count, &arguments) { bytes, byteCount in
                Fuzz.run(Array(UnsafeBufferPointer(start: bytes, count: byteCount)))
                return 0
            })
    }

    private static func run(_ input: [UInt8]) {
        do { _ = try target?.run(input) } catch {
            say("promise broken: \(error)")
            abort()
        }
    }
}
