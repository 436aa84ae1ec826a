public import CloudAPI
public import Ledger
public import ReconnectionRules
import Synchronization

/// Who may call the server: the credentials in a data directory.
///
/// Works on the directory of a running server: a change made by another process counts within a
/// second, a new credential at once. Two processes that create one at the same moment get two.
public final class CredentialStore: Sendable {
    /// What may be shown of a credential: everything but its key.
    public struct Entry: Sendable, Equatable {
        public var number: UInt32
        public var secretId: String
        public var createdAt: Microseconds
        public var isDisabled: Bool
        public var label: String?
    }

    /// How long a change by another process may go unnoticed.
    private static let checkInterval = Duration.seconds(1)

    private struct Cache {
        var stamp: PrivateFile.Stamp?
        var enabled: [String: CloudCredential] = [:]
        var checkedAt = ContinuousClock.now
        /// Set while a changed file cannot be read: what it said before still counts.
        var fault: ServerError?
    }

    public let directory: DataDirectory
    private let cache = Mutex(Cache())

    /// Reads what is there; no file means no credentials. Throws `damaged` or `file`.
    public init(_ directory: DataDirectory) throws(ServerError) {
        self.directory = directory
        let stamp = PrivateFile.stamp(directory.credentials)
        let entries = try read()
        cache.withLock { cache in
            cache.stamp = stamp
            cache.enabled = Self.enabled(entries)
        }
    }

    // MARK: - Managing

    /// All credentials by number, disabled ones included.
    public func list() throws(ServerError) -> [Entry] {
        try read().map(Self.entry)
    }

    /// Adds a credential, durably. The reply is the only one that carries its key.
    ///
    /// Creates the data directory if it is missing. Throws `file`, `damaged`, and `configuration`
    /// for a label that is too long or has control characters.
    public func create(label: String? = nil) throws(ServerError) -> CloudCredential {
        if let label, label.utf8.count > CredentialFile.labelByteCountMax
            || label.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F })
        {
            throw ServerError(
                .configuration, "a label has at most \(CredentialFile.labelByteCountMax) bytes and "
                    + "no control characters")
        }
        do { try directory.create() } catch { throw ServerError(.file, error.message) }
        return try change { entries in
            let credential = CloudCredential.generate(number: UInt32(entries.count + 1))
            entries.append(
                CredentialFile.Entry(
                    credential: credential, createdAt: LedgerClock.system.wall(),
                    isDisabled: false, label: label))
            return credential
        }
    }

    /// Makes a credential invalid for good, durably; a running server refuses it within a second.
    /// Disabling twice is safe. Throws `unknownCredential`.
    @discardableResult
    public func disable(number: UInt32) throws(ServerError) -> Entry {
        try disable("number \(number)") { $0.credential.number == number }
    }

    /// As `disable(number:)`, by the credential's id.
    @discardableResult
    public func disable(secretId: String) throws(ServerError) -> Entry {
        try disable("this id") { $0.credential.secretId == secretId }
    }

    private func disable(
        _ what: String, where matches: (CredentialFile.Entry) -> Bool
    ) throws(ServerError) -> Entry {
        guard PrivateFile.stamp(directory.credentials) != nil else { throw unknown(what) }
        return try change { (entries) throws(ServerError) in
            guard let index = entries.firstIndex(where: matches) else { throw unknown(what) }
            entries[index].isDisabled = true
            return Self.entry(entries[index])
        }
    }

    private func unknown(_ what: String) -> ServerError {
        ServerError(
            .unknownCredential, "no credential has \(what); holdfast credential list --data "
                + "\(directory.path) shows them")
    }

    private func change<Result>(
        _ body: (inout [CredentialFile.Entry]) throws(ServerError) -> Result
    ) throws(ServerError) -> Result {
        try PrivateFile.withLock(on: directory.path) { () throws(ServerError) in
            var entries = try read()
            let result = try body(&entries)
            try PrivateFile.replace(
                directory.credentials, in: directory.path, with: CredentialFile.encode(entries))
            return result
        }
    }

    // MARK: - Looking up

    /// The credential with this id, nil if there is none or it is disabled.
    ///
    /// Cost: a dictionary look-up; a `stat` once a second and for an unknown id.
    public func find(_ secretId: String) -> CloudCredential? {
        cache.withLock { cache in
            let known = cache.enabled[secretId]
            let now = ContinuousClock.now
            guard known == nil || now - cache.checkedAt >= Self.checkInterval else { return known }
            cache.checkedAt = now
            refresh(&cache)
            return cache.enabled[secretId]
        }
    }

    /// How many credentials are enabled.
    public var enabledCount: Int { cache.withLock { $0.enabled.count } }

    /// Notices a change of the file. Why its newest content does not count, nil if it does.
    func refreshIfDue() -> ServerError? {
        cache.withLock { cache in
            refresh(&cache)
            return cache.fault
        }
    }

    /// Reads the file again if it changed. If it is damaged, what counted before still does.
    private func refresh(_ cache: inout Cache) {
        let stamp = PrivateFile.stamp(directory.credentials)
        guard stamp != cache.stamp else { return }
        cache.stamp = stamp
        do throws(ServerError) {
            cache.enabled = Self.enabled(try read())
            cache.fault = nil
        } catch {
            cache.fault = error
        }
    }

    private func read() throws(ServerError) -> [CredentialFile.Entry] {
        let path = directory.credentials
        guard let bytes = try PrivateFile.read(path, byteCountMax: CredentialFile.byteCountMax)
        else { return [] }
        return try CredentialFile.decode(bytes, path: path)
    }

    private static func enabled(_ entries: [CredentialFile.Entry]) -> [String: CloudCredential] {
        var enabled: [String: CloudCredential] = [:]
        for entry in entries where !entry.isDisabled {
            enabled[entry.credential.secretId] = entry.credential
        }
        return enabled
    }

    private static func entry(_ entry: CredentialFile.Entry) -> Entry {
        Entry(
            number: entry.credential.number, secretId: entry.credential.secretId,
            createdAt: entry.createdAt, isDisabled: entry.isDisabled, label: entry.label)
    }
}
