import CloudAPI
import NIOCore
import Synchronization

/// Every open connection, and how many there may be: in all, from one address, of one credential.
///
/// A server that stops accepting when it is full can be kept full by anybody. This one goes on
/// accepting, and closes the oldest connection on which nobody who may call has called yet:
/// strangers push each other out, never a caller who has proved a credential.
final class OpenConnections: Sendable {
    struct Limits: Sendable {
        var total: Int
        var perAddress: Int?
        var perCredential: Int?
    }

    fileprivate struct Content {
        var open: [ObjectIdentifier: Entry] = [:]
        /// Oldest first from `oldest` on; those that closed or were proven meanwhile are skipped.
        var unproven: [Waiting] = []
        var oldest = 0
        var nextNumber: UInt64 = 0
        var byPeer: [OpenConnection.Peer: Int] = [:]
        var byCredential: [UInt32: Int] = [:]
    }

    fileprivate struct Entry {
        var connection: OpenConnection
        var number: UInt64
    }

    /// Does not keep its connection: a closed one goes at once.
    fileprivate struct Waiting {
        var channel: ObjectIdentifier
        /// A later connection may come to stand at the same address of memory.
        var number: UInt64
    }

    private let limits: Limits
    private let content = Mutex(Content())

    init(_ limits: Limits) { self.limits = limits }

    var count: Int { content.withLock { $0.open.count } }

    func find(_ channel: any Channel) -> OpenConnection? {
        content.withLock { $0.open[ObjectIdentifier(channel)]?.connection }
    }

    /// Closes them at once, whatever they are in the middle of.
    func closeAll() {
        for connection in all { connection.close() }
    }

    private var all: [OpenConnection] {
        content.withLock { $0.open.values.map(\.connection) }
    }

    // MARK: - Coming and going

    func add(_ connection: OpenConnection) {
        let tooMany = content.withLock { content -> OpenConnection? in
            content.append(connection)
            return content.open.count > limits.total ? content.takeOldestUnproven() : nil
        }
        tooMany?.close()
    }

    /// Closes the connection if its address has as many as it may.
    func note(_ connection: OpenConnection, from peer: OpenConnection.Peer) {
        let isAllowed = content.withLock { content in
            guard content.open[ObjectIdentifier(connection.channel)] != nil else { return true }
            content.byPeer[peer, default: 0] += 1
            connection.content.withLock { $0.peer = peer }
            return content.byPeer[peer, default: 0] <= limits.perAddress ?? .max
        }
        if !isAllowed { connection.close() }
    }

    func remove(_ connection: OpenConnection) {
        content.withLock { content in
            guard content.open.removeValue(forKey: ObjectIdentifier(connection.channel)) != nil
            else { return }
            let known = connection.content.withLock { $0 }
            if let peer = known.peer { content.byPeer.lower(peer) }
            if let owner = known.owner { content.byCredential.lower(owner.number) }
        }
    }

    // MARK: - Who is behind them

    /// Notes that somebody who may call did so on this connection. Throws `RequestLimitExceeded` if
    /// that credential has as many connections as it may.
    func prove(_ connection: OpenConnection, by credential: CloudCredential?) throws(CloudError) {
        let owner = credential.map {
            OpenConnection.Owner(number: $0.number, secretId: $0.secretId)
        }
        let isKnown = connection.content.withLock { $0.isProven && $0.owner == owner }
        if isKnown { return }
        let isAllowed = content.withLock { content in
            connection.content.withLock { known in
                if let number = owner?.number, number != known.owner?.number {
                    let count = content.byCredential[number, default: 0]
                    guard count < limits.perCredential ?? .max else { return false }
                    // One that closed meanwhile is not counted: nothing would count it off.
                    guard content.open[ObjectIdentifier(connection.channel)] != nil else {
                        return true
                    }
                    content.byCredential[number] = count + 1
                    if let old = known.owner { content.byCredential.lower(old.number) }
                }
                known.isProven = true
                known.owner = owner
                return true
            }
        }
        guard isAllowed else {
            throw CloudError(
                .requestLimitExceeded,
                "The credential has as many connections as it may have. Close some, or use them.")
        }
    }

    // MARK: - Once a second

    /// Closes connections of credentials that no longer count. Returns those that were to send a
    /// head before this moment and did not.
    func sweep(
        headsSince moment: NIODeadline, isValid: (_ secretId: String) -> Bool
    ) -> [OpenConnection] {
        var owners: [String: Bool] = [:]
        var late: [OpenConnection] = []
        for connection in all {
            if connection.owesHead(since: moment) {
                late.append(connection)
                continue
            }
            guard let id = connection.content.withLock({ $0.owner?.secretId }) else { continue }
            let isGood = owners[id] ?? isValid(id)
            owners[id] = isGood
            if !isGood { connection.close() }
        }
        return late
    }
}

extension OpenConnections.Content {
    fileprivate mutating func append(_ connection: OpenConnection) {
        let channel = ObjectIdentifier(connection.channel)
        nextNumber += 1
        open[channel] = OpenConnections.Entry(connection: connection, number: nextNumber)
        // What was passed by is let go of now and then, so that each costs a constant.
        if unproven.count > 1024 + 2 * open.count {
            unproven = unproven[oldest...].filter { find($0) != nil }
            oldest = 0
        }
        unproven.append(OpenConnections.Waiting(channel: channel, number: nextNumber))
    }

    fileprivate mutating func takeOldestUnproven() -> OpenConnection? {
        while oldest < unproven.count {
            let waiting = unproven[oldest]
            oldest += 1
            if let connection = find(waiting) { return connection }
        }
        return nil
    }

    /// The connection, if it is open and still unproven.
    private func find(_ waiting: OpenConnections.Waiting) -> OpenConnection? {
        guard let entry = open[waiting.channel], entry.number == waiting.number,
            !entry.connection.content.withLock({ $0.isProven })
        else { return nil }
        return entry.connection
    }
}

extension Dictionary where Value == Int {
    fileprivate mutating func lower(_ key: Key) {
        guard let count = self[key] else { return }
        self[key] = count > 1 ? count - 1 : nil
    }
}
