import CloudAPI
import Ledger
import ReconnectionRules

@testable import Audit
@testable import LedgerServer

extension FuzzTarget {
    static let fileTargets = [pageCheck, credentialFile, backupManifest]

    /// First byte: which file, and whether LMDB changes it afterwards. Then changes to it.
    static let pageCheck = FuzzTarget(
        name: "page-check", subject: "LMDB files with anything in their pages",
        promise: "What the check takes, LMDB walks and changes without a fault, and finds what "
            + "the check counted.",
        byteCountMax: 96,
        seeds: { PageForm.samples },
        run: { try PageForm.run($0) })

    static let credentialFile = FuzzTarget(
        name: "credential-file", subject: "credentials.json",
        promise: "Credentials are written and read back the same.",
        byteCountMax: 1024,
        words: [
            "\"number\":", "\"secretId\":\"", "\"secretKey\":\"", "\"createdAt\":\"",
            "\"disabled\":", "\"label\":\"", "2026-11-23T10:15:30.000000Z",
        ],
        seeds: {
            [
                Array(
                    (#"{"version":1,"credentials":[{"number":1,"secretId":"HFID1","secretKey":"k","#
                        + #""createdAt":"2026-11-23T10:15:30.000000Z","disabled":false,"#
                        + #""label":"portal"}]}"#).utf8),
                Array(#"{"version":1,"credentials":[]}"#.utf8),
            ]
        },
        run: { input in
            let entries: [CredentialFile.Entry]
            do throws(ServerError) {
                entries = try CredentialFile.decode(input, path: "credentials.json")
            } catch {
                try require(isPrintable(error.message), "a control character: \(error.message)")
                return false
            }
            let written = CredentialFile.encode(entries)
            let again = try CredentialFile.decode(written, path: "")
            try require(CredentialFile.encode(again) == written, "not read back: \(text(written))")
            try require(
                again.elementsEqual(entries) { $0.credential.secretId.utf8
                    .elementsEqual($1.credential.secretId.utf8) && $0.isDisabled == $1.isDisabled
                    && $0.credential.number == $1.credential.number
                }, "others come back")
            return !entries.isEmpty
        })

    static let backupManifest = FuzzTarget(
        name: "backup-manifest", subject: "backup.json",
        promise: "A manifest is written and read back the same; its files lie in the backup.",
        byteCountMax: 1024,
        words: [
            "\"backupVersion\":1", "\"files\":[", "\"name\":\"keys\"", "\"sha256\":\"",
            "\"signOfLife\":null", "../", "\"stateDigest\":\"",
        ],
        seeds: {
            let digest = String(repeating: "0a", count: 32)
            let time = "2026-11-23T10:15:30.000000Z"
            return [
                Array(
                    (#"{"backupVersion":1,"holdfast":"1","ledgerId":"a1","madeAt":"\#(time)","#
                        + #""position":9,"time":"\#(time)","head":"\#(digest)","events":9,"#
                        + #""batches":2,"stateDigest":"\#(digest)","signOfLife":null,"files":["#
                        + #"{"name":"\#(Backup.fileNames.first ?? "")","bytes":3,"#
                        + #""sha256":"\#(digest)"}]}"#).utf8)
            ]
        },
        run: { input in
            let file = ScratchFile.shared
            file.hold(input)
            guard let manifest = try? BackupManifest(at: file.path) else { return false }
            let areInside = manifest.files.allSatisfy { Backup.fileNames.contains($0.name) }
            try require(areInside, "a file lies elsewhere")
            file.hold(manifest.json)
            try require(try BackupManifest(at: file.path) == manifest, "not read back")
            return true
        })
}
