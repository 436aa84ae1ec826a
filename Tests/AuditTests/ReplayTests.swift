@testable import Audit
import EventLog
import Ledger
import LogForge
import ReconnectionRules
import Testing

/// States beside events, forward and back; and the view without a terminal.
@Suite struct ReplayTests {
    private let scratch = ScratchDirectory()

    /// Every state there was, by position.
    private static func states(_ events: [Event]) -> [Digest32] {
        var state = State()
        var digests = [StateDigest.of(state)]
        for event in events {
            state.evolve(event)
            digests.append(StateDigest.of(state))
        }
        return digests
    }

    /// Positions that an epoch left out are no events: nothing stands there, nothing stops there.
    @Test(arguments: [1, 2] as [UInt64])
    func epochsAreSteppedOver(seed: UInt64) throws {
        let story = try Story(in: scratch("data"), seed: seed, hasEpochs: true)
        let reader = try LedgerReader(opening: story.directory.path)
        let positions = story.events.map(\.position)
        #expect(positions.last != Position(positions.count), "no epoch left anything out")
        let digests = Self.states(story.events)
        let states = reader.pastStates(memoryByteCount: 1 << 20)
        let session = try ReplaySession(reader, states: states)
        _ = try session.screen(ReplaySize(columns: 80, rows: 24))
        for (index, position) in positions.enumerated().reversed() {
            #expect(session.position == position)
            #expect(StateDigest.of(try states.state(at: position)) == digests[index + 1])
            _ = try session.press(.up)
        }
        for position in positions {
            #expect(session.position == position)
            _ = try session.press(.down)
        }
        var stream = ReplayStream()
        var streamed: [Position] = []
        stream.filter.since = .position(positions[positions.count / 2])
        try stream.run(on: reader) { moment in
            streamed.append(moment.named.event.position)
            return true
        }
        #expect(streamed == Array(positions[(positions.count / 2)...]))
    }

    // MARK: - Printed

    @Test(arguments: [1, 5] as [UInt64])
    func aStreamShowsTheStateAfterEachEvent(seed: UInt64) throws {
        let story = try Story(in: scratch("data"), seed: seed)
        let reader = try LedgerReader(opening: story.directory.path)
        for from in [1, 2, 77, Position(story.events.count)] {
            var stream = ReplayStream()
            stream.filter.since = .position(from)
            var position = from
            let states = reader.pastStates(memoryByteCount: 1 << 20)
            try stream.run(on: reader) { moment in
                let event = story.events[Int(position) - 1]
                #expect(moment.named == reader.named(event))
                if event.user == 0 {
                    #expect(moment.user == nil)
                } else {
                    let held = try reader.user(number: event.user, at: .position(position))
                    #expect(moment.user == held)
                }
                try expectCounts(moment, reader, states.state(at: position))
                position += 1
                return true
            }
            #expect(position == Position(story.events.count) + 1)
        }
    }

    /// An address that is recorded stands with the event here as in every other output.
    @Test(arguments: [1, 2] as [UInt64])
    func aReplayedEventHasItsAddress(seed: UInt64) throws {
        let ledger = try RandomLedger(in: scratch("data"), seed: seed)
        let reader = try LedgerReader(opening: ledger.directory.path)
        var expected: [NamedEvent] = []
        try EventQuery().run(on: reader) { named in
            expected.append(named)
            return true
        }
        let addresses = Set(expected.compactMap(\.clientAddress))
        #expect(addresses.count == 2, "\(addresses)")
        #expect(expected.contains { $0.event.kind == .applied && $0.clientAddress == nil })
        for kinds in [[], [.sessionCreated]] as [Set<Event.Kind>] {
            var stream = ReplayStream()
            stream.filter.kinds = kinds
            var shown = expected.filter { kinds.isEmpty || kinds.contains($0.event.kind) }[...]
            try stream.run(on: reader) { moment in
                #expect(moment.named == shown.popFirst())
                let event = EventJSON.line(moment.named)
                #expect(ReplayJSON.line(moment).hasPrefix("{\"event\":\(event),"))
                return true
            }
            #expect(shown.isEmpty)
        }
    }

    private func expectCounts(
        _ moment: ReplayMoment, _ reader: LedgerReader, _ state: State
    ) throws {
        let event = moment.named.event
        let project = event.project != 0 ? event.project : event.inputProject
        guard project != 0 else {
            #expect(moment.counts == nil)
            return
        }
        #expect(moment.project == reader.view.projects.name(of: UInt32(project)))
        #expect(moment.counts == StateCounts(state.projects[Int(project)]))
        #expect(moment.counts?.running == state.projects[Int(project)].runningCount)
        #expect(moment.counts?.total == state.projects[Int(project)].settings.concurrencyCount)
    }

