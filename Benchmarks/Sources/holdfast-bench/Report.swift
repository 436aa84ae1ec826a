/// The results as a table, or as one line of JSON.
enum Report {
    /// LMDB's two: the pages, then the meta page.
    private static let syncsPerCommit = 2

    static func table(_ results: [Run.Result]) -> String {
        let titles = [
            "callers", "commands/s", "commits/s", "syncs/commit", "commands/commit", "p50 ms",
            "p99 ms", "max ms",
        ]
        var rows = [titles]
        for result in results {
            rows.append([
                "\(result.callers)", whole(Double(result.commands) / result.seconds),
                whole(Double(result.commits) / result.seconds), "\(syncsPerCommit)",
                decimal(Double(result.commands) / Double(result.commits)),
                decimal(Double(result.median) / 1e6), decimal(Double(result.percentile99) / 1e6),
                decimal(Double(result.longest) / 1e6),
            ])
        }
        let widths = titles.indices.map { column in rows.map { $0[column].count }.max()! }
        var text = ""
        for row in rows {
            text += zip(row, widths).map { padded($0, $1) }.joined(separator: "  ") + "\n"
        }
        text += "\nevents per batch\n"
        for result in results {
            let sizes = result.batchSizes.indices.filter { result.batchSizes[$0] > 0 }.map {
                "\(1 << $0)+: \(result.batchSizes[$0])"
            }
            text += padded("\(result.callers)", widths[0]) + "  " + sizes.joined(separator: "  ") + "\n"
        }
        return text
    }

    static func json(_ results: [Run.Result], _ options: Options) -> String {
        let runs = results.map { result in
            let sizes = result.batchSizes.map { "\($0)" }.joined(separator: ",")
            return """
                {"callers":\(result.callers),"seconds":\(result.seconds),\
                "commands":\(result.commands),\
                "commandsPerSecond":\(Double(result.commands) / result.seconds),\
                "events":\(result.events),"commits":\(result.commits),\
                "syncsPerCommit":\(syncsPerCommit),\
                "commandsPerCommit":\(Double(result.commands) / Double(result.commits)),\
                "batchEventsMax":\(result.batchMax),"batchesByLog2Size":[\(sizes)],\
                "medianNanoseconds":\(result.median),"p99Nanoseconds":\(result.percentile99),\
                "maxNanoseconds":\(result.longest),"resumedSessions":\(result.resumed)}
                """
        }
        return "{\"users\":\(options.users),\"seed\":\(options.seed),\"runs\":["
            + runs.joined(separator: ",") + "]}\n"
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }

    private static func whole(_ value: Double) -> String { "\(Int(value.rounded()))" }

    private static func decimal(_ value: Double) -> String {
        let hundredths = Int((value * 100).rounded())
        let fraction = hundredths % 100
        return "\(hundredths / 100)." + (fraction < 10 ? "0" : "") + "\(fraction)"
    }
}
