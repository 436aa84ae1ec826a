import CloudAPI
import JSON
import Ledger
import ReconnectionRules

/// The form of DIR/credentials.json.
///
/// ```json
/// {"version":2,"credentials":[
/// {"number":1,"secretId":"HFID...","secretKey":"...","createdAt":"2026-11-23T10:15:30.000000Z",
///  "disabled":false,"label":"portal","roles":["call"],"projects":["cap-demo"],
///  "previous":{"secretId":"HFID...","secretKey":"...","until":"2026-11-24T10:15:30.000000Z"}}
/// ]}
/// ```
///
/// One credential a line. Numbers count from 1 and are never given twice, so a credential is never
/// removed, only disabled: the ledger refers to it by its number. `label` may be absent; without
/// `projects` it is good for all of them; `previous` is the key pair that a rotation replaced, as
/// long as it still counts.
///
/// Version 1 knew no roles, no projects and no rotation: each of its credentials may do everything.
/// It is written as long as that is true of all, so that an older Holdfast can read it; one that
/// would ignore what limits a credential refuses version 2.
enum CredentialFile {
    static let version: UInt64 = 2
    /// Some tens of thousands of credentials.
    static let byteCountMax = 8 << 20
    static let labelByteCountMax = 200

    struct Entry: Sendable {
        var credential: CloudCredential
        var createdAt: Microseconds
        var isDisabled: Bool
        var label: String?
        var previous: Previous?

        fileprivate var fitsVersion1: Bool { credential.access.isFull && previous == nil }
    }

    /// A replaced key pair, and up to when it counts.
    struct Previous: Sendable {
        var secretId: String
        var secretKey: String
        var until: Microseconds
    }

    static func encode(_ entries: [Entry]) -> [UInt8] {
        let version = entries.allSatisfy(\.fitsVersion1) ? 1 : version
        var bytes = Array(#"{"version":\#(version),"credentials":["#.utf8)
        for (index, entry) in entries.enumerated() {
            bytes.append(contentsOf: (index == 0 ? "\n" : ",\n").utf8)
            bytes += JSONObjectWriter.bytes { object in
                object.unsigned("number", entry.credential.number)
                object.string("secretId", entry.credential.secretId)
                object.string("secretKey", entry.credential.secretKey)
                object.string("createdAt", Timestamp.text(entry.createdAt))
                object.bool("disabled", entry.isDisabled)
                if let label = entry.label { object.string("label", label) }
                if version > 1 { write(entry, to: &object) }
            }
        }
        bytes.append(contentsOf: "\n]}\n".utf8)
        return bytes
    }

    private static func write(_ entry: Entry, to object: inout JSONObjectWriter) {
        let access = entry.credential.access
        object.strings("roles", access.roles.sorted().map(\.rawValue))
        if let projects = access.projects { object.strings("projects", projects) }
        guard let previous = entry.previous else { return }
        object.object("previous") { object in
            object.string("secretId", previous.secretId)
            object.string("secretKey", previous.secretKey)
            object.string("until", Timestamp.text(previous.until))
        }
    }

    /// Throws `damaged`: a file that cannot be read whole is not read in part, since the part left
    /// out might be the one that disables a credential.
    static func decode(_ bytes: [UInt8], path: String) throws(ServerError) -> [Entry] {
        func damaged(_ what: String) -> ServerError {
            ServerError(
                .damaged,
                "\(path) is damaged (\(what)); restore it from a backup, or remove it and create "
                    + "new credentials")
        }
        let document: JSONValue
        do { document = try JSONValue.parse(bytes) } catch { throw damaged("\(error)") }
        guard case .unsigned(let version)? = document["version"] else {
            throw damaged("it has no version")
        }
        guard (1 ... Self.version).contains(version) else {
            throw ServerError(
                .damaged, "\(path) has version \(version), written by a newer Holdfast; use that")
        }
        guard case .array(let items)? = document["credentials"] else {
            throw damaged("it has no list of credentials")
        }
        var entries: [Entry] = []
        var secretIds: Set<String> = []
        for (index, item) in items.enumerated() {
            guard let entry = entry(item, version), Int(entry.credential.number) == index + 1,
                secretIds.insert(entry.credential.secretId).inserted,
                entry.previous.map({ secretIds.insert($0.secretId).inserted }) ?? true
            else { throw damaged("credential \(index + 1)") }
            entries.append(entry)
        }
        return entries
    }

    private static func entry(_ item: JSONValue, _ version: UInt64) -> Entry? {
        guard case .unsigned(let number)? = item["number"], let number = UInt32(exactly: number),
            case .string(let secretId)? = item["secretId"], !secretId.isEmpty,
            case .string(let secretKey)? = item["secretKey"], !secretKey.isEmpty,
            case .string(let created)? = item["createdAt"],
            let createdAt = Timestamp.parse(created.utf8),
            case .bool(let isDisabled)? = item["disabled"]
        else { return nil }
        var label: String?
        switch item["label"] {
        case nil: break
        case .string(let text): label = text
        default: return nil
        }
        guard let access = version == 1 ? .full : access(item) else { return nil }
        var previous: Previous?
        if version > 1, let value = item["previous"] {
            guard let known = self.previous(value) else { return nil }
            previous = known
        }
        return Entry(
            credential: CloudCredential(
                secretId: secretId, secretKey: secretKey, number: number, access: access),
            createdAt: createdAt, isDisabled: isDisabled, label: label, previous: previous)
    }

    /// Nil unless every word is understood: what is not might be what limits the credential.
    private static func access(_ item: JSONValue) -> Access? {
        guard let names = texts(item["roles"]) else { return nil }
        var roles: Set<CredentialRole> = []
        for name in names {
            guard let role = CredentialRole(rawValue: name) else { return nil }
            roles.insert(role)
        }
        guard let projects = item["projects"] else { return Access(roles: roles) }
        return texts(projects).map { Access(roles: roles, projects: $0) }
    }

    private static func texts(_ value: JSONValue?) -> [String]? {
        guard case .array(let items)? = value else { return nil }
        var texts: [String] = []
        for item in items {
            guard case .string(let text) = item else { return nil }
            texts.append(text)
        }
        return texts
    }

    private static func previous(_ value: JSONValue) -> Previous? {
        guard case .string(let secretId)? = value["secretId"], !secretId.isEmpty,
            case .string(let secretKey)? = value["secretKey"], !secretKey.isEmpty,
            case .string(let text)? = value["until"], let until = Timestamp.parse(text.utf8)
        else { return nil }
        return Previous(secretId: secretId, secretKey: secretKey, until: until)
    }
}
