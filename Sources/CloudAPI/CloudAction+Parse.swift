extension CloudAction {
    /// Reads an action's parameters.
    ///
    /// The checks come in this order: version, action, the document, each parameter in the order
    /// of the action's declaration, then parameters that the action does not have.
    ///
    /// - Throws: `NoSuchVersion`, `InvalidAction`, `InvalidParameter.JsonParseError`, and with
    ///   the parameter's name `MissingParameter`, `InvalidParameterValue`, `UnknownParameter`.
    /// - Complexity: O(bytes of the parameters).
    public static func parse(
        action: String, version: String, parameters: CloudCall.Parameters
    ) throws(CloudError) -> CloudAction {
        guard version == Self.version else {
            throw CloudError(.noSuchVersion, "Only version \(Self.version) is served.")
        }
        guard let name = Name(rawValue: action) else {
            throw CloudError(
                .invalidAction,
                "The action `\(CloudError.printable(action))` does not exist here.")
        }
        var fields = try ActionFields(parameters)
        let action = try read(name, from: &fields)
        try fields.refuseRest()
        return action
    }

    private static func read(
        _ name: Name, from fields: inout ActionFields
    ) throws(CloudError) -> CloudAction {
        switch name {
        case .applyConcurrent: .applyConcurrent(try ApplyConcurrent(&fields))
        case .createSession: .createSession(try CreateSession(&fields))
        case .destroySession: .destroySession(try DestroySession(&fields))
        case .describeConcurrentCount:
            .describeConcurrentCount(try DescribeConcurrentCount(&fields))
        case .reportDisconnection: .reportDisconnection(try ReportDisconnection(&fields))
        case .repossessConcurrency: .repossessConcurrency(try RepossessConcurrency(&fields))
        case .forgetUser: .forgetUser(try ForgetUser(&fields))
        case .describeUserConcurrency:
            .describeUserConcurrency(try DescribeUserConcurrency(&fields))
        case .describeReconnectionHistory:
            .describeReconnectionHistory(try DescribeReconnectionHistory(&fields))
        case .modifyProject: .modifyProject(try ModifyProject(&fields))
        }
    }
}

extension CloudAction.ApplyConcurrent {
    init(_ fields: inout ActionFields) throws(CloudError) {
        userId = try fields.identifier("UserId")
        userIp = try fields.text("UserIp", bytesMax: Limits.addressBytesMax)
        projectId = try fields.identifier("ProjectId")
        applicationVersionId = try fields.optionalIdentifier("ApplicationVersionId")
        applicationId = try fields.optionalIdentifier("ApplicationId")
    }
}

extension CloudAction.CreateSession {
    init(_ fields: inout ActionFields) throws(CloudError) {
        userId = try fields.identifier("UserId")
        userIp = try fields.text("UserIp", bytesMax: Limits.addressBytesMax)
        let clientSession = try fields.possiblyEmptyText(
            "ClientSession", bytesMax: Limits.clientSessionBytesMax)
        let runMode = try fields.choice("RunMode", RunMode.self)
        runsWithoutClient = runMode == .runWithoutClient
        if !runsWithoutClient {
            guard let clientSession else { throw .missing("ClientSession") }
            guard !clientSession.isEmpty else {
                throw .badValue(
                    "ClientSession", "may be empty only with RunMode RunWithoutClient")
            }
        }
        self.clientSession = clientSession ?? ""
        applicationParameters = try fields.optionalText(
            "ApplicationParameters", bytesMax: Limits.applicationParametersBytesMax)
        hostUserId = try fields.optionalIdentifier("HostUserId")
        role = try fields.choice("Role", CloudAction.Role.self)
    }

    private enum RunMode: String {
        case runWithoutClient = "RunWithoutClient"
    }
}

extension CloudAction.DestroySession {
    init(_ fields: inout ActionFields) throws(CloudError) {
        userId = try fields.identifier("UserId")
        sessionId = try fields.number("SessionId", in: 0...UInt64.max)
    }
}

extension CloudAction.DescribeConcurrentCount {
    init(_ fields: inout ActionFields) throws(CloudError) {
        // An empty id is refused, not taken for an absent one: the answer would be the total of
        // all projects, under the name of one.
        projectId = try fields.presentIdentifier("ProjectId")
        applicationCategory = try fields.choice(
            "ApplicationCategory", CloudAction.ApplicationCategory.self)
    }
}

extension CloudAction.ReportDisconnection {
    init(_ fields: inout ActionFields) throws(CloudError) {
        userId = try fields.identifier("UserId")
        sessionId = try fields.number("SessionId", in: 0...UInt64.max)
    }
}

extension CloudAction.RepossessConcurrency {
    init(_ fields: inout ActionFields) throws(CloudError) {
        userId = try fields.identifier("UserId")
    }
}

extension CloudAction.ForgetUser {
    init(_ fields: inout ActionFields) throws(CloudError) {
        userId = try fields.identifier("UserId")
    }
}

extension CloudAction.DescribeUserConcurrency {
    init(_ fields: inout ActionFields) throws(CloudError) {
        userId = try fields.identifier("UserId")
    }
}

extension CloudAction.DescribeReconnectionHistory {
    init(_ fields: inout ActionFields) throws(CloudError) {
        userId = try fields.identifier("UserId")
        limit = try fields.number("Limit", in: 1...UInt64(Limits.historyEntriesMax))
            .map(UInt32.init)
        before = try fields.number("Before", in: 0...UInt64.max)
    }
}

extension CloudAction.ModifyProject {
    init(_ fields: inout ActionFields) throws(CloudError) {
        let seconds = 0...Limits.timeoutSecondsMax
        projectId = try fields.identifier("ProjectId")
        concurrencies = try fields.number("Concurrencies", in: 0...UInt64(UInt32.max))
            .map(UInt32.init)
        reconnectTimeoutSeconds = try fields.number("ReconnectTimeout", in: seconds)
        lockTimeoutSeconds = try fields.number("LockTimeout", in: seconds)
        cleanupTimeSeconds = try fields.number("CleanupTime", in: seconds)
    }
}
