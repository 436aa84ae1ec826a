import LedgerServer
import NIOSSL
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Certificates for 127.0.0.1, made by openssl as an operator would make them.
struct Certificates {
    let directory: String

    var files: TLSFiles {
        TLSFiles(certificatePath: directory + "/server.pem", keyPath: directory + "/server.key")
    }

    /// Makes a certificate that vouches for itself, and its key.
    func make(_ name: String = "server", days: Int = 30) throws {
        try openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", "/CN=holdfast test \(name)", "-addext", "subjectAltName=IP:127.0.0.1",
            "-days", "\(days)", "-keyout", "\(directory)/\(name).key", "-out",
            "\(directory)/\(name).pem")
        chmod("\(directory)/\(name).key", 0o600)
    }

    /// Puts one pair in the place of another, the key first.
    func move(_ name: String, to other: String = "server") throws {
        for suffix in ["key", "pem"] {
            let status = rename("\(directory)/\(name).\(suffix)", "\(directory)/\(other).\(suffix)")
            try #require(status == 0)
        }
    }

    func write(_ text: String, to name: String, mode: mode_t = 0o600) throws {
        let path = directory + "/" + name
        let file = try #require(fopen(path, "w"))
        fputs(text, file)
        fclose(file)
        chmod(path, mode)
    }

    /// A client that trusts this certificate and no other.
    func client(
        trusting name: String = "server", maximum: TLSVersion? = nil
    ) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        let trusted = try NIOSSLCertificate.fromPEMFile("\(directory)/\(name).pem")
        configuration.trustRoots = .certificates(trusted)
        configuration.maximumTLSVersion = maximum
        return try NIOSSLContext(configuration: configuration)
    }

    func openssl(_ arguments: String...) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for descriptor in [STDOUT_FILENO, STDERR_FILENO] {
            posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_WRONLY, 0)
        }
        let words = (["openssl"] + arguments).map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var pid: pid_t = 0
        let isStarted = posix_spawnp(&pid, "openssl", &actions, nil, words, environ) == 0
        try #require(isStarted, "openssl has to be installed for these tests")
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        try #require(status == 0, "openssl \(arguments) failed")
    }
}
