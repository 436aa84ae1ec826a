import Ledger
import Logging
import NIOCore
import NIOSSL
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Where a server's certificate and its key are.
public struct TLSFiles: Sendable, Equatable {
    /// PEM: the server's certificate, and after it those that lead to the root.
    public var certificatePath: String
    /// PEM, without a passphrase. Others may not read it; the file's group may.
    public var keyPath: String

    public init(certificatePath: String, keyPath: String) {
        self.certificatePath = certificatePath
        self.keyPath = keyPath
    }
}

/// The certificate that new connections are shown. Follows its files: what does not load leaves the
/// one before in place.
final class TLSIdentity: Sendable {
    /// What became of looking at the files.
    enum Change {
        case unchanged
        case replaced(Loaded)
        case refused(ServerError)
    }

    struct Loaded: Sendable {
        var context: NIOSSLContext
        var expiresAtSeconds: Int64

        var expiryText: String { Timestamp.text(expiresAtSeconds * 1_000_000) }

        /// Tells of a certificate that clients refuse, or soon will.
        func warn(_ logger: Logger) {
            let left = expiresAtSeconds - WallClock.nowSeconds
            if left <= 0 {
                logger.error("the TLS certificate expired at \(expiryText); renew it")
            } else if left < 14 * 86_400 {
                logger.warning("the TLS certificate expires at \(expiryText); renew it")
            }
        }
    }

    private struct Stamps: Equatable {
        var certificate: PrivateFile.Stamp?
        var key: PrivateFile.Stamp?
    }

    private struct Content {
        var loaded: Loaded
        var stamps: Stamps
    }

    private static let fileByteCountMax = 1 << 20

    private let files: TLSFiles
    private let content: Mutex<Content>

    /// Throws `file` for what cannot be read, `tls` for what cannot be used.
    init(_ files: TLSFiles) throws(ServerError) {
        self.files = files
        let stamps = Self.stamps(files)
        content = Mutex(Content(loaded: try Self.load(files), stamps: stamps))
    }

    var current: Loaded { content.withLock { $0.loaded } }

    /// Loads the files again if either changed, or anyhow.
    func reload(isForced: Bool = false) -> Change {
        // Before reading: a file replaced meanwhile is seen the next time.
        let stamps = Self.stamps(files)
        guard isForced || content.withLock({ $0.stamps != stamps }) else { return .unchanged }
        do throws(ServerError) {
            let loaded = try Self.load(files)
            content.withLock { $0 = Content(loaded: loaded, stamps: stamps) }
            return .replaced(loaded)
        } catch {
            content.withLock { $0.stamps = stamps }
            return .refused(error)
        }
    }

    private static func stamps(_ files: TLSFiles) -> Stamps {
        Stamps(
            certificate: PrivateFile.stamp(files.certificatePath),
            key: PrivateFile.stamp(files.keyPath))
    }

    // MARK: - Loading

    private static func load(_ files: TLSFiles) throws(ServerError) -> Loaded {
        let chain = try certificates(files.certificatePath)
        let key = try privateKey(files.keyPath)
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        // A client that is closed on and does not answer keeps its socket so long.
        configuration.shutdownTimeout = .seconds(1)
        do {
            return Loaded(
                context: try NIOSSLContext(configuration: configuration),
                expiresAtSeconds: Int64(chain[0].notValidAfter))
        } catch {
            throw ServerError(
                .tls,
                "the key in \(files.keyPath) does not belong to the certificate in "
                    + "\(files.certificatePath), or cannot be used with it; name a matching pair")
        }
    }

    private static func certificates(_ path: String) throws(ServerError) -> [NIOSSLCertificate] {
        let bytes = try read(path)
        let chain = try? NIOSSLCertificate.fromPEMBytes(bytes)
        guard let chain, !chain.isEmpty else {
            throw ServerError(.tls, "\(path) holds no certificate in PEM form; name one that does")
        }
        return chain
    }

    private static func privateKey(_ path: String) throws(ServerError) -> NIOSSLPrivateKey {
        try checkMode(path)
        let bytes = try read(path)
        guard let key = try? NIOSSLPrivateKey(bytes: bytes, format: .pem) else {
            throw ServerError(
                .tls,
                "\(path) holds no private key in PEM form without a passphrase; name one that does")
        }
        return key
    }

    /// Whoever can read the key can pass for this server; whoever can write it can replace it.
    private static func checkMode(_ path: String) throws(ServerError) {
        var status = stat()
        guard stat(path, &status) == 0 else { return }
        guard status.st_mode & 0o027 == 0 else {
            throw ServerError(
                .file,
                "others can read \(path), or more than its owner can write it; run chmod 600 on it")
        }
    }

    private static func read(_ path: String) throws(ServerError) -> [UInt8] {
        guard let bytes = try PrivateFile.read(path, byteCountMax: fileByteCountMax) else {
            throw ServerError(.file, "there is no file \(path); name the one that holds it")
        }
        return bytes
    }
}
