import Ledger
import ReconnectionRules

/// The pane beside the list: the state after the selected event.
enum ReplayPane {
    static func lines(
        _ frame: ReplayFrame, _ size: ReplaySize
    ) -> [(text: String, style: ReplayStyle)] {
        let moment = frame.moment
        let now = moment.named.event.time
        var blocks = [event(frame)]
        blocks.append(user(moment, now, size.paneColumns))
        if let place = moment.concurrency { blocks.append(concurrency(place, now)) }
        if let counts = moment.counts { blocks.append(project(moment, counts)) }
        blocks.append(ledger(moment.counters))
        var lines: [(text: String, style: ReplayStyle)] = []
        for block in blocks {
            if !lines.isEmpty { lines.append(("", .plain)) }
            lines += block
        }
        return lines
    }

    private static func event(_ frame: ReplayFrame) -> [(text: String, style: ReplayStyle)] {
        let event = frame.moment.named.event
        let time = Timestamp.text(event.time)
        let gap = frame.gap.map { "+" + DurationText.readable($0) + ", " } ?? ""
        let caller = Caller(rawValue: event.caller).name
        return [
            ("EVENT \(event.position)", .heading),
            (time.replacing("T", with: " "), .plain),
            ("\(gap)by \(caller)", .dim),
        ]
    }

    private static func user(
        _ moment: ReplayMoment, _ now: Microseconds, _ columns: Int
    ) -> [(text: String, style: ReplayStyle)] {
        guard let user = moment.user else {
            return [("USER", .heading), ("the event concerns nobody", .dim)]
        }
        var lines = [("USER \(user.name)", ReplayStyle.heading)]
        guard let project = user.project else {
            lines.append(("holds nothing", .plain))
            lines.append((events(user), .dim))
            return lines
        }
        lines.append(("holds \(project)/\(user.concurrency)", .plain))
        lines.append(
            (user.state.name + ending(user.deadline, now), ReplayStyle(tone: tone(user.state))))
        let session = user.session == 0 ? "no session" : "session \(user.session)"
        lines.append(("\(session), \(events(user))", .dim))
        return lines
    }

    private static func events(_ user: UserView) -> String {
        user.eventCount == 1 ? "1 event" : "\(user.eventCount) events"
    }

    private static func concurrency(
        _ place: ReplayMoment.PlaceView, _ now: Microseconds
    ) -> [(text: String, style: ReplayStyle)] {
        let holder = place.user.isEmpty ? "held by nobody" : "held by \(place.user)"
        return [
            ("CONCURRENCY \(place.project)/\(place.number)", .heading),
            (place.state.name + ending(place.deadline, now), ReplayStyle(tone: tone(place.state))),
            (holder, .plain),
        ]
    }

    private static func project(
        _ moment: ReplayMoment, _ counts: StateCounts
    ) -> [(text: String, style: ReplayStyle)] {
        var lines = [("PROJECT \(moment.project)", ReplayStyle.heading)]
        lines.append(("running \(counts.running) of \(counts.total)", .plain))
        lines.append(("idle \(counts[.idle])  reserved \(counts[.reserved])", .plain))
        lines.append(("connected \(counts[.connected])  waiting \(counts[.waiting])", .plain))
        lines.append(
            ("recovering \(counts[.recovering])  withdrawn \(counts[.withdrawn])", .plain))
        if let settings = moment.settings {
            let (window, lock, cleanup) = (
                DurationText.exact(settings.reconnectWindow),
                DurationText.exact(settings.lockTimeout), DurationText.exact(settings.cleanupTime)
            )
            lines.append(("window \(window) lock \(lock) clean \(cleanup)", .dim))
        }
        return lines
    }

    private static func ledger(
        _ counters: Counters
    ) -> [(text: String, style: ReplayStyle)] {
        [
            ("LEDGER SO FAR", .heading),
            ("starts \(counters.starts)  fresh \(counters.grantedNew)", .plain),
            ("resumed \(counters.resumed)  taken \(counters.takenOver)", .plain),
            ("refused \(counters.rejectedNoIdle)  lost \(counters.repossessed)", .plain),
            ("held \(counters.heldNow)  waiting \(counters.waitingNow)", .plain),
        ]
    }

    private static func ending(_ deadline: Microseconds?, _ now: Microseconds) -> String {
        guard let deadline else { return "" }
        let time = Timestamp.text(deadline).dropFirst(11).prefix(8)
        return " until \(time), \(DurationText.readable(deadline - now))"
    }

    private static func tone(_ state: ConcurrencyState) -> EventTone {
        switch state {
        case .reserved, .connected: .held
        case .waiting, .recovering: .waiting
        case .idle, .withdrawn, .none: .plain
        }
    }
}