    @Test func aStreamStopsBehindWhatItIsAskedFor() throws {
        let story = try Story(in: scratch("data"))
        let reader = try LedgerReader(opening: story.directory.path)
        let goal = story.first { $0.kind == .repossessed && $0.position > 80 }
        var stream = ReplayStream()
        stream.filter.since = .time(story.events[79].time)
        stream.stop = try EventCondition("kind=repossessed and position>80")
        var last: Position = 0
        let isMet = try stream.run(on: reader) { moment in
            last = moment.named.event.position
            return true
        }
        #expect(isMet && last == goal.position)
        stream.filter.until = .position(goal.position - 1)
        #expect(try !stream.run(on: reader) { _ in true })
        // Only what is handed over can stop it, and a user is looked at beside every event.
        stream.filter.until = nil
        stream.filter.kinds = [.applied]
        stream.user = "user-0"
        var looked: [ReplayMoment] = []
        let isMetByOthers = try stream.run(on: reader) { moment in
            looked.append(moment)
            return true
        }
        #expect(!isMetByOthers && !looked.isEmpty)
        #expect(looked.allSatisfy { $0.named.event.kind == .applied })
        #expect(looked.contains { $0.user != nil && $0.named.user != "user-0" })
        #expect(looked.allSatisfy { $0.user?.name ?? "user-0" == "user-0" })
    }

    // MARK: - Keys

    @Test func keysAreReadInPiecesToo() {
        let bytes: [UInt8] =
            Array("\u{1B}[A\u{1B}OB\u{1B}[5~\u{1B}[6~\u{1B}[1;5H\u{1B}[4~j王\u{1B}[99~\r\u{7F}".utf8)
            + [0x15, 0x03, 0x1A, 0x0C, 0x01, 0xFF] + Array("é".utf8)
        let keys: [ReplayKey] = [
            .up, .down, .pageUp, .pageDown, .home, .end, .character("j"), .character("王"), .enter,
            .backspace, .eraseLine, .interrupt, .suspend, .redraw, .character("é"),
        ]
        for size in [1, 2, 3, 100] {
            var decoder = ReplayKeyDecoder()
            var found: [ReplayKey] = []
            var rest = bytes[...]
            while !rest.isEmpty {
                found += decoder.keys(in: rest.prefix(size))
                rest = rest.dropFirst(size)
            }
            #expect(found == keys, "\(size) bytes at a time")
            #expect(!decoder.isWaiting)
        }
        var decoder = ReplayKeyDecoder()
        #expect(decoder.keys(in: [0x1B]).isEmpty && decoder.isWaiting)
        #expect(decoder.flush() == [.escape] && !decoder.isWaiting)
        #expect(decoder.keys(in: [0x1B, 0x71]) == [.escape, .character("q")])
    }

    /// A sequence that never ends is dropped, as much of it however much was read at once.
    @Test(arguments: [1, 5, 16, 17, 18, 40]) func whatNoTerminalSendsIsDroppedInPieces(size: Int) {
        let sent = [0x1B, 0x5B] + [UInt8](repeating: 0x31, count: 30) + Array("q".utf8)
        var decoder = ReplayKeyDecoder()
        var keys: [ReplayKey] = []
        for start in stride(from: 0, to: sent.count, by: size) {
            keys += decoder.keys(in: sent[start ..< min(sent.count, start + size)])
        }
        let rest = (0 ..< 15).map { _ in ReplayKey.character("1") }
        #expect(keys == rest + [.character("q")])
    }

