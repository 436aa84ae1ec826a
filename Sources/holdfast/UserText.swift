import JSON
import Ledger

/// How a user is printed.
enum UserText {
    static func text(_ user: UserView) -> String {
        guard let project = user.project else {
            return "\(user.text) holds nothing (\(user.eventCount) events, last at "
                + "\(user.lastPosition))"
        }
        var text = "\(user.text) holds \(project)/\(user.concurrency), \(user.state.name)"
        if let deadline = user.deadline { text += " until \(Timestamp.text(deadline))" }
        if user.session != 0 { text += ", session \(user.session)" }
        return text
    }

    static func json(_ user: UserView) -> String {
        String(decoding: JSONObjectWriter.bytes { write(user, to: &$0) }, as: UTF8.self)
    }

    static func write(_ user: UserView, to object: inout JSONObjectWriter) {
        UserJSON.write(user, to: &object)
    }
}
