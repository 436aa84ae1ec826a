#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

@main enum Main {
    static func main() {
        guard let options = Options(CommandLine.arguments.dropFirst()) else {
            complain(Options.usage)
            exit(2)
        }
        if options.isHelp {
            print(Options.usage, terminator: "")
            return
        }
        do {
            let storm = try Storm(options)
            if !options.isPreparing { print(try storm.run().json(options)) }
        } catch {
            complain("sqlite-peer: \(error)\n")
            exit(1)
        }
    }

    private static func complain(_ text: String) {
        let bytes = Array(text.utf8)
        _ = write(STDERR_FILENO, bytes, bytes.count)
    }
}
