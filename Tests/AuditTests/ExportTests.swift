import Audit
import EventLog
import Foundation
import Ledger
import LogForge
import ReconnectionRules
import Testing

/// What leaves a ledger, line by line, and that nothing of it is lost.
@Suite struct ExportTests {
    private let scratch = ScratchDirectory()

    /// The export of a ledger as text.
    private func export(
        _ path: String, _ format: ExportFormat = .jsonl,
        _ change: (inout EventQuery) -> Void = { _ in }
    ) throws -> String {
        let reader = try LedgerReader(opening: path)
        var exporter = EventExporter(reader, format)
        change(&exporter.query)
        var bytes: [UInt8] = []
        let report = try exporter.run { bytes += $0 }
        #expect(report.byteCount == UInt64(bytes.count))
        return String(decoding: bytes, as: UTF8.self)
    }

    // MARK: - There and back

    @Test(arguments: 1...24 as ClosedRange<UInt64>)
    func aRandomLedgerComesBack(seed: UInt64) throws {
        let ledger = try RandomLedger(in: scratch("a"), seed: seed)
        let text = try export(scratch("a"))
        let file = scratch("events.jsonl")
        Files.write(Array(text.utf8), to: file)
        let report = try EventImporter(path: file).run(into: DataDirectory(scratch("b")))
        #expect(report.stateDigest == ledger.digest)
        #expect(report.head.position == ledger.head.position)
        #expect(try export(scratch("b")) == text)
        // Every field, the jumps too.
        let (first, second) = try (
            reading(scratch("a")) { try $0.allEvents() },
            reading(scratch("b")) { try $0.allEvents() }
        )
        #expect(first == second && report.eventCount == UInt64(first.count))
        #expect(try Verifier.verify(DataDirectory(scratch("b"))).stateDigest == ledger.digest)
        // The view that lies beside it is the one the events lead to, names and all.
        let (old, new) = try (
            reading(scratch("a")) { $0.answers }, reading(scratch("b")) { $0.answers }
        )
        #expect(old.users == new.users && old.projects == new.projects)
        #expect(old.jumpStacks == new.jumpStacks && old.numbers == new.numbers)
        try reading(scratch("b")) { reader in
            #expect(reader.recovery.replayedEventCount == 0 && reader.recovery.rejection == nil)
        }
    }

    @Test func theRandomLedgersHaveWhatTheyAreToShow() throws {
        var events: [Event] = []
        for seed in 1...24 as ClosedRange<UInt64> {
            _ = try RandomLedger(in: scratch("r\(seed)"), seed: seed)
            events += try reading(scratch("r\(seed)")) { try $0.allEvents() }
        }
        #expect(Set(events.map(\.kind)) == Set(Event.Kind.allCases))
        #expect(Set(events.map(\.outcome)) == Set(Event.Outcome.allCases))
        #expect(events.contains { $0.namesSession && $0.inputSession == 0 })
        #expect(events.contains { $0.kind == .disconnected && !$0.namesSession })
        #expect(events.contains { $0.jump != 0 })
        #expect(Set(events.map(\.caller)).count > 6)
    }

    /// A ledger that came back goes on as the first one would have.
    @Test func aLedgerThatCameBackGoesOn() throws {
        let ledger = try RandomLedger(in: scratch("a"), seed: 5)
        let file = scratch("events.jsonl")
        Files.write(Array(try export(scratch("a")).utf8), to: file)
        _ = try EventImporter(path: file).run(into: DataDirectory(scratch("b")))
        for path in [scratch("a"), scratch("b")] {
            let core = try WritableLedger(
                opening: DataDirectory(path), options: Ledger.Options()
            ).core
            let now = ledger.head.time + .seconds(500)
            try core.settle(at: now, wallOffset: 0)
            let project = RandomLedger.projects[0]
            let change = ProjectChange(concurrencyCount: 4)
            _ = try core.perform(.modifyProject(project, change), at: now, by: .library)
            _ = try core.perform(.apply(user: "new", project: project), at: now, by: .library)
            try core.commit(wallOffset: 0)
        }
        #expect(try export(scratch("a")) == export(scratch("b")))
    }

