/// What the command line asks for.
struct Options {
    var directory = "."
    var users = 1_000_000
    var seconds = 5.0
    /// Reconnects of one transaction.
    var batch = 1_000
    /// Bytes of a database page; only a new database takes it.
    var pageSize = 4_096
    /// Pages of write-ahead log after which a commit carries them into the database.
    var checkpointPages = 50_000
    var seed: UInt64 = 1
    /// Ends after the users are there.
    var isPreparing = false
    var isHelp = false
    /// Takes a batch in the order of the users' names.
    var isSorting = false

    static let usage = """
        usage: sqlite-peer --directory DIR [--users N] [--seconds S] [--batch RECONNECTS]
                           [--sort] [--page-size BYTES] [--checkpoint-pages N] [--seed N]
                           [--prepare]

        Reconnects of users who hold a slot, on SQLite through GRDB: WAL, synchronous FULL, one
        transaction for each batch. The database in DIR is made if it is not there, and used as it
        is if it is. --sort takes a batch in the order of the names, --prepare ends once the
        database has its users. Prints one line of JSON.

        """

    /// Nil if the arguments make no sense.
    init?(_ arguments: some Sequence<String>) {
        var rest = Array(arguments)[...]
        while let option = rest.popFirst() {
            if option == "--prepare" {
                isPreparing = true
                continue
            }
            if option == "--sort" {
                isSorting = true
                continue
            }
            if option == "--help" {
                isHelp = true
                continue
            }
            guard let value = rest.popFirst(), set(option, value) else { return nil }
        }
    }

    private mutating func set(_ option: String, _ value: String) -> Bool {
        switch option {
        case "--directory":
            directory = value
            return !value.isEmpty
        case "--seconds":
            guard let number = Double(value), number > 0, number < 1e6 else { return false }
            seconds = number
            return true
        case "--seed":
            guard let number = UInt64(value) else { return false }
            seed = number
            return true
        case "--users": return Self.set(&users, value, 1 ... 100_000_000)
        case "--batch": return Self.set(&batch, value, 1 ... 1_000_000)
        case "--page-size": return Self.set(&pageSize, value, 512 ... 65_536)
        case "--checkpoint-pages": return Self.set(&checkpointPages, value, 1 ... 10_000_000)
        default: return false
        }
    }

    private static func set(_ number: inout Int, _ text: String, _ range: ClosedRange<Int>) -> Bool
    {
        guard let value = Int(text), range.contains(value) else { return false }
        number = value
        return true
    }
}
