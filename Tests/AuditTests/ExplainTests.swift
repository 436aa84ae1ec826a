import Audit
import EventLog
import Ledger
import LogForge
import ReconnectionRules
import Testing

/// `explain`: each situation beside the text somebody approved, and every position it cites.
@Suite struct ExplainTests {
    private let scratch = ScratchDirectory()

    @Test(arguments: Situation.newest + Situation.moments)
    func theStoryIsTheApprovedOne(situation: Situation) throws {
        do {
            let scene = try Scene(in: scratch("data"), concurrencies: situation.concurrencies)
            try situation.play(scene)
            try scene.end()
        }
        let reader = try LedgerReader(opening: scratch("data"))
        let moment = situation.at.map { Moment.time(Scene.time($0)) }
        let explanation = try Explainer(reader).explain(situation.user, at: moment)
        try Evidence(reader).expect(explanation)
        Approved.expect(
            ["Asked of \(situation.user)" + (situation.at.map { " at \($0)" } ?? "") + ":", ""]
                + ExplanationText.lines(explanation),
            situation.name)
    }

    /// A grant of many returns is told by its beginning, its end and the moment asked for.
    @Test func aLongGrantIsAbridged() throws {
        do {
            let scene = try Scene(in: scratch("data"))
            var session = try scene.at("09:00:00").connect("ann")
            for minute in 10 ..< 59 {
                try scene.at("09:\(minute):00").vanish("ann", session)
                session = try scene.at("09:\(minute):30").connect("ann")
            }
            try scene.at("10:00:00").destroy("ann", session)
            try scene.end()
        }
        let reader = try LedgerReader(opening: scratch("data"))
        let explanation = try Explainer(reader).explain("ann", at: .time(Scene.time("09:30:10")))
        try Evidence(reader).expect(explanation)
        Approved.expect(ExplanationText.lines(explanation), "long-grant")
        // Beyond the limit the story says where it was cut; without a limit it is not.
        var limits = Explainer.Limits()
        limits.userEventCount = 20
        let cut = try Explainer(reader, limits: limits)
            .explain("ann", at: .time(Scene.time("09:30:10")))
        try Evidence(reader).expect(cut)
        Approved.expect(ExplanationText.lines(cut), "long-grant-cut")
        let whole = try Explainer(reader, limits: .none)
            .explain("ann", at: .time(Scene.time("09:30:10")))
        #expect(whole.statements == explanation.statements)
    }

    @Test func aHeavyUserTakesFewReads() throws {
        let directory = DataDirectory(scratch("data"))
        try HeavyUser.write(to: directory, eventCount: 6_000)
        let reader = try LedgerReader(opening: directory.path)
        var limits = Explainer.Limits()
        limits.searchEventCount = 1_000
        var (worst, generator) = (0, SeededGenerator(seed: 5))
        for round in 0 ..< 60 {
            let moment = Position(3 + generator.below(Int(reader.head.position) - 3))
            let explanation = try Explainer(reader, limits: limits)
                .explain(HeavyUser.name, at: round == 0 ? nil : .position(moment))
            worst = max(worst, explanation.readCount)
        }
        // Two directions, a look at each named session, and the search.
        #expect(worst <= 2 * 256 + 2 * 256 + 1_000 + 100, "\(worst) reads for one explanation")
    }

    @Test func theJSONFormIsOneObject() throws {
        do {
            let scene = try Scene(in: scratch("data"))
            let session = try scene.at("09:00:00").connect("ann")
            try scene.at("09:12:30").vanish("ann", session)
            try scene.at("09:14:01.500").connect("ann")
            try scene.end()
        }
        let reader = try LedgerReader(opening: scratch("data"))
        let line = ExplanationText.json(try Explainer(reader).explain("ann", at: .position(7)))
        let start =
            #"{"user":"ann","isKnown":true,"at":7,"position":7,"#
            + #""time":"2026-03-01T09:14:00.000000Z","statements":[{"kind":"answer","#
            + #""text":"In short: ann lost cap/1 at "#
            + #"2026-03-01T09:14:00Z and came back 1.5 s after the window had closed (it was "#
            + #"90 s).","positions":[7,8]},{"kind":"moment","text":"At that moment ann held "#
            + #"nothing.","positions":[7]},"#
        #expect(line.hasPrefix(start), "\(line)")
        let end =
            #""losses":[{"position":7,"time":"2026-03-01T09:14:00.000000Z","#
            + #""reason":"windowExpired","since":6,"allowedSeconds":90,"outageSeconds":0,"#
            + #""returnPosition":8,"missedBySeconds":1.5,"sufficientSeconds":91.500001}]}"#
        #expect(line.hasSuffix(end), "\(line)")
        #expect(!line.contains("\n"))
    }
}

/// Checks that what a statement cites is there, and is about what it may be about.
struct Evidence {
    let reader: LedgerReader
    private let byPosition: [Position: Event]
    private let ofUser: [UserNumber: [Event]]

    init(_ reader: LedgerReader) throws {
        self.reader = reader
        let events = try reader.allEvents()
        byPosition = Dictionary(uniqueKeysWithValues: events.map { ($0.position, $0) })
        ofUser = Dictionary(grouping: events, by: \.user)
    }

    func expect(
        _ explanation: Explanation, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        #expect(!explanation.statements.isEmpty, sourceLocation: sourceLocation)
        let user = explanation.userNumber
        let own = ofUser[user, default: []]
        // What the user ever held or asked for: events about those may be cited too.
        let places = Set(own.filter { $0.concurrency != 0 }.map(place))
        let projects = Set(own.flatMap { [$0.project, $0.inputProject] })
        for statement in explanation.statements {
            #expect(statement.positions == Array(Set(statement.positions)).sorted())
            let isUnknown = statement.kind == .neverSeen
            #expect(!statement.positions.isEmpty || isUnknown, "\(statement.text)")
            for position in statement.positions where !isUnknown {
                let event = byPosition[position]
                let isAbout =
                    event.map { event in
                        event.user == user || event.isAboutLedger
                            || places.contains(place(event))
                            || projects.contains(event.project) && event.project != 0
                    } ?? false
                #expect(
                    isAbout, "[\(position)] in: \(statement.text)", sourceLocation: sourceLocation)
            }
        }
    }

    private func place(_ event: Event) -> UInt64 {
        UInt64(event.project) << 32 | UInt64(event.concurrency)
    }
}