    @Test(.enabled(if: Traces.isThere, Comment(rawValue: Traces.whyNot)))
    func theRealTraceComesBack() throws {
        let settings = ProjectChange(concurrencyCount: 60)
        var trace = try TraceImporter(
            trace: TraceReader(path: Traces.chatA), project: "p", change: settings)
        _ = try trace.run(into: DataDirectory(scratch("a")))
        let file = try ExportFile(creating: scratch("events.jsonl"))
        try reading(scratch("a")) { reader in
            let report = try EventExporter(reader, .jsonl).run { try file.write($0) }
            #expect(report.eventCount == 41_345 && report.coveredPosition == 41_345)
        }
        try file.finish()
        let report = try EventImporter(path: scratch("events.jsonl"))
            .run(into: DataDirectory(scratch("b")))
        #expect(report.eventCount == 41_345)
        let counts = try reading(scratch("b")) { LedgerStatistics($0) }
        #expect(counts.counters.starts == 12_771 && counts.counters.resumed == 1_645)
        #expect(counts.counters.repossessed == 4_859 && counts.counters.heldNow == 60)
        let digest = try reading(scratch("a")) { LedgerStatistics($0).stateDigest }
        #expect(counts.stateDigest == digest)
        #expect(try export(scratch("b")).utf8.elementsEqual(Files.read(scratch("events.jsonl"))))
        // As rows: one a line, and the header.
        let rows = try export(scratch("a"), .csv).split(separator: "\r\n")
        #expect(rows.count == 41_346)
        #expect(rows.allSatisfy { $0.count { $0 == "," } == EventLineWriter.columns.count - 1 })
    }

    // MARK: - Lines

    /// Made in made-up time: project, two users, one refused, one lost and an epoch.
    private func smallStory(_ path: String) throws -> String {
        var options = Ledger.Options()
        options.clientAddresses = .full
        let core = try WritableLedger(opening: DataDirectory(path), options: options).core
        let start = Story.start
        func act(_ seconds: Int64, _ action: Action) throws {
            try core.settle(at: start + .seconds(seconds), wallOffset: 0)
            _ = try core.perform(action, at: start + .seconds(seconds), by: .credential(2))
        }
        let change = ProjectChange(concurrencyCount: 1, requiresSessionName: true)
        try act(0, .modifyProject("a, b", change))
        let address = ClientAddress("203.0.113.77")
        try act(1, .apply(user: "say \"hi\"", project: "a, b", address: address))
        try act(2, .createSession(user: "say \"hi\"", runsWithoutClient: true))
        try act(3, .apply(user: "ann", project: "a, b"))
        try act(4, .disconnect(user: "ann", session: 0))
        try core.commit(wallOffset: 0)
        try core.beginEpoch(at: start + 5_500_000, outage: 1_500_000, by: .ledger)
        try core.commit(wallOffset: 0)
        return core.log.ledgerId
    }

