#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

@main enum Main {
    static func main() async {
        guard let options = Options(CommandLine.arguments.dropFirst()) else {
            fputs(Options.usage, stderr)
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
            fputs("holdfast-bench: \(error)\n", stderr)
            exit(1)
        }
    }
}
