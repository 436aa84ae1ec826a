import Crypto
public import EventLog
public import JSON
public import Ledger
public import ReconnectionRules

/// What a backup says of itself, in `backup.json`: the last file written, and with it the backup is
/// whole.
public struct BackupManifest: Sendable, Equatable {
    /// A small file that lies beside the log.
    public struct File: Sendable, Equatable {
        public var name: String
        public var byteCount: UInt64
        public var digest: Digest32
    }

    /// Version of this form.
    static let version: UInt64 = 1

    public var holdfastVersion: String
    public var ledgerId: String
    /// When it was made, by the machine's clock.
    public var madeAt: Microseconds
    /// What the log in it ends with.
    public var head: LogHead
    public var eventCount: UInt64
    public var batchCount: UInt64
    /// Digest of the state that the events lead to.
    public var stateDigest: Digest32
    /// The ledger's last sign of life before it was copied, nil if it gave none.
    public var signOfLife: Microseconds?
    public var files: [File]

    /// The object, indented by nothing, with a line feed.
    public var json: [UInt8] {
        JSONObjectWriter.bytes { write(into: &$0) } + [0x0A]
    }

    /// Adds the members to an object.
    public func write(into object: inout JSONObjectWriter) {
        object.unsigned("backupVersion", Self.version)
        object.string("holdfast", holdfastVersion)
        object.string("ledgerId", ledgerId)
        object.string("madeAt", Timestamp.text(madeAt))
        object.unsigned("position", head.position)
        object.string("time", Timestamp.text(head.time))
        object.string("head", head.hash.description)
        object.unsigned("events", eventCount)
        object.unsigned("batches", batchCount)
        object.string("stateDigest", stateDigest.description)
        if let signOfLife {
            object.string("signOfLife", Timestamp.text(signOfLife))
        } else {
            object.null("signOfLife")
        }
        object.array("files", files) { file, entry in
            file.string("name", entry.name)
            file.unsigned("bytes", entry.byteCount)
            file.string("sha256", entry.digest.description)
        }
    }

    /// Reads what stands at the path. Throws `directory` if there is none, `invalid` if it is none.
    init(at path: String) throws(LedgerError) {
        let bytes = try SmallFile.read(path)
        guard let value = try? JSONValue.parse(bytes) else { throw Self.unreadable(path) }
        if case .unsigned(let version) = value["backupVersion"], version > Self.version {
            throw LedgerError(
                .invalid,
                "\(path) was written by a newer Holdfast; restore it with that one, or a newer one")
        }
        func text(_ name: String, in object: JSONValue? = nil) throws(LedgerError) -> String {
            guard case .string(let text) = (object ?? value)[name] else {
                throw Self.unreadable(path)
            }
            return text
        }
        func number(_ name: String, in object: JSONValue? = nil) throws(LedgerError) -> UInt64 {
            guard case .unsigned(let number) = (object ?? value)[name] else {
                throw Self.unreadable(path)
            }
            return number
        }
        func time(_ name: String) throws(LedgerError) -> Microseconds {
            guard let time = Timestamp.parse(try text(name).utf8) else {
                throw Self.unreadable(path)
            }
            return time
        }
        func digest(_ name: String, in object: JSONValue? = nil) throws(LedgerError) -> Digest32 {
            guard let digest = Digest32(hexadecimal: try text(name, in: object)) else {
                throw Self.unreadable(path)
            }
            return digest
        }
        holdfastVersion = try text("holdfast")
        ledgerId = try text("ledgerId")
        madeAt = try time("madeAt")
        head = LogHead(
            position: try number("position"), time: try time("time"), hash: try digest("head"))
        eventCount = try number("events")
        batchCount = try number("batches")
        stateDigest = try digest("stateDigest")
        signOfLife = value["signOfLife"] == .null ? nil : try time("signOfLife")
        guard case .array(let entries) = value["files"] else { throw Self.unreadable(path) }
        files = []
        for entry in entries {
            let name = try text("name", in: entry)
            // A name leads nowhere but into the backup itself.
            guard Backup.fileNames.contains(name) else { throw Self.unreadable(path) }
            files.append(
                File(
                    name: name, byteCount: try number("bytes", in: entry),
                    digest: try digest("sha256", in: entry)))
        }
    }

    init(
        ledgerId: String, madeAt: Microseconds, found: VerifyReport, signOfLife: Microseconds?,
        files: [File]
    ) {
        holdfastVersion = HoldfastVersion.text
        self.ledgerId = ledgerId
        self.madeAt = madeAt
        head = found.head
        eventCount = found.eventCount
        batchCount = found.batchCount
        stateDigest = found.stateDigest
        self.signOfLife = signOfLife
        self.files = files
    }

    private static func unreadable(_ path: String) -> LedgerError {
        LedgerError(.invalid, "\(path) does not say what a backup says; use another backup")
    }
}

extension Digest32 {
    /// From 64 hexadecimal digits, nil for anything else.
    init?(hexadecimal text: String) {
        let digits = text.utf8.compactMap { digit -> UInt8? in
            switch digit {
            case 0x30 ... 0x39: digit - 0x30
            case 0x61 ... 0x66: digit - 0x57
            default: nil
            }
        }
        guard digits.count == 64, text.utf8.count == 64 else { return nil }
        self.init((0 ..< 32).map { digits[2 * $0] << 4 | digits[2 * $0 + 1] })
    }
}
