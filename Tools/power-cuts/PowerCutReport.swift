import JSON
import PowerCuts

/// What a whole run found, as a page and as an object.
struct PowerCutReport {
    var seed: UInt64
    var tally = CutTally()
    var runCount = 0
    var stepCount = 0
    var syncCount = 0
    var answersGiven = 0
    var headsGiven = 0
    var runsByKind: [String: Int] = [:]
    var seconds = 0.0

    init(seed: UInt64) { self.seed = seed }

    mutating func add(_ recording: Recording, _ tally: CutTally) {
        self.tally.add(tally)
        runCount += 1
        stepCount += recording.steps.count
        syncCount += recording.steps.count { $0.kind == .sync }
        answersGiven += recording.answers.count
        headsGiven += recording.published.count
        let kind = String(recording.name.prefix { $0 != ":" })
        runsByKind[kind, default: 0] += 1
    }

    private var rows: [(key: String, words: String, value: Int)] {
        [
            ("states", "disk states opened", tally.stateCount),
            ("runs", "recorded runs", runCount),
            ("steps", "writes, waits and changes of names in them", stepCount),
            ("waits", "of them waits for the disk", syncCount),
            ("answersGiven", "answers given in the runs", answersGiven),
            ("headsGiven", "heads handed out in the runs", headsGiven),
            ("answersFound", "answers looked for in a state and found as given", tally.answerCount),
            ("blank", "states from before the first answer, without a ledger", tally.blankCount),
            ("exact", "states that end with the newest answer", tally.exactCount),
            ("longer", "states that hold more than was answered", tally.longerCount),
            ("viewsDropped", "states whose views were not used", tally.droppedViewCount),
            ("verified", "states also verified, with the heads handed out", tally.verifiedCount),
            ("continued", "states also written to again", tally.continuedCount),
            ("wholeCopies", "backups, restored and imported ledgers that were whole",
                tally.wholeCount),
            ("unfinishedCopies", "of them unfinished, and not taken for whole",
                tally.unfinishedCount),
            ("lyingRefused", "the medium lied: refused with an error", tally.refusedCount),
            ("lyingShorter", "the medium lied: sound, and shorter than answered",
                tally.shorterCount),
            ("acknowledgedLost", "answers lost on an honest medium", 0),
            ("wrong", "wrong answers on any medium", 0),
        ]
    }

    /// Written only when no state broke a promise: the two zeros are what the run would have ended
    /// at.
    var markdown: String {
        var text = """
            # Power cuts

            Disk states that a power cut may leave, built from recorded runs and opened with the \
            real LMDB: see [crash-safety.md](../crash-safety.md). The run ends at the first state \
            that breaks a promise, so the last two lines are what it was looking for.

            `swift run -c release power-cuts --states \(tally.stateCount) --seed \(seed)`, \
            \(Int(seconds)) s.

            | | |
            |---|---:|

            """
        for row in rows { text += "| \(row.words) | \(Self.grouped(row.value)) |\n" }
        text += "\nRuns by what was going on: "
        text += runsByKind.sorted { $0.key < $1.key }
            .map { "\($0.key) \($0.value)" }.joined(separator: ", ")
        text += ".\n\nHow a medium that lied was refused:\n\n| | |\n|---|---:|\n"
        let refusals = tally.refusals.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        for (reason, count) in refusals.prefix(12) {
            text += "| \(reason.replacing("|", with: " ")) … | \(Self.grouped(count)) |\n"
        }
        return text
    }

    var json: String {
        let bytes = JSONObjectWriter.bytes { object in
            object.unsigned("seed", seed)
            object.unsigned("seconds", UInt64(seconds))
            for row in rows { object.unsigned(row.key, UInt64(row.value)) }
            for (kind, count) in runsByKind.sorted(by: { $0.key < $1.key }) {
                object.unsigned("runs-" + kind, UInt64(count))
            }
        }
        return String(decoding: bytes, as: UTF8.self) + "\n"
    }

    private static func grouped(_ number: Int) -> String {
        var digits = Array(String(number))
        var index = digits.count - 3
        while index > 0 {
            digits.insert(",", at: index)
            index -= 3
        }
        return String(digits)
    }
}