    @Test func jsonLines() throws {
        _ = try smallStory(scratch("a"))
        let lines = try export(scratch("a")).split(separator: "\n").map(String.init)
        #expect(lines.count == 9)
        #expect(
            lines[1] == """
                {"position":2,"time":"2023-11-14T22:13:20.000000Z","kind":"projectModified",\
                "outcome":"done","user":null,"userNumber":null,"clientAddress":null,\
                "project":"a, b","concurrency":null,"session":null,\
                "state":null,"deadline":null,"namedSession":null,"runsWithoutClient":false,\
                "askedProject":null,"caller":"credential 2","previousOfUser":null,\
                "previousOfConcurrency":1,"settings":{"concurrencies":1,\
                "reconnectWindowSeconds":90,"lockTimeoutSeconds":30,"cleanupTimeSeconds":0,\
                "requiresSessionName":true}}
                """)
        #expect(
            lines[7] == """
                {"position":8,"time":"2023-11-14T22:13:24.000000Z","kind":"disconnected",\
                "outcome":"stale","user":"ann","userNumber":2,"clientAddress":null,"project":null,\
                "concurrency":null,"session":null,\
                "state":null,"deadline":null,"namedSession":0,"runsWithoutClient":false,\
                "askedProject":null,"caller":"credential 2","previousOfUser":7,\
                "previousOfConcurrency":null}
                """)
        #expect(
            lines[8] == """
                {"position":512389619384320,"time":"2023-11-14T22:13:25.500000Z",\
                "kind":"epochBegun","outcome":"done","user":null,"userNumber":null,\
                "clientAddress":null,"project":null,\
                "concurrency":null,"session":null,"state":null,"deadline":null,\
                "namedSession":null,"runsWithoutClient":false,"askedProject":null,\
                "caller":"ledger","previousOfUser":null,"previousOfConcurrency":null,\
                "outageSeconds":1.5,"previousEpochEnd":8,"eventsBefore":8}
                """)
    }

    @Test func rows() throws {
        _ = try smallStory(scratch("a"))
        let text = try export(scratch("a"), .csv)
        let expected = [
            "position,time,kind,outcome,user,userNumber,clientAddress,project,concurrency,"
                + "session,state,deadline,"
                + "namedSession,runsWithoutClient,askedProject,caller,previousOfUser,"
                + "previousOfConcurrency,outageSeconds,previousEpochEnd,eventsBefore,"
                + "concurrencies,reconnectWindowSeconds,lockTimeoutSeconds,cleanupTimeSeconds,"
                + "requiresSessionName",
            "1,2023-11-14T22:13:20.000000Z,projectNamed,done,,,,\"a, b\",,,,,,false,,credential 2"
                + ",,,,,,,,,,",
            "2,2023-11-14T22:13:20.000000Z,projectModified,done,,,,\"a, b\",,,,,,false,"
                + ",credential 2,,1,,,,1,90,30,0,true",
            "3,2023-11-14T22:13:21.000000Z,userNamed,done,\"say \"\"hi\"\"\",1,,,,,,,,false,"
                + ",credential 2,,,,,,,,,,",
            "4,2023-11-14T22:13:21.000000Z,applied,granted,\"say \"\"hi\"\"\",1,203.0.113.77,"
                + "\"a, b\",1,,"
                + "reserved,2023-11-14T22:13:51.000000Z,,false,\"a, b\",credential 2,3,,,,,,,,,",
            "5,2023-11-14T22:13:22.000000Z,sessionCreated,fresh,\"say \"\"hi\"\"\",1,,\"a, b\",1,5,"
                + "connected,,,true,,credential 2,4,4,,,,,,,,",
            "6,2023-11-14T22:13:23.000000Z,userNamed,done,ann,2,,,,,,,,false,,credential 2"
                + ",,,,,,,,,,",
            "7,2023-11-14T22:13:23.000000Z,applied,noIdle,ann,2,,,,,,,,false,\"a, b\",credential 2,"
                + "6,,,,,,,,,",
            "8,2023-11-14T22:13:24.000000Z,disconnected,stale,ann,2,,,,,,,0,false,,credential 2,7"
                + ",,,,,,,,,",
            "512389619384320,2023-11-14T22:13:25.500000Z,epochBegun,done,,,,,,,,,,false,,ledger,"
                + ",,1.5,8,8,,,,,",
        ]
        #expect(text.hasSuffix("\r\n"))
        let lines = text.components(separatedBy: "\r\n").dropLast()
        for (line, expected) in zip(lines, expected) { #expect(line == expected) }
        #expect(lines.count == expected.count)
    }

    @Test func cloudEvents() throws {
        let id = try smallStory(scratch("a"))
        let lines = try export(scratch("a"), .cloudevents).split(separator: "\n")
        let data = try export(scratch("a")).split(separator: "\n")
        #expect(
            lines[3] == """
                {"specversion":"1.0","id":"\(id)/4","source":"urn:holdfast:\(id)",\
                "type":"holdfast.applied","time":"2023-11-14T22:13:21.000000Z",\
                "subject":"say \\"hi\\"","datacontenttype":"application/json","data":\(data[3])}
                """)
        #expect(
            lines[8] == """
                {"specversion":"1.0","id":"\(id)/512389619384320","source":"urn:holdfast:\(id)",\
                "type":"holdfast.epochBegun","time":"2023-11-14T22:13:25.500000Z",\
                "datacontenttype":"application/json","data":\(data[8])}
                """)
        // The attributes the specification requires, and none it forbids.
        var ids: Set<String> = []
        for line in lines {
            let object = try #require(
                try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
            ids.insert(try #require(object["id"] as? String))
            #expect(
                Set(object.keys).isSubset(of: [
                    "specversion", "id", "source", "type", "time", "subject", "datacontenttype",
                    "data",
                ]))
        }
        #expect(ids.count == lines.count)
    }

    // MARK: - Parts

    @Test func filtersLeaveWhatTheyName() throws {
        _ = try RandomLedger(in: scratch("a"), seed: 2)
        let all = try export(scratch("a")).split(separator: "\n")
        #expect(
            try export(scratch("a")) { $0.filter.kinds = [.repossessed] }.split(separator: "\n")
                == all.filter { $0.contains(#""kind":"repossessed""#) })
        #expect(
            try export(scratch("a")) { $0.filter.user = "ann" }.split(separator: "\n")
                == all.filter { $0.contains(#""user":"ann""#) })
        let middle = all[all.count / 2]
        let position = try #require(
            Position(middle.dropFirst(#"{"position":"#.count).prefix { $0 != "," }))
        let rest = try export(scratch("a")) { $0.after = position }.split(separator: "\n")
        #expect(rest == Array(all[(all.count / 2 + 1)...]) && !rest.isEmpty)
        let nothing = try export(scratch("a"), .csv) { $0.filter.userNumber = 4_000 }
        #expect(nothing == EventLineWriter.columns.joined(separator: ",") + "\r\n")
    }

    // MARK: - Files

    @Test(arguments: ExportFormat.allCases)
    func anExportGoesOnFromAnyPlaceItBrokeOffAt(format: ExportFormat) throws {
        _ = try RandomLedger(in: scratch("a"), seed: 3, stepCount: 60)
        let reader = try LedgerReader(opening: scratch("a"))
        let exporter = EventExporter(reader, format)
        var whole: [UInt8] = []
        _ = try exporter.run { whole += $0 }
        let path = scratch("out")
        var random = SeededGenerator(
            seed: SeededGenerator.announced(11, for: "where an export breaks off"))
        for cut in [0, 1, 5, 200, 300, whole.count - 1, whole.count]
            + (0..<40).map({ _ in random.below(whole.count) })
        {
            Files.remove(path)
            Files.write(Array(whole[..<cut]), to: path + ".part")
            let file = try ExportFile(resuming: path, exporter.lines, of: reader)
            var rest = exporter
            rest.query.after = file.lastPosition
            _ = try rest.run(startsWithHeader: !file.hasHeader) { try file.write($0) }
            try file.finish()
            #expect(Files.read(path) == whole, "broken off at byte \(cut)")
            #expect(!Files.exists(path + ".part"))
        }
        // A whole one goes on where it is.
        let file = try ExportFile(resuming: path, exporter.lines, of: reader)
        #expect(file.lastPosition == reader.head.position)
        try file.finish()
        #expect(Files.read(path) == whole)
    }

    @Test func whatIsThereIsNotOverwritten() throws {
        _ = try RandomLedger(in: scratch("a"), seed: 3, stepCount: 20)
        Files.write([1], to: scratch("whole"))
        Files.write([1], to: scratch("broken.part"))
        for name in ["whole", "broken"] {
            #expect(throws: LedgerError.self) { try ExportFile(creating: scratch(name)) }
        }
        #expect(Files.read(scratch("whole")) == [1] && Files.read(scratch("broken.part")) == [1])
        #expect(throws: LedgerError.self) { try ExportFile(creating: scratch("no/such")) }
    }

    /// A file without a line end may be the beginning of an export, or anything else.
    @Test(arguments: ["precious note", "{\"position\":1,\"time\":\"1999", "", "keys"])
    func whatNoExportBeginsWithStays(content: String) throws {
        _ = try RandomLedger(in: scratch("a"), seed: 3, stepCount: 40)
        let reader = try LedgerReader(opening: scratch("a"))
        let exporter = EventExporter(reader, .jsonl)
        let keys = DataDirectory(scratch("a")).personalKeys
        let bytes = content == "keys" ? Files.read(keys) : Array(content.utf8)
        for part in ["", ".part"] {
            Files.remove(scratch("out"))
            Files.remove(scratch("out.part"))
            Files.write(bytes, to: scratch("out") + part)
            func resume() throws {
                let file = try ExportFile(resuming: scratch("out"), exporter.lines, of: reader)
                _ = try exporter.run(startsWithHeader: !file.hasHeader) { try file.write($0) }
                try file.finish()
            }
            if content.isEmpty {
                try resume()
                continue
            }
            #expect(throws: LedgerError.self) { try resume() }
            #expect(Files.read(scratch("out") + part) == bytes)
        }
    }

    @Test func oneExportAtATimeWritesAFile() throws {
        _ = try RandomLedger(in: scratch("a"), seed: 3, stepCount: 20)
        let reader = try LedgerReader(opening: scratch("a"))
        let lines = EventLineWriter(.jsonl, ledgerId: reader.log.ledgerId)
        let first = try ExportFile(creating: scratch("out"))
        #expect(throws: LedgerError.self) {
            try ExportFile(resuming: scratch("out"), lines, of: reader)
        }
        try first.finish()
    }

    @Test func anotherLedgersExportIsNotGoneOnWith() throws {
        for seed in [3, 4] as [UInt64] {
            _ = try RandomLedger(in: scratch("\(seed)"), seed: seed, stepCount: 40)
        }
        let reader = try LedgerReader(opening: scratch("3"))
        var contents: [[UInt8]] = []
        for format in ExportFormat.allCases {
            contents.append(Array(try export(scratch("4"), format).utf8))
        }
        contents.append(Array("not an export\n".utf8))
        contents.append([UInt8](repeating: 0x41, count: 200_000))
        for content in contents {
            Files.write(content, to: scratch("out"))
            for format in ExportFormat.allCases {
                let lines = EventLineWriter(format, ledgerId: reader.log.ledgerId)
                #expect(throws: LedgerError.self) {
                    try ExportFile(resuming: scratch("out"), lines, of: reader)
                }
            }
            #expect(Files.read(scratch("out")) == content)
        }
    }
}
