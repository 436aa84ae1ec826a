import Ledger
import ReconnectionRules
import Testing

/// The one JSON form of an event.
@Suite struct EventJSONTests {
    private static let time: Microseconds = 1_464_747_170_000_250

    private func line(
        _ event: Event, user: String = "", project: String = "", asked: String = "",
        address: String? = nil
    ) -> String {
        EventJSON.line(
            NamedEvent(
                event: event, user: user, project: project, inputProject: asked,
                clientAddress: address))
    }

    @Test func anApplyThatWasGranted() {
        var event = Event(position: 7, time: Self.time, kind: .applied, outcome: .granted)
        event.state = .reserved
        event.user = 1
        event.project = 1
        event.inputProject = 1
        event.concurrency = 3
        event.caller = Caller.credential(2).rawValue
        event.deadline = Self.time + .seconds(30)
        event.previousOfUser = 6
        #expect(
            line(
                event, user: "ann \"x\"\\\n☂", project: "cap-demo", asked: "cap-demo",
                address: "192.0.2.0/24")
                == #"{"position":7,"time":"2016-06-01T02:12:50.000250Z","kind":"applied","#
                + #""outcome":"granted","user":"ann \"x\"\\\n☂","userNumber":1,"#
                + #""clientAddress":"192.0.2.0/24","project":"cap-demo","#
                + #""concurrency":3,"session":null,"state":"reserved","#
                + #""deadline":"2016-06-01T02:13:20.000250Z","namedSession":null,"#
                + #""runsWithoutClient":false,"askedProject":"cap-demo","caller":"credential 2","#
                + #""previousOfUser":6,"previousOfConcurrency":null}"#)
    }

    @Test func aStaleDisconnectThatNamedItsSession() {
        var event = Event(position: .max, time: 0, kind: .disconnected, outcome: .stale)
        event.user = 1
        event.namesSession = true
        event.inputSession = 12
        event.previousOfUser = 9
        event.caller = Caller.anonymous.rawValue
        #expect(
            line(event, user: "ann")
                == #"{"position":18446744073709551615,"time":"1970-01-01T00:00:00.000000Z","#
                + #""kind":"disconnected","outcome":"stale","user":"ann","userNumber":1,"#
                + #""clientAddress":null,"project":null,"#
                + #""concurrency":null,"session":null,"state":null,"deadline":null,"#
                + #""namedSession":12,"runsWithoutClient":false,"askedProject":null,"#
                + #""caller":"anonymous","previousOfUser":9,"previousOfConcurrency":null}"#)
    }

    @Test func anOpening() {
        var event = Event(position: 5, time: .seconds(3), kind: .opened, outcome: .done)
        event.deadline = 11_250_000
        event.previousOfConcurrency = 2
        #expect(
            line(event)
                == #"{"position":5,"time":"1970-01-01T00:00:03.000000Z","kind":"opened","#
                + #""outcome":"done","user":null,"userNumber":null,"clientAddress":null,"#
                + #""project":null,"concurrency":null,"session":null,"#
                + #""state":null,"deadline":null,"namedSession":null,"runsWithoutClient":false,"#
                + #""askedProject":null,"caller":"ledger","previousOfUser":null,"#
                + #""previousOfConcurrency":2,"outageSeconds":11.25}"#)
    }

    /// Its settings lie in fields that mean something else in other kinds.
    @Test func aChangeOfSettings() {
        var event = Event(position: 2, time: 0, kind: .projectModified, outcome: .done)
        event.project = 1
        event.previousOfUser = 60
        event.deadline = .seconds(90)
        event.session = 30_500_000
        event.inputSession = 1
        event.flag = true
        event.previousOfConcurrency = 1
        event.caller = Caller.commandLine.rawValue
        #expect(
            line(event, project: "p")
                == #"{"position":2,"time":"1970-01-01T00:00:00.000000Z","kind":"projectModified","#
                + #""outcome":"done","user":null,"userNumber":null,"clientAddress":null,"#
                + #""project":"p","concurrency":null,"session":null,"#
                + #""state":null,"deadline":null,"namedSession":null,"runsWithoutClient":false,"#
                + #""askedProject":null,"caller":"command line","previousOfUser":null,"#
                + #""previousOfConcurrency":1,"settings":{"concurrencies":60,"#
                + #""reconnectWindowSeconds":90,"lockTimeoutSeconds":30.5,"#
                + #""cleanupTimeSeconds":0.000001,"requiresSessionName":true}}"#)
    }

    /// Of a user that was forgotten: the number is all that is left.
    @Test func anOperatorsRepossession() {
        var event = Event(position: 9, time: 0, kind: .repossessed, outcome: .operator_)
        event.state = .recovering
        event.user = 4
        event.project = 1
        event.concurrency = 2
        event.session = 8
        event.deadline = .seconds(5)
        event.previousOfUser = 8
        event.previousOfConcurrency = 8
        event.caller = Caller.library.rawValue
        #expect(
            line(event, project: "p")
                == #"{"position":9,"time":"1970-01-01T00:00:00.000000Z","kind":"repossessed","#
                + #""outcome":"operator","user":null,"userNumber":4,"clientAddress":null,"#
                + #""project":"p","concurrency":2,"session":8,"#
                + #""state":"recovering","deadline":"1970-01-01T00:00:05.000000Z","#
                + #""namedSession":null,"runsWithoutClient":false,"askedProject":null,"#
                + #""caller":"library","previousOfUser":8,"previousOfConcurrency":8}"#)
    }

    @Test(arguments: [
        (Microseconds(0), "0"), (1, "0.000001"), (500_000, "0.5"), (90_000_000, "90"),
        (86_400_000_000, "86400"), (1_000_010, "1.00001"),
    ])
    func secondsHaveTheFractionTheyNeed(time: Microseconds, text: String) {
        #expect(String(decoding: EventJSON.seconds(time), as: UTF8.self) == text)
    }

    @Test func everyNameIsPlain() {
        let names =
            Event.Kind.allCases.map(\.name) + Event.Outcome.allCases.map(\.name)
            + ConcurrencyState.allCases.map(\.name)
        for name in names {
            let isPlain = name.utf8.allSatisfy { $0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x7A }
            #expect(isPlain, "\(name)")
        }
        #expect(Event.Outcome.operator_.name == "operator")
    }
}
