/// An action with its parameters read and checked for form, not for meaning.
///
/// The first four are the vendor's. The others are Holdfast's own, in the same form, so that the
/// vendor's generic client can call them: what the vendor's platform does inside, and what an
/// operator asks.
public enum CloudAction: Hashable, Sendable {
    case applyConcurrent(ApplyConcurrent)
    case createSession(CreateSession)
    case destroySession(DestroySession)
    case describeConcurrentCount(DescribeConcurrentCount)
    case reportDisconnection(ReportDisconnection)
    case repossessConcurrency(RepossessConcurrency)
    case forgetUser(ForgetUser)
    case describeUserConcurrency(DescribeUserConcurrency)
    case describeReconnectionHistory(DescribeReconnectionHistory)
    case modifyProject(ModifyProject)

    /// The only API version that is served.
    public static let version = "2022-01-10"

    /// The name an action has on the wire.
    public enum Name: String, CaseIterable, Hashable, Sendable {
        case applyConcurrent = "ApplyConcurrent"
        case createSession = "CreateSession"
        case destroySession = "DestroySession"
        case describeConcurrentCount = "DescribeConcurrentCount"
        case reportDisconnection = "ReportDisconnection"
        case repossessConcurrency = "RepossessConcurrency"
        case forgetUser = "ForgetUser"
        case describeUserConcurrency = "DescribeUserConcurrency"
        case describeReconnectionHistory = "DescribeReconnectionHistory"
        case modifyProject = "ModifyProject"

        /// Whether the vendor has this action too.
        public var isVendors: Bool {
            switch self {
            case .applyConcurrent, .createSession, .destroySession, .describeConcurrentCount:
                true
            case .reportDisconnection, .repossessConcurrency, .forgetUser,
                .describeUserConcurrency, .describeReconnectionHistory, .modifyProject:
                false
            }
        }
    }

    public var name: Name {
        switch self {
        case .applyConcurrent: .applyConcurrent
        case .createSession: .createSession
        case .destroySession: .destroySession
        case .describeConcurrentCount: .describeConcurrentCount
        case .reportDisconnection: .reportDisconnection
        case .repossessConcurrency: .repossessConcurrency
        case .forgetUser: .forgetUser
        case .describeUserConcurrency: .describeUserConcurrency
        case .describeReconnectionHistory: .describeReconnectionHistory
        case .modifyProject: .modifyProject
        }
    }
}

// MARK: - The vendor's actions

extension CloudAction {
    /// Reserve a concurrency of a project for a user.
    public struct ApplyConcurrent: Hashable, Sendable {
        public var userId: String
        /// The client's public address, as text: any is taken; one that is no IP address is not
        /// recorded.
        public var userIp: String
        public var projectId: String
        public var applicationVersionId: String?
        public var applicationId: String?
    }

    /// Connect a user's client to the concurrency the user holds.
    public struct CreateSession: Hashable, Sendable {
        public var userId: String
        public var userIp: String
        /// What the client SDK produced; empty only without a client.
        public var clientSession: String
        /// `RunMode` "RunWithoutClient": the application runs on while no client is connected.
        public var runsWithoutClient: Bool
        public var applicationParameters: String?
        /// Multiplayer: whose room.
        public var hostUserId: String?
        /// Multiplayer: in which role.
        public var role: Role?
    }

    public enum Role: String, Hashable, Sendable {
        case player = "Player"
        case viewer = "Viewer"
    }

    /// Give the concurrency back. `sessionId`, Holdfast's own, limits it to that session.
    public struct DestroySession: Hashable, Sendable {
        public var userId: String
        public var sessionId: UInt64?
    }

    /// Total and Running of one project, or of all.
    public struct DescribeConcurrentCount: Hashable, Sendable {
        public var projectId: String?
        public var applicationCategory: ApplicationCategory?
    }

    public enum ApplicationCategory: String, Hashable, Sendable {
        case desktop = "DESKTOP"
        case mobile = "MOBILE"
    }
}

// MARK: - Holdfast's own actions

extension CloudAction {
    /// A render host saw the user's client vanish.
    public struct ReportDisconnection: Hashable, Sendable {
        public var userId: String
        /// nil: whichever session is current.
        public var sessionId: UInt64?
    }

    /// An operator takes the user's concurrency away.
    public struct RepossessConcurrency: Hashable, Sendable {
        public var userId: String
    }

    /// Makes whatever is recorded of a person unreadable for good.
    public struct ForgetUser: Hashable, Sendable {
        public var userId: String
    }

    public struct DescribeUserConcurrency: Hashable, Sendable {
        public var userId: String
    }

    /// The user's past, newest first.
    public struct DescribeReconnectionHistory: Hashable, Sendable {
        public var userId: String
        /// 1 to `Limits.historyEntriesMax`.
        public var limit: UInt32?
        /// Only entries at positions below this one.
        public var before: UInt64?
    }

    /// Changes the settings that are present. With none it asks for nothing but the project.
    public struct ModifyProject: Hashable, Sendable {
        public var projectId: String
        public var concurrencies: UInt32?
        public var reconnectTimeoutSeconds: UInt64?
        public var lockTimeoutSeconds: UInt64?
        public var cleanupTimeSeconds: UInt64?
    }
}
