/// What a credential may do. A role says what kind of thing; no role contains another.
public enum CredentialRole: String, CaseIterable, Hashable, Sendable, Comparable {
    /// Run users' sessions: apply, connect, report, destroy.
    case call
    /// Take slots away and set projects' sizes and times.
    case operate
    /// Read what happened.
    case audit
    /// What touches the ledger beyond projects: forget a person.
    case administer

    public static func < (left: CredentialRole, right: CredentialRole) -> Bool {
        left.rank < right.rank
    }

    private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

/// The roles a credential has and the projects it may touch.
public struct Access: Hashable, Sendable {
    public var roles: Set<CredentialRole>
    /// Names of projects, each once, nil for all there are and will be. No set of Swift's strings:
    /// names are bytes, and two that only look alike are two projects.
    public let projects: [String]?

    public init(roles: Set<CredentialRole>, projects: [String]? = nil) {
        self.roles = roles
        var known: Set<[UInt8]> = []
        self.projects = projects?.filter { known.insert(Array($0.utf8)).inserted }
    }

    /// Everything: what a credential had before there were roles, and what the first one gets.
    public static let full = Access(roles: Set(CredentialRole.allCases))

    public var isFull: Bool { self == .full }

    /// Whether a project of this name may be touched.
    public func covers(project: String) -> Bool {
        projects?.contains { $0.utf8.elementsEqual(project.utf8) } ?? true
    }
}

/// Something that needs a role: an action of the cloud API, or a path of the native one.
public enum Operation: Hashable, Sendable {
    case action(CloudAction.Name)
    /// `GET /v1/events`.
    case eventStream
    /// `POST /v1/commands`, and every line in it but the next.
    case commandStream
    /// The line `repossess` of `POST /v1/commands`.
    case repossessLine
}

extension Access {
    /// The one table of who may do what: any of the roles will do.
    ///
    /// docs/cloud-api.md shows it, and a test holds the two against each other.
    public static func roles(for operation: Operation) -> Set<CredentialRole> {
        switch operation {
        case .action(.applyConcurrent), .action(.createSession), .action(.destroySession),
            .action(.reportDisconnection), .commandStream:
            [.call]
        case .action(.describeConcurrentCount), .action(.describeUserConcurrency):
            [.call, .operate, .audit]
        case .action(.repossessConcurrency), .action(.modifyProject), .repossessLine:
            [.operate]
        case .action(.describeReconnectionHistory):
            [.operate, .audit]
        case .eventStream:
            [.audit]
        case .action(.forgetUser):
            [.administer]
        }
    }

    /// Whether this reaches beyond single projects, so that it takes a credential for all of them.
    public static func needsAllProjects(_ operation: Operation) -> Bool {
        operation == .action(.forgetUser)
    }

    /// Whether a credential may do this at all; which projects it may do it to is asked apart.
    public func allows(_ operation: Operation) -> Bool {
        guard !roles.isDisjoint(with: Self.roles(for: operation)) else { return false }
        return projects == nil || !Self.needsAllProjects(operation)
    }

    /// Throws `AuthFailure.UnauthorizedOperation`, naming the roles that would do.
    public func require(_ operation: Operation) throws(CloudError) {
        guard allows(operation) else { throw Self.refusal(of: operation) }
    }

    /// What whoever may not do this is told.
    public static func refusal(of operation: Operation) -> CloudError {
        let wanted = roles(for: operation).sorted().map(\.rawValue)
        let scope = needsAllProjects(operation) ? ", and all projects" : ""
        return CloudError(
            .authFailureUnauthorizedOperation,
            "The credential may not do this; it takes the role "
                + wanted.joined(separator: " or ") + scope + ".")
    }

    /// Throws `AuthFailure.UnauthorizedOperation` for a project that is not the credential's,
    /// whether or not there is one of that name.
    public func require(project: String) throws(CloudError) {
        guard covers(project: project) else { throw CloudError.otherProject }
    }
}

extension CloudError {
    /// The project asked for, or the one in which the user holds a concurrency, is not among those
    /// of the credential.
    public static let otherProject = CloudError(
        .authFailureUnauthorizedOperation,
        "The credential may not touch this project, or the project this user is in.")
}
