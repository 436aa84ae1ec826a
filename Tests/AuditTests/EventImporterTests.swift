import Audit
import EventLog
import Ledger
import LogForge
import ReconnectionRules
import Testing

/// What is refused as an export, at which line and why, and that nothing of it stays.
@Suite struct EventImporterTests {
    private let scratch = ScratchDirectory()

    /// The lines of a story of some two hundred events.
    private func lines() throws -> [String] {
        let story = try Story(in: scratch("story"))
        let reader = try LedgerReader(opening: story.directory.path)
        return story.events.map { EventJSON.line(reader.named($0)) }
    }

    private struct Unrefused: Error {}

    private func refusal(_ text: String) throws -> TraceError {
        Files.write(Array(text.utf8), to: scratch("file"))
        let target = DataDirectory(scratch("target"))
        do {
            _ = try EventImporter(path: scratch("file")).run(into: target)
            Issue.record("the file was taken")
        } catch let error as TraceError {
            // As if nobody had asked.
            #expect(!Files.exists(target.path))
            return error
        }
        throw Unrefused()
    }

    struct Edit: Sendable, CustomTestStringConvertible {
        var testDescription: String
        /// The first line with this text is changed.
        var at: String
        var replace: String
        var by: String
        var says: String

        init(_ what: String, at: String, _ replace: String, _ by: String, says: String) {
            testDescription = what
            self.at = at
            self.replace = replace
            self.by = by
            self.says = says
        }
    }

    static let edits = [
        Edit("no JSON", at: "granted", "{", "", says: "is no JSON object"),
        Edit("text behind", at: "granted", "}", "} x", says: "is no JSON object"),
        Edit("an array", at: "granted", "{\"position\"", "[{\"position\"", says: "no JSON object"),
        Edit("a field less", at: "granted", ",\"caller\":\"library\"", "",
            says: "has no field caller"),
        Edit("a field more", at: "granted", "{", "{\"extra\":1,", says: "a field extra"),
        Edit("a field twice", at: "granted", "{", "{\"kind\":\"applied\",", says: "given twice"),
        Edit(
            "a field of another kind", at: "granted", "{", "{\"outageSeconds\":1,",
            says: "a field outageSeconds"),
        Edit(
            "a word for a number", at: "granted", "\"concurrency\":1", "\"concurrency\":\"1\"",
            says: "a concurrency that is no number in range"),
        Edit(
            "a number out of range", at: "granted", "\"concurrency\":1",
            "\"concurrency\":4294967296", says: "a concurrency that is no number in range"),
        Edit(
            "a fraction", at: "granted", "\"concurrency\":1", "\"concurrency\":1.5",
            says: "a concurrency that is no number in range"),
        Edit("no time", at: "granted", "\"time\":\"2023", "\"time\":\"",
            says: "a time that is not"),
        Edit("no kind", at: "granted", "applied", "asked", says: "no kind that is known"),
        Edit("no outcome", at: "granted", "granted", "given", says: "no outcome that is known"),
        Edit("no state", at: "granted", "reserved", "booked", says: "no state that is known"),
        Edit("no caller", at: "granted", "library", "somebody", says: "a caller somebody"),
        Edit(
            "a caller of another spelling", at: "granted", "\"library\"", "\"credential 07\"",
            says: "a caller credential 07"),
        Edit(
            "an empty name", at: "userNamed", "\"user\":\"user-", "\"user\":\"\",\"x\":\"",
            says: "a user that is neither a text nor null"),
        Edit(
            "a name with a line feed", at: "userNamed", "\"user\":\"user-", "\"user\":\"\\u000a",
            says: "control"),
        Edit(
            "a user without a number", at: "granted", "\"user\":\"user-", "\"user\":\"nobody-",
            says: "has no number yet"),
        Edit(
            "a project without a number", at: "granted", "\"askedProject\":\"alpha\"",
            "\"askedProject\":\"gamma\"", says: "the project gamma has no number yet"),
        Edit(
            "settings that are none", at: "projectModified", "\"reconnectWindowSeconds\":90",
            "\"reconnectWindowSeconds\":0.5", says: "the settings are out of bounds"),
        Edit(
            "a setting more", at: "projectModified", "\"settings\":{", "\"settings\":{\"x\":1,",
            says: "a setting x"),
        Edit(
            "a window that is no number", at: "projectModified", "\"reconnectWindowSeconds\":90",
            "\"reconnectWindowSeconds\":\"90\"", says: "that is no number"),
        Edit(
            "a session where none belongs", at: "projectModified", "\"session\":null",
            "\"session\":4", says: "where none belongs"),
        // Sound lines that the rules do not decide.
        Edit("a refusal made a grant", at: "noIdle", "noIdle", "granted", says: "the rules decide"),
        Edit(
            "another deadline", at: "\"waiting\"", "\"deadline\":\"2023", "\"deadline\":\"2024",
            says: "the rules decide deadline"),
        Edit(
            "another user's event", at: "granted", "\"previousOfUser\":",
            "\"previousOfUser\":1", says: "the rules decide the user's previous event"),
        Edit(
            "an earlier time", at: "windowExpired", "\"time\":\"2023", "\"time\":\"2022",
            says: "ledger time runs backward"),
        Edit(
            "a negative outage", at: "opened", "\"outageSeconds\":", "\"outageSeconds\":-",
            says: "the outage is negative"),
        Edit(
            "an outage without end", at: "opened", "\"outageSeconds\":",
            "\"outageSeconds\":9999999999999", says: "out of range"),
    ]

