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
        public var access: Access
        /// The id that a rotation replaced, and up to when it still counts.
        public var previous: Previous?

        public struct Previous: Sendable, Equatable {
            public var secretId: String
            public var until: Microseconds
        }
    }

    /// A key pair that counts, for ever or up to a time.
    private struct Known {
        var credential: CloudCredential
        var until: Microseconds?
    }

    /// How long a change by another process may go unnoticed.
    private static let checkInterval = Duration.seconds(1)

    private struct Cache {
        var stamp: PrivateFile.Stamp?
        var enabled: [String: Known] = [:]
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
    /// for a label that is too long or has control characters, no role, or what cannot be a
    /// project's name.
    ///
    /// - Parameter access: everything, unless it is limited. Projects need not exist yet.
    public func create(
        label: String? = nil, access: Access = .full
    ) throws(ServerError) -> CloudCredential {
        try Self.check(access)
        if let label, label.utf8.count > CredentialFile.labelByteCountMax
            || label.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F })
        {
            throw ServerError(
                .configuration, "a label has at most \(CredentialFile.labelByteCountMax) bytes and "
                    + "no control characters")
        }
        do { try directory.create() } catch { throw ServerError(.file, error.message) }
        return try change { entries in
            let credential = CloudCredential.generate(
                number: UInt32(entries.count + 1), access: access)
            entries.append(
                CredentialFile.Entry(
                    credential: credential, createdAt: LedgerClock.system.wall(),
                    isDisabled: false, label: label))
            return credential
        }
    }

    private static func check(_ access: Access) throws(ServerError) {
        guard !access.roles.isEmpty else {
            throw ServerError(.configuration, "a credential without a role could do nothing")
        }
        guard let projects = access.projects else { return }
        guard !projects.isEmpty else {
            throw ServerError(.configuration, "a credential for no project could do nothing")
        }
        for project in projects.sorted() {
            if let fault = LedgerName.fault(project, what: "a project's name") {
                throw ServerError(.configuration, fault.message)
            }
        }
    }

    /// Gives a credential a new id and key, durably: its number, label, roles and projects stay.
    /// The old pair counts for `overlap` longer, so that callers can change over one by one; the
    /// pair before that ends now.
    ///
    /// Throws `unknownCredential`, and `configuration` for one that was revoked.
    public func rotate(
        number: UInt32, overlap: Microseconds
    ) throws(ServerError) -> CloudCredential {
        guard PrivateFile.stamp(directory.credentials) != nil else {
            throw unknown("number \(number)")
        }
        return try change { (entries) throws(ServerError) in
            guard let index = entries.firstIndex(where: { $0.credential.number == number }) else {
                throw unknown("number \(number)")
            }
            let old = entries[index].credential
            guard !entries[index].isDisabled else {
                throw ServerError(
                    .configuration, "credential \(number) is revoked; create a new one")
            }
            entries[index].credential = .generate(number: number, access: old.access)
            entries[index].previous =
                overlap > 0
                ? CredentialFile.Previous(
                    secretId: old.secretId, secretKey: old.secretKey,
                    until: LedgerClock.system.wall() + overlap) : nil
            return entries[index].credential
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
            entries[index].previous = nil
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
        let known = cache.withLock { cache in
            let known = cache.enabled[secretId]
            let now = ContinuousClock.now
            guard known == nil || now - cache.checkedAt >= Self.checkInterval else { return known }
            cache.checkedAt = now
            refresh(&cache)
            return cache.enabled[secretId]
        }
        guard let known else { return nil }
        if let until = known.until, WallClock.nowSeconds * 1_000_000 >= until { return nil }
        return known.credential
    }

    /// How many credentials are enabled.
    public var enabledCount: Int {
        cache.withLock { cache in cache.enabled.values.count { $0.until == nil } }
    }

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

    private static func enabled(_ entries: [CredentialFile.Entry]) -> [String: Known] {
        var enabled: [String: Known] = [:]
        for entry in entries where !entry.isDisabled {
            let credential = entry.credential
            enabled[credential.secretId] = Known(credential: credential)
            guard let previous = entry.previous else { continue }
            enabled[previous.secretId] = Known(
                credential: CloudCredential(
                    secretId: previous.secretId, secretKey: previous.secretKey,
                    number: credential.number, access: credential.access),
                until: previous.until)
        }
        return enabled
    }

    private static func entry(_ entry: CredentialFile.Entry) -> Entry {
        Entry(
            number: entry.credential.number, secretId: entry.credential.secretId,
            createdAt: entry.createdAt, isDisabled: entry.isDisabled, label: entry.label,
            access: entry.credential.access,
            previous: entry.previous.map {
                Entry.Previous(secretId: $0.secretId, until: $0.until)
            })
    }
}
