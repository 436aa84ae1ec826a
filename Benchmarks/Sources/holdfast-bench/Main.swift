#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

@main enum Main {
    static func main() async {
        guard let options = Options(CommandLine.arguments.dropFirst()) else {
            complain(Options.usage)
            exit(2)
        }
        do {
            var results: [Run.Result] = []
            for callers in options.callers {
                results.append(try await Run(callers: callers, options: options).result())
            }
            print(
                options.isJSON ? Report.json(results, options) : Report.table(results),
                terminator: "")
        } catch {
            complain("holdfast-bench: \(error)\n")
            exit(1)
        }
    }

    private static func complain(_ text: String) {
        let bytes = Array(text.utf8)
        _ = write(STDERR_FILENO, bytes, bytes.count)
    }
}