    @Test(arguments: edits)
    func aChangedLineIsRefused(edit: Edit) throws {
        var lines = try lines()
        let index = try #require(lines.firstIndex { $0.contains(edit.at) })
        let place = try #require(lines[index].firstRange(of: edit.replace), "\(lines[index])")
        lines[index].replaceSubrange(place, with: edit.by)
        let error = try refusal(lines.joined(separator: "\n") + "\n")
        #expect(error.line == index + 1)
        #expect(error.path == scratch("file"))
        #expect(error.reason.contains(edit.says), "\(error)")
    }

    @Test func aLineIsMissing() throws {
        let all = try lines()
        for missing in [0, 1, 17, 100, all.count - 2] {
            var lines = all
            lines.remove(at: missing)
            let error = try refusal(lines.joined(separator: "\n") + "\n")
            #expect(error.line == missing + 1)
            #expect(
                error.reason == "the export is not whole: position \(missing + 1) is missing")
        }
    }

    @Test func linesOutOfOrder() throws {
        var lines = try lines()
        lines.swapAt(50, 51)
        #expect(try refusal(lines.joined(separator: "\n") + "\n").reason.contains("51 is missing"))
        lines.swapAt(50, 51)
        lines.insert(lines[50], at: 51)
        let error = try refusal(lines.joined(separator: "\n") + "\n")
        #expect(error.line == 52)
        #expect(error.reason.contains("not in order: position 51 comes behind position 51"))
    }

    @Test func theEndIsMissing() throws {
        let lines = try lines()
        let whole = lines.joined(separator: "\n") + "\n"
        // In the middle of the last line, of the last action, and right before the line feed.
        let cut = try refusal(String(whole.dropLast()))
        #expect(cut.line == lines.count && cut.reason.contains("the last line is cut off"))
        #expect(try refusal(String(whole.dropLast(50))).line == lines.count)
        let half = try refusal(lines.dropLast().joined(separator: "\n") + "\n")
        #expect(half.reason.contains("the log ends in the middle of an action: position "))
        #expect(half.reason.contains("\(lines.count) is missing"))
        #expect(try refusal("").reason == "the file has no events")
        #expect(try refusal("\n").line == 1)
        let long = "{\"position\":1,\"time\":\"" + String(repeating: "9", count: 200_000)
        #expect(try refusal(long).reason.contains("longer than any"))
    }

    @Test func aNameIsBoundTwice() throws {
        var lines = try lines()
        let named = lines.indices.filter { lines[$0].contains("\"kind\":\"userNamed\"") }
        let name = try #require(lines[named[0]].firstMatch(of: #/"user":"([^"]+)"/#)).1
        lines[named[1]].replace(#/"user":"[^"]+"/#, with: "\"user\":\"\(name)\"")
        let error = try refusal(lines.joined(separator: "\n") + "\n")
        #expect(error.line == named[1] + 1 && error.reason.contains("has its number already"))
    }

    /// JSON says the same thing in more than one way.
    @Test func membersMayStandInAnyOrder() throws {
        let story = try Story(in: scratch("story"), hasEpochs: true)
        let lines = try reading(story.directory.path) { reader in
            story.events.map { EventJSON.line(reader.named($0)) }
        }
        let shuffled = lines.map { line in
            // The position to the end, blanks around it, and a carriage return.
            let comma = line.firstIndex(of: ",")!
            return "{ " + line[line.index(after: comma)...].dropLast() + " , "
                + line[..<comma].dropFirst() + "}\r"
        }
        Files.write(Array((shuffled.joined(separator: "\n") + "\n").utf8), to: scratch("file"))
        let target = DataDirectory(scratch("target"))
        let report = try EventImporter(path: scratch("file")).run(into: target)
        #expect(report.stateDigest == story.digest)
    }

    @Test func anEpochThatIsNotWholeIsRefused() throws {
        let story = try Story(in: scratch("story"), hasEpochs: true)
        let lines = try reading(story.directory.path) { reader in
            story.events.map { EventJSON.line(reader.named($0)) }
        }
        let index = try #require(story.events.firstIndex { $0.kind == .epochBegun })
        let end = story.events[index].previousOfUser
        for (missing, position) in [(index, end + 1), (index - 1, end)] {
            var rest = lines
            rest.remove(at: missing)
            let error = try refusal(rest.joined(separator: "\n") + "\n")
            #expect(error.line == missing + 1)
            #expect(error.reason == "the export is not whole: position \(position) is missing")
        }
    }

    @Test func onlyAnEmptyDirectoryIsTaken() throws {
        let lines = try lines()
        Files.write(Array((lines.joined(separator: "\n") + "\n").utf8), to: scratch("file"))
        let importer = EventImporter(path: scratch("file"))
        let before = Files.all(below: scratch("story"))
        #expect(throws: LedgerError.self) {
            try importer.run(into: DataDirectory(scratch("story")))
        }
        #expect(Files.all(below: scratch("story")).keys.sorted() == before.keys.sorted())
        // One that broke off says what to do, to every command.
        let target = DataDirectory(scratch.directory("target"))
        _ = scratch.directory("target/unfinished")
        for use in [
            { _ = try importer.run(into: target) }, { _ = try LedgerReader(opening: target.path) },
            { _ = try WritableLedger(opening: target, options: Ledger.Options()) },
        ] {
            do {
                try use()
                Issue.record("an unfinished import was taken for a ledger")
            } catch let error as LedgerError {
                #expect(error.message.contains("remove \(target.path)/unfinished and begin again"))
            }
        }
        Files.remove(target.path + "/unfinished")
        _ = try importer.run(into: target)
        #expect(!Files.exists(target.path + "/unfinished"))
        #expect(Files.exists(target.log + "/data.mdb"))
    }

    @Test func aTraceIsNoExport() throws {
        Files.write(Array(syntheticTrace(seed: 1, rowCount: 3).utf8), to: scratch("trace"))
        Files.write(Array("\n {\"position\":1}\n".utf8), to: scratch("export"))
        Files.write(Array("{\"position\":1}\n".utf8), to: scratch("better"))
        #expect(try ImportedForm.of(scratch("trace")) == .trace)
        #expect(try ImportedForm.of(scratch("export")) == .trace)
        #expect(try ImportedForm.of(scratch("better")) == .export)
        let error = #expect(throws: TraceError.self) {
            try ImportedForm.of(scratch("nowhere"))
        }
        #expect(error?.reason.contains("cannot open the file") == true)
    }
}
