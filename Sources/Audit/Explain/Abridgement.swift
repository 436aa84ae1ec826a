import ReconnectionRules

/// Shortens a story that goes on and on: a long run of routine is told by its beginning, its end
/// and what lies around the moment asked for.
enum Abridgement {
    private static let headCount = 3
    private static let tailCount = 6
    private static let aroundCount = 3

    static func of(
        _ statements: [Explanation.Statement], keeping position: Position
    ) -> [Explanation.Statement] {
        var result: [Explanation.Statement] = []
        var run: [Explanation.Statement] = []
        for statement in statements {
            if isRoutine(statement.kind) {
                run.append(statement)
            } else {
                result += shortened(run, position)
                run = []
                result.append(statement)
            }
        }
        return result + shortened(run, position)
    }

    private static func isRoutine(_ kind: Explanation.Kind) -> Bool {
        switch kind {
        case .appliedAgain, .session, .vanished, .returned, .takeover, .keptRunning, .stale: true
        default: false
        }
    }

    private static func shortened(
        _ run: [Explanation.Statement], _ position: Position
    ) -> [Explanation.Statement] {
        guard run.count > headCount + tailCount + 3 else { return run }
        let middle = run.firstIndex { $0.positions.last.map { $0 >= position } ?? false }
        let kept = middle.map { $0 - aroundCount ... $0 + aroundCount }
        var result: [Explanation.Statement] = []
        var left: [Explanation.Statement] = []
        for (index, statement) in run.enumerated() {
            let isKept =
                index < headCount || index >= run.count - tailCount
                || kept?.contains(index) ?? false
            if isKept {
                if let gap = gap(left) { result.append(gap) }
                left = []
                result.append(statement)
            } else {
                left.append(statement)
            }
        }
        return result
    }

    private static func gap(_ left: [Explanation.Statement]) -> Explanation.Statement? {
        guard let first = left.first?.positions.first, let last = left.last?.positions.last else {
            return nil
        }
        func count(_ kind: Explanation.Kind) -> Int { left.count { $0.kind == kind } }
        let parts = [
            (count(.vanished), "disconnect"), (count(.returned), "return in time"),
            (count(.takeover), "takeover"), (count(.session), "session"),
            (count(.stale) + count(.keptRunning), "report without effect"),
            (count(.appliedAgain), "repeated apply"),
        ].filter { $0.0 > 0 }.map { "\(Words.grouped($0.0)) × \($0.1)" }
        return Explanation.Statement(
            kind: .gap,
            text: "Then, not told one by one (holdfast history does): \(Words.list(parts)).",
            positions: first == last ? [first] : [first, last])
    }
}
