import ReconnectionRules

extension LedgerCore {
    /// Actions whose records are brought into the cache together.
    private static let groupCount = 64

    /// Reads what single actions will look at, a group at a time: one after the other, each would
    /// wait for memory four times. Changes nothing; a batch sees to itself.
    func warm(_ work: [Work]) {
        guard work.count > 2 else { return }
        var hashes: [UInt64] = []
        hashes.reserveCapacity(Self.groupCount)
        for first in stride(from: 0, to: work.count, by: Self.groupCount) {
            hashes.removeAll(keepingCapacity: true)
            for item in work[first..<min(first + Self.groupCount, work.count)] {
                guard let user = item.singleAction?.user else { continue }
                let hash = user.utf8.withContiguousStorageIfAvailable {
                    NameBytes.hash(UnsafeRawBufferPointer($0))
                }
                if let hash { hashes.append(hash) }
            }
            warm(hashes)
        }
    }

    private func warm(_ hashes: [UInt64]) {
        var sum: UInt64 = 0
        for hash in hashes { sum &+= users.touchSlot(hash: hash) }
        let numbers = hashes.map { users.likelyNumber(hash: $0) }
        for number in numbers where number != 0 { sum &+= UInt64(users.touch(number)) }
        state.warm(numbers, &sum)
        warmth &+= sum
    }
}

extension Work {
    fileprivate var singleAction: Action? {
        switch self {
        case .act(let action, _, _), .actWithin(_, let action, _, _): action
        case .actAll, .actBatch, .look: nil
        }
    }
}

extension Action {
    /// The user it is about, nil if it is about none.
    var user: String? {
        switch self {
        case .apply(let user, _, _), .createSession(let user, _, _), .disconnect(let user, _),
            .destroy(let user, _), .repossess(let user), .forget(let user):
            user
        case .modifyProject: nil
        }
    }
}
