import ArgumentParser
import JSON
import Ledger
import ReconnectionRules

struct ForgetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forget",
        abstract: "Make what the ledger holds of a person unreadable, for good.",
        discussion: """
            Frees what the user holds, records that the person was forgotten, and destroys the \
            one key that opens the person's name and addresses. The events stay, under the \
            user's number; every check goes on to pass; who returns is a new user. It cannot be \
            undone.

            Backups made before, with the key file in them, stay readable: delete those. Where a \
            server runs, it has to do it: this command then says which call to send.

            EXAMPLE
              holdfast forget u1 --data ./ledger
            """)

    @Argument(help: "The UserId.") var user: String
    @OptionGroup var data: DataOption
    @OptionGroup var json: JSONFlag

    func run() async throws {
        let held = try reading(data.path) { reader in
            try reader.requireForgettable(user)
            return reader.user(user)
        }
        var options = Ledger.Options()
        options.ownerNote = "a holdfast command; try again"
        let ledger = try open(options)
        let result: Result<ActionReply, LedgerError>
        do throws(LedgerError) {
            result = .success(try await ledger.forget(user: user, by: .commandLine))
        } catch { result = .failure(error) }
        guard case .success(let reply) = result else {
            await ledger.close()
            _ = try result.get()
            return
        }
        let named = try await ledger.event(of: reply)
        await ledger.close()
        if json.isOn {
            print(EventJSON.line(named))
            return
        }
        let number = reply.event.user
        if let held, let project = held.project {
            print("\(user) held \(project)/\(held.concurrency), which was freed")
        }
        print(
            "\(user) is forgotten: known from now on as user \(number), position "
                + "\(reply.position)")
        print(
            "the key to the name and addresses of user \(number) is destroyed in \(data.path); "
                + "backups made before have it still, so delete those")
    }

    private func open(_ options: Ledger.Options) throws -> Ledger {
        do throws(LedgerError) { return try Ledger(opening: data.path, options: options) } catch {
            guard error.code == .owned else { throw error }
            guard let server = ServerNote(in: error.message) else { throw error }
            let call = server.call("ForgetUser") { $0.string("UserId", user) }
            throw LedgerError(
                .owned,
                "a server has \(data.path) and has to forget \(user) itself: "
                    + (server.isAnonymous
                        ? call
                        : "call ForgetUser on \(server.url), signed as docs/operations.md shows "
                            + "under Forgetting a person; or stop the server first"))
        }
    }

    /// One process has a log open once: the reader goes before the ledger comes.
    private func reading<Result>(
        _ path: String, _ body: (LedgerReader) throws -> Result
    ) throws -> Result {
        try body(LedgerReader(opening: path))
    }
}
