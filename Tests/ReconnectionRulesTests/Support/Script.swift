import ReconnectionRules

/// What a line of a script asks of the rules.
enum Step {
    /// Settle what is due, then perform. `open` alone comes before anything is settled.
    case command(Command, by: Caller)
    /// As the ledger forgets: who holds something is freed first, by the same caller.
    case forget(UserNumber, by: Caller)
    case settle
    case showProject(ProjectNumber)
    case showUser(UserNumber)
    case showCounters
}

/// One line of a script that does something, with the lines expected of it.
struct Act {
    /// The line as written, for the transcript of a failure.
    var text: String
    var time: Microseconds
    var steps: [Step]
    /// What must come of it; for a `given`, which is only scenery, the positions it takes.
    var expected: [String] = []
    var isGiven = false
}

/// A story's text, read.
///
///     given project P concurrencies 2 window 90 lock 30 cleanup 0 => #1-#2
///     given users a b => #3-#4
///     at 10 apply a P by credential 7
///         #5 at 10 applied granted a P/1 reserved until 40 asked P by credential 7
///     at 39.999999 settle
///         nothing
///     at 40 show P
///         | 1 idle since 40
///
/// Verbs: `create P`, `set P concurrencies 3 … [names required|names optional]`, `name a`, `apply a
/// P`, `session a [unattended]`, `disconnect a [6]`, `destroy a [6]`, `repossess a`, `forget a`,
/// `open outage 90`, `epoch outage 90`, `settle`, `show P|a|counters`. A number after `disconnect`
/// and `destroy` is the session named. `by` says who called; without it the library did. Everything
/// a `given` does happens at time 0.
///
/// Who was forgotten has no name any more; `name a` brings in another user under it, who is shown
/// as `a'`.
struct Script {
    private(set) var acts: [Act] = []
    private(set) var cast = Cast()

    /// Reads the text. Every act must say what it expects, unless the script is only the scenery
    /// of a table row.
    init(_ text: String, isScenery: Bool = false) throws {
        for rawLine in text.split(separator: "\n") {
            let words = rawLine.split(separator: " ").map(String.init)
            switch words.first {
            case nil: continue
            case "given": acts.append(try given(words))
            case "at": acts.append(try act(words))
            default:
                guard !acts.isEmpty, !acts[acts.count - 1].isGiven else {
                    throw ScriptFault("nothing was done before '\(rawLine)'")
                }
                acts[acts.count - 1].expected.append(words.joined(separator: " "))
            }
        }
        for act in acts where act.expected.isEmpty && !isScenery {
            throw ScriptFault("'\(act.text)' expects neither events nor 'nothing'")
        }
    }

    private mutating func given(_ words: [String]) throws -> Act {
        guard let arrow = words.firstIndex(of: "=>"), arrow == words.count - 2 else {
            throw ScriptFault("'given' ends in the positions it takes: => #1-#2")
        }
        var act = Act(text: words.joined(separator: " "), time: 0, steps: [])
        act.isGiven = true
        act.expected = [words[arrow + 1]]
        let names = Array(words[2..<arrow])
        if words[1] == "project" {
            act.steps = [
                .command(.nameProject(cast.addProject(names[0])), by: .library),
                .command(try set(names), by: .library),
            ]
        } else {
            act.steps = names.map { .command(.nameUser(cast.addUser($0)), by: .library) }
        }
        return act
    }

    private mutating func act(_ words: [String]) throws -> Act {
        guard words.count >= 3 else { throw ScriptFault("'\(words)' does nothing") }
        let time = try Seconds.parse(words[1])
        let by = words.firstIndex(of: "by") ?? words.count
        let caller = try Self.caller(Array(words[by...].dropFirst()))
        let step = try step(words[2], Array(words[3..<by]), caller)
        return Act(text: words.joined(separator: " "), time: time, steps: [step])
    }

    private mutating func step(_ verb: String, _ words: [String], _ caller: Caller) throws -> Step {
        guard verb != "settle" else { return .settle }
        guard let subject = words.first else { throw ScriptFault("'\(verb)' whom?") }
        if verb == "show" {
            if subject == "counters" { return .showCounters }
            if let user = try? cast.user(subject) { return .showUser(user) }
            return .showProject(try cast.project(subject))
        }
        if verb == "forget" { return .forget(try cast.forgetUser(subject), by: caller) }
        return .command(try command(verb, subject, words), by: caller)
    }

    private mutating func command(
        _ verb: String, _ subject: String, _ words: [String]
    ) throws -> Command {
        let object = words.count > 1 ? words[1] : ""
        switch verb {
        case "create": return .nameProject(cast.addProject(subject))
        case "set": return try set(words)
        case "name": return .nameUser(cast.addUser(subject))
        case "apply":
            return .apply(user: try cast.user(subject), project: try cast.project(object))
        case "session":
            return .createSession(
                user: try cast.user(subject), runsWithoutClient: object == "unattended")
        case "disconnect":
            return .disconnect(user: try cast.user(subject), session: SessionId(object))
        case "destroy": return .destroy(user: try cast.user(subject), session: SessionId(object))
        case "repossess": return .repossess(user: try cast.user(subject))
        case "open": return .open(outage: try Seconds.parse(object))
        case "epoch": return .beginEpoch(outage: try Seconds.parse(object))
        default: throw ScriptFault("'\(verb)' is no verb")
        }
    }

    private mutating func set(_ words: [String]) throws -> Command {
        let project = try cast.project(words[0])
        var settings = cast.settings[words[0]] ?? ProjectSettings()
        for (key, value) in zip(words.dropFirst(), words.dropFirst(2)) {
            switch key {
            case "concurrencies": settings.concurrencyCount = UInt32(value) ?? 0
            case "window": settings.reconnectWindow = try Seconds.parse(value)
            case "lock": settings.lockTimeout = try Seconds.parse(value)
            case "cleanup": settings.cleanupTime = try Seconds.parse(value)
            case "names": settings.requiresSessionName = value == "required"
            default: break
            }
        }
        cast.settings[words[0]] = settings
        return .modifyProject(project, settings)
    }

    private static func caller(_ words: [String]) throws -> Caller {
        switch words.first {
        case nil, "library": return .library
        case "commandLine": return .commandLine
        case "trace": return .trace
        case "anonymous": return .anonymous
        case "credential": return .credential(UInt32(words.last ?? "") ?? 0)
        default: throw ScriptFault("nobody is called '\(words)'")
        }
    }
}
