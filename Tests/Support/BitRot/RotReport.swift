import JSON

/// The figures of a run, as Markdown and as JSON.
public struct RotReport {
    public let tally: Tally
    public let seed: UInt64
    public let seconds: Double
    public let command: String
    public let machine: String

    public init(_ tally: Tally, seed: UInt64, seconds: Double, command: String, machine: String) {
        (self.tally, self.seed, self.seconds) = (tally, seed, seconds)
        (self.command, self.machine) = (command, machine)
    }

    private func isLive(_ row: Tally.Row) -> Bool { row.use == "live" && !row.isBeneath }

    public var liveCount: Int { tally.sum(where: isLive) }
    public var foundCount: Int { tally.sum(.found, where: isLive) }
    public var unusedCount: Int { tally.sum(.harmless) { $0.use == "unused" } }
    public var servedCount: Int { tally.sum(.served) }

    /// One object on one line.
    public var json: [UInt8] {
        let keys = tally.counts.keys.sorted()
        return JSONObjectWriter.bytes { object in
            object.unsigned("seed", seed)
            object.string("command", command)
            object.string("machine", machine)
            object.unsigned("seconds", UInt64(seconds))
            object.unsigned("flips", UInt64(tally.sum()))
            object.unsigned("live", UInt64(liveCount))
            object.unsigned("liveFound", UInt64(foundCount))
            for outcome in Finding.Outcome.allCases {
                object.unsigned(outcome.rawValue, UInt64(tally.sum(outcome)))
            }
            object.strings("faults", tally.faults)
            object.array("rows", keys) { row, key in
                row.string("ledger", key.shape)
                row.string("file", key.file)
                row.string("use", key.use)
                row.string("decay", key.decay)
                row.bool("beneathReader", key.isBeneath)
                for (outcome, count) in tally.counts[key]!.sorted(by: {
                    $0.key.rawValue < $1.key.rawValue
                }) { row.unsigned(outcome.rawValue, UInt64(count)) }
            }
        } + [0x0A]
    }

    public var markdown: String {
        var lines = [
            "# Bit rot", "",
            "Small ledgers of four shapes, a change at a time in a copy of the data directory: one "
                + "bit, one byte, a sector of zeros, two pages in each other's place. *Live* is a "
                + "byte whose change could alter an answer, *redundant* one that is said elsewhere "
                + "too or has several right values, *unused* one that nothing reads; a map of "
                + "LMDB's format says which is which. After each, `verify` runs, every reading "
                + "command's answers are compared with those of the undamaged ledger, and for some "
                + "a writer opens it and acts.",
            "",
            "`\(command)`, seed \(seed), \(Int(seconds)) s; \(machine).", "",
            "| | |", "|---|---:|",
            "| flips, bytes, sectors and swapped pages | \(tally.sum()) |",
            "| of them in live data, nobody reading | \(liveCount) |",
            "| of these found by `verify` | \(foundCount) |",
            "| of these missed | \(liveCount - foundCount) |",
            "| wrong answers, of any command, by any flip | \(servedCount) |",
            "| of them a transaction number that took the newest commit back | "
                + "\(tally.sum(.takenBack, where: isLive)) |",
            "| ended by a signal | \(tally.sum(.crash)) |",
            "| unused bytes: no alarm, no effect | \(unusedCount) |",
            "| unused bytes: an alarm by mistake | \(tally.sum(.falseAlarm)) |", "",
            "Beneath a reader that has the ledger open, in pages it reads afterwards: "
                + "\(tally.sum(.notServed)) right answers or refusals, "
                + "\(tally.sum(.stopped)) ended by a signal inside LMDB before anything was "
                + "answered, \(tally.sum(.served) { $0.isBeneath }) wrong answers.", "",
            "| file | bytes that are | flips | found | no effect | beneath a reader | stopped | "
                + "faults |",
            "|---|---|---:|---:|---:|---:|---:|---:|",
        ]
        let files = Set(tally.counts.keys.map(\.file)).sorted()
        for file in files {
            for use in ["live", "redundant", "unused"] {
                func sum(_ outcome: Finding.Outcome? = nil) -> Int {
                    tally.sum(outcome) { $0.file == file && $0.use == use }
                }
                guard sum() > 0 else { continue }
                let bad = sum(.missed) + sum(.served) + sum(.falseAlarm) + sum(.crash)
                lines.append(
                    "| `\(file)` | \(use) | \(sum()) | \(sum(.found)) | \(sum(.harmless)) | "
                        + "\(sum(.notServed)) | \(sum(.stopped)) | \(bad) |")
            }
        }
        lines += ["", "| how | flips | found | no effect | faults |", "|---|---:|---:|---:|---:|"]
        for decay in Decay.allCases {
            func sum(_ outcome: Finding.Outcome? = nil) -> Int {
                tally.sum(outcome) { $0.decay == decay.rawValue && !$0.isBeneath }
            }
            let bad = sum(.missed) + sum(.served) + sum(.falseAlarm) + sum(.crash)
            lines.append(
                "| \(decay) | \(sum()) | \(sum(.found)) | \(sum(.harmless)) | \(bad) |")
        }
        if !tally.faults.isEmpty {
            lines += ["", "## Faults", ""] + tally.faults.prefix(200).map { "- `\($0)`" }
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