    /// Wherever keys lead, the screen shows the event, its state, and fits the terminal.
    @Test(arguments: [1, 2, 3] as [UInt64])
    func anyKeysLeadToTrueScreens(seed: UInt64) throws {
        let story = try Story(in: scratch("data"), seed: seed)
        let reader = try LedgerReader(opening: story.directory.path)
        let digests = Self.states(story.events)
        let states = reader.pastStates(memoryByteCount: 1 << 20)
        let session = try ReplaySession(reader, states: states)
        var generator = SeededGenerator(seed: seed)
        let keys: [[ReplayKey]] = [
            [.up], [.down], [.up], [.pageUp], [.pageDown], [.home], [.end], [.character("u")],
            [.character("U")], [.character("c")], [.character("C")], [.character("x")],
            [.character("?")], typed("/kind=repossessed"), typed("\\outcome=noIdle"),
            typed("g42"), typed("g 2023-11-14T22:20:00Z"), typed("gx"), typed("/kind"),
            [.character("n")], [.character("N")], [.character("g"), .escape], typed("g0"),
            typed("g99999"), [.character("z")],
        ]
        for _ in 0 ..< 400 {
            for key in keys[generator.below(keys.count)] {
                #expect(try session.press(key))
            }
            let size = ReplaySize(
                columns: 20 + generator.below(160), rows: 3 + generator.below(50))
            let screen = try session.screen(size)
            #expect(screen.count == size.rows)
            for line in screen {
                for segment in line {
                    #expect(
                        segment.column + DisplayText.width(of: segment.text) <= size.columns,
                        "\(size): \(segment)")
                }
            }
            let position = session.position
            #expect(StateDigest.of(try states.state(at: position)) == digests[Int(position)])
            guard size.isEnough else { continue }
            #expect(screen[0][1].text.contains(" event \(position) of \(story.events.count), "))
        }
        #expect(try !session.press(.character("q")))
    }

    private func typed(_ text: String) -> [ReplayKey] {
        text.map { .character($0) } + [.enter]
    }

    /// Each key does what the help says.
    @Test func keysDoWhatTheHelpSays() throws {
        let story = try Story(in: scratch("data"), seed: 3)
        let reader = try LedgerReader(opening: story.directory.path)
        let session = try ReplaySession(reader, at: .position(100), user: "user-1")
        _ = try session.screen(ReplaySize(columns: 80, rows: 24))
        func press(_ keys: [ReplayKey], from start: Position) throws -> Position {
            for key in typed("g\(start)") + keys { _ = try session.press(key) }
            return session.position
        }
        let last = Position(story.events.count)
        let user = try #require(reader.user("user-1")?.number)
        let ofUser = story.events.filter { $0.user == user }.map(\.position)
        for start in [1, 2, 57, 100, 199, last] {
            #expect(try press([.down], from: start) == min(last, start + 1))
            #expect(try press([.up], from: start) == max(1, start - 1))
            #expect(try press([.pageDown], from: start) == min(last, start + 18))
            #expect(try press([.pageUp], from: start) == (start > 18 ? start - 18 : 1))
            #expect(try press([.home], from: start) == 1)
            #expect(try press([.end], from: start) == last)
            #expect(
                try press([.character("u")], from: start) == ofUser.first { $0 > start } ?? start)
            #expect(
                try press([.character("U")], from: start) == ofUser.last { $0 < start } ?? start)
            let refused = story.events.filter { $0.outcome == .noIdle }.map(\.position)
            let until = typed("/outcome=noIdle")
            #expect(try press(until, from: start) == refused.first { $0 > start } ?? start)
            #expect(
                try press([.character("N")], from: start) == refused.last { $0 < start } ?? start)
            let event = story.events[Int(start) - 1]
            if event.concurrency != 0 {
                let next = story.events.first {
                    $0.position > start && $0.project == event.project
                        && $0.concurrency == event.concurrency
                }
                #expect(
                    try press([.character("c")], from: start) == next?.position ?? start)
            }
        }
        let time = Timestamp.text(story.events[60].time)
        let atTime = story.events.last { $0.time <= story.events[60].time }?.position
        for key in typed("g\(time)") { _ = try session.press(key) }
        #expect(session.position == atTime)
    }

    @Test func longWorkIsEndedByWhoeverWatchesIt() throws {
        let directory = DataDirectory(scratch("data"))
        try HeavyUser.write(to: directory, eventCount: 60_000)
        let reader = try LedgerReader(opening: directory.path)
        let session = try ReplaySession(reader)
        let start = session.position
        var texts: [String] = []
        session.progress = { text in
            texts.append(text)
            throw ReplayInterrupted()
        }
        for key in typed("g45000") { #expect(try session.press(key)) }
        #expect(session.position == start)
        #expect(texts.count == 1 && texts[0].hasPrefix("replaying, "), "\(texts)")
        let bottom = try session.screen(ReplaySize(columns: 80, rows: 24))[23][0].text
        #expect(bottom.hasPrefix(" stopped; still at event \(start)"))
        session.progress = nil
        for key in typed("g45000") { #expect(try session.press(key)) }
        #expect(session.position == 45_000)
    }

    @Test func aConditionThatIsNoneIsShownWithItsColumn() throws {
        let story = try Story(in: scratch("data"))
        let session = try ReplaySession(LedgerReader(opening: story.directory.path))
        for key in typed("/user=ann kind=applied") { _ = try session.press(key) }
        let line = try session.screen(ReplaySize(columns: 80, rows: 24))[23][0]
        #expect(line.text.hasPrefix(" column 10: expected and, or, or the end"))
        #expect(line.style == .error)
    }

    @Test func whatIsNotThereIsRefused() throws {
        let story = try Story(in: scratch("data"))
        let reader = try LedgerReader(opening: story.directory.path)
        #expect(throws: LedgerError.self) { try ReplaySession(reader, user: "nobody") }
        #expect(throws: LedgerError.self) { try ReplaySession(reader, project: "nope") }
    }

    /// A list with clock times alone says where a day begins, once for each.
    @Test func theListSaysWhichDayItIs() throws {
        let midnight = Microseconds.seconds(1_699_920_000)  // 2023-11-14
        let times = [23, 24, 24, 48].map { midnight + .seconds($0 * 3_600) }
        do {
            let core = try WritableLedger(
                opening: DataDirectory(scratch("data")), options: Ledger.Options()
            ).core
            _ = try core.perform(
                .modifyProject("p", ProjectChange(concurrencyCount: 9)), at: times[0],
                by: .library)
            for (index, time) in times.enumerated() {
                try core.settle(at: time, wallOffset: nil)
                _ = try core.perform(.apply(user: "u\(index)", project: "p"), at: time, by: .trace)
            }
            try core.commit(wallOffset: nil)
        }
        let session = try ReplaySession(LedgerReader(opening: scratch("data")))
        func list(_ columns: Int, _ rows: Int) throws -> [String] {
            try session.screen(ReplaySize(columns: columns, rows: rows))[1 ..< rows - 4]
                .map { $0.first?.column == 0 ? $0[0].text : "" }.map {
                    String($0.drop { $0 == " " || $0 == ">" })
                }
        }
        let days = try list(80, 40).filter { $0.hasPrefix("2023-") }
        #expect(days == ["2023-11-14", "2023-11-15", "2023-11-16"])
        let rows = try list(80, 40)
        let begin = try #require(rows.firstIndex(of: "2023-11-15"))
        #expect(rows[begin - 1].contains(" 23:00:30 ") && rows[begin + 1].contains(" 00:00:00 "))
        #expect(try list(120, 40).allSatisfy { !$0.hasPrefix("2023-11-15") || $0.count > 10 })
    }

    /// However narrow, what happened can be read.
    @Test func atSixtyColumnsTheOutcomeIsThere() throws {
        let story = try Story(in: scratch("data"))
        let session = try ReplaySession(LedgerReader(opening: story.directory.path))
        for _ in 0 ..< 40 {
            let lines = try session.screen(.least)
            for line in lines[1 ..< ReplaySize.least.rows - 4] where line.count > 3 {
                guard line[0].column == 0, line[2].column < 33 else { continue }
                #expect(line[2].text.count >= 13, "\(line[2])")
            }
            _ = try session.press(.pageUp)
        }
    }

    /// Names of any script and width leave every column where it is.
    @Test func wideNamesBreakNothing() throws {
        let names = ["王小明王小明王小明", "e\u{301}e\u{301}ve", "👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧", "a\u{202E}b", "plain"]
        do {
            let core = try WritableLedger(
                opening: DataDirectory(scratch("data")), options: Ledger.Options()
            ).core
            var now = Story.start
            _ = try core.perform(
                .modifyProject("项目", ProjectChange(concurrencyCount: 9)), at: now, by: .library)
            for name in names {
                now += .seconds(1)
                _ = try core.perform(.apply(user: name, project: "项目"), at: now, by: .library)
            }
            try core.commit(wallOffset: nil)
        }
        let session = try ReplaySession(LedgerReader(opening: scratch("data")))
        for columns in [60, 80, 100, 120, 161] {
            let size = ReplaySize(columns: columns, rows: 24)
            for line in try session.screen(size) {
                var end = 0
                for segment in line {
                    #expect(segment.column >= end, "\(segment) overlaps")
                    end = segment.column + DisplayText.width(of: segment.text)
                    #expect(segment.text.allSatisfy(DisplayText.isHarmless))
                }
                #expect(end <= columns)
            }
            #expect(try session.press(.up))
        }
    }
}
