import CloudAPI
import JSON
import Ledger
import ReconnectionRules

/// The form of DIR/credentials.json.
///
/// ```json
/// {"version":1,"credentials":[
/// {"number":1,"secretId":"HFID...","secretKey":"...","createdAt":"2026-11-23T10:15:30.000000Z",
///  "disabled":false,"label":"portal"}
/// ]}
/// ```
///
/// One credential a line. Numbers count from 1 and are never given twice, so a credential is never
/// removed, only disabled: the ledger refers to it by its number. `label` may be absent.
enum CredentialFile {
    static let version: UInt64 = 1
    /// Some tens of thousands of credentials.
    static let byteCountMax = 8 << 20
    static let labelByteCountMax = 200

    struct Entry: Sendable {
        var credential: CloudCredential
        var createdAt: Microseconds
        var isDisabled: Bool
        var label: String?
    }

    static func encode(_ entries: [Entry]) -> [UInt8] {
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
            }
        }
        bytes.append(contentsOf: "\n]}\n".utf8)
        return bytes
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
        guard version == Self.version else {
            throw ServerError(
                .damaged, "\(path) has version \(version), written by a newer Holdfast; use that")
        }
        guard case .array(let items)? = document["credentials"] else {
            throw damaged("it has no list of credentials")
        }
        var entries: [Entry] = []
        var secretIds: Set<String> = []
        for (index, item) in items.enumerated() {
            guard let entry = entry(item), Int(entry.credential.number) == index + 1,
                secretIds.insert(entry.credential.secretId).inserted
            else { throw damaged("credential \(index + 1)") }
            entries.append(entry)
        }
        return entries
    }

    private static func entry(_ item: JSONValue) -> Entry? {
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
        return Entry(
            credential: CloudCredential(secretId: secretId, secretKey: secretKey, number: number),
            createdAt: createdAt, isDisabled: isDisabled, label: label)
    }
}
