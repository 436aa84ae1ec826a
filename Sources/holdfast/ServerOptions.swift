import ArgumentParser
import CloudAPI
import LedgerServer

/// How requests travel, and what about them has to be signed.
struct TransportOptions: ParsableArguments {
    @Option(
        name: .customLong("tls-certificate"),
        help: ArgumentHelp(
            "Serve HTTPS with this certificate and its chain (PEM). A changed file counts at "
                + "once.", valueName: "FILE"),
        completion: .file())
    var certificate: String?
    @Option(
        name: .customLong("tls-key"),
        help: ArgumentHelp("The certificate's private key (PEM).", valueName: "FILE"),
        completion: .file())
    var key: String?
    @Flag(
        name: .customLong("plain-http"),
        help: "Listen beyond loopback without TLS, behind a proxy that has it.")
    var isPlain = false
    @Flag(
        name: .customLong("require-signed-action"),
        help: "Refuse calls that do not sign X-TC-Action and the payload.")
    var requiresSignedAction = false

    func validate() throws {
        guard (certificate == nil) == (key == nil) else {
            throw ValidationError("--tls-certificate and --tls-key go together")
        }
        guard certificate == nil || !isPlain else {
            throw ValidationError("--plain-http goes without --tls-certificate")
        }
    }

    func apply(to configuration: inout HoldfastServer.Configuration) {
        if let certificate, let key {
            configuration.tls = TLSFiles(certificatePath: certificate, keyPath: key)
        }
        configuration.allowsPlainHTTP = isPlain
        configuration.requiresSignedAction = requiresSignedAction
    }
}

/// How much callers may ask for.
struct LimitOptions: ParsableArguments {
    @Option(
        name: .customLong("rate-limits"),
        help: ArgumentHelp(
            "Requests a second of each action for a credential: session calls/others; vendor is "
                + "100/20.", valueName: "off|vendor|N/N"))
    var rates = RateLimitOption.off
    @Option(
        name: .customLong("connections"),
        help: ArgumentHelp(
            "Open connections; past it the oldest without a verified call is closed.",
            valueName: "N"))
    var connectionCountMax = HoldfastServer.Configuration().connectionCountMax
    @Option(
        name: .customLong("connections-per-address"),
        help: ArgumentHelp("Of these from one address, or one IPv6 /64.", valueName: "N"))
    var perAddress: Int?
    @Option(
        name: .customLong("connections-per-credential"),
        help: ArgumentHelp("Of these used by one credential.", valueName: "N"))
    var perCredential: Int?

    func validate() throws {
        for (name, value) in [
            ("connections", connectionCountMax), ("connections-per-address", perAddress ?? 1),
            ("connections-per-credential", perCredential ?? 1),
        ] where value < 1 {
            throw ValidationError("--\(name) takes a number from 1")
        }
    }

    func apply(to configuration: inout HoldfastServer.Configuration) {
        configuration.rateLimits = rates.limits
        configuration.connectionCountMax = connectionCountMax
        configuration.connectionsPerAddressMax = perAddress
        configuration.connectionsPerCredentialMax = perCredential
    }
}

/// `off`, `vendor`, or two numbers.
enum RateLimitOption: ExpressibleByArgument {
    case off
    case limits(RateLimits)

    init?(argument: String) {
        switch argument {
        case "off": self = .off
        case "vendor": self = .limits(.vendor)
        default:
            let parts = argument.split(separator: "/", omittingEmptySubsequences: false)
            guard parts.count == 2, let calls = UInt32(parts[0]), let others = UInt32(parts[1]),
                calls > 0, others > 0
            else { return nil }
            self = .limits(
                RateLimits(
                    sessionCallsPerSecond: Int(calls), otherCallsPerSecond: Int(others)))
        }
    }

    var limits: RateLimits? {
        switch self {
        case .off: nil
        case .limits(let limits): limits
        }
    }

    var defaultValueDescription: String { "off" }
}

/// What a new credential may do.
struct AccessOptions: ParsableArguments {
    @Option(
        name: .customLong("role"),
        help: ArgumentHelp(
            "What it may do, several with commas: call, operate, audit, administer (default all).",
            valueName: "ROLES"))
    var roles: [RoleList] = []
    @Option(
        name: .customLong("project"),
        help: ArgumentHelp(
            "A project it may touch; may be given several times (default all).",
            valueName: "NAME"))
    var projects: [String] = []

    var access: Access {
        Access(
            roles: roles.isEmpty ? Access.full.roles : Set(roles.flatMap(\.roles)),
            projects: projects.isEmpty ? nil : projects)
    }
}

/// Roles with commas between them.
struct RoleList: ExpressibleByArgument {
    var roles: [CredentialRole]

    init?(argument: String) {
        roles = []
        for name in argument.split(separator: ",", omittingEmptySubsequences: false) {
            guard let role = CredentialRole(rawValue: String(name)) else { return nil }
            roles.append(role)
        }
    }
}
