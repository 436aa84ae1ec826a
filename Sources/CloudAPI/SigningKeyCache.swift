import Crypto
import Synchronization

/// Remembers, per credential, the HMAC state keyed for one day.
///
/// Deriving it takes three HMACs; it changes once a day. A keyed state is copied for each use,
/// which also saves hashing the key pads again. Only ids that the lookup knows get here, so the
/// cache grows with the number of credentials, not with what strangers send.
final class SigningKeyCache: Sendable {
    private struct Entry {
        var secretKey: String
        var date: ArraySlice<UInt8>
        var keyed: HMAC<SHA256>
    }

    /// Far more credentials than one server serves; past it the cache starts over.
    private static let entriesMax = 4096

    private let service: String
    private let entries = Mutex<[String: Entry]>([:])

    init(service: String) { self.service = service }

    /// An HMAC keyed with kSigning. The secret key is compared as well, so a credential whose key
    /// was replaced never verifies against the old one.
    func keyed(for credential: CloudCredential, date: ArraySlice<UInt8>) -> HMAC<SHA256> {
        let known = entries.withLock { $0[credential.secretId] }
        if let known, known.date == date,
            equalInConstantTime(known.secretKey, credential.secretKey)
        {
            return known.keyed
        }
        let dateKey = TC3Signature.dateKey(secretKey: credential.secretKey, date: date)
        let serviceKey = TC3Signature.serviceKey(dateKey: dateKey, service: service)
        let signingKey = TC3Signature.signingKey(serviceKey: serviceKey)
        let keyed = HMAC<SHA256>(key: SymmetricKey(data: signingKey))
        entries.withLock { entries in
            if entries.count >= Self.entriesMax { entries.removeAll() }
            entries[credential.secretId] = Entry(
                secretKey: credential.secretKey, date: date, keyed: keyed)
        }
        return keyed
    }
}
