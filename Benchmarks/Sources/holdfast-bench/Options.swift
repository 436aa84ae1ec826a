/// What the command line asks for.
struct Options {
    var seconds = 5
    var users = 10_000
    var callers = [1, 64, 1_000]
    var seed: UInt64 = 1
    var isJSON = false
    /// Where the ledgers are made; the disk under it is what is measured.
    var directory = "."

    static let usage = """
        usage: holdfast-bench [--seconds N] [--users N] [--callers N,N,...] [--seed N]
                              [--directory PATH] [--json]

        """

    /// Nil if the arguments make no sense.
    init?(_ arguments: some Sequence<String>) {
        var rest = Array(arguments)[...]
        while let option = rest.popFirst() {
            if option == "--json" {
                isJSON = true
                continue
            }
            guard let value = rest.popFirst() else { return nil }
            switch option {
            case "--seconds": if !Self.set(&seconds, value) { return nil }
            case "--users": if !Self.set(&users, value) { return nil }
            case "--callers":
                callers = value.split(separator: ",").compactMap { Int($0) }
                if callers.isEmpty || callers.contains(where: { $0 < 1 }) { return nil }
            case "--seed":
                guard let number = UInt64(value) else { return nil }
                seed = number
            case "--directory": directory = value
            default: return nil
            }
        }
        if users < callers.max()! { return nil }
    }

    private static func set(_ number: inout Int, _ text: String) -> Bool {
        guard let value = Int(text), value > 0 else { return false }
        number = value
        return true
    }
}
