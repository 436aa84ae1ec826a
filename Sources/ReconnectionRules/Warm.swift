extension State {
    /// Reads what the next commands of some users will look at, so that it is in the cache by then:
    /// the waits for memory overlap instead of following one another. Numbers of 0 are skipped.
    ///
    /// `sum` takes what was read, so that the reading is not left out. Changes nothing.
    public func warm(_ numbers: [UserNumber], _ sum: inout UInt64) {
        for number in numbers where number > 0 && Int(number) < users.count {
            sum &+= users[Int(number)].last
        }
        for number in numbers where number > 0 && Int(number) < users.count {
            let user = users[Int(number)]
            // The next events may bring a jump node: see `JumpTable`.
            if user.jumpBlock != 0, user.eventCount % JumpTable.stride >= JumpTable.stride - 4 {
                sum &+= jumps.blocks[Int(user.jumpBlock)].first
            }
            guard user.concurrency > 0 else { continue }
            // Its first and its last word: a record may lie in two cache lines.
            let record = projects[Int(user.project)].concurrencies[Int(user.concurrency)]
            sum &+= record.last &+ UInt64(record.state.rawValue)
            sum &+= UInt64(bitPattern: record.scheduledAt)
        }
    }

    /// Deadlines whose records are read together.
    static var warmedTogether: Int { 64 }

    /// As `warm`, for the deadlines that fall due next.
    mutating func warmDue(at now: Microseconds) {
        guard let earliest = schedule.earliest, earliest <= now else { return }
        let entries = schedule.upcoming(Self.warmedTogether)
        guard entries.count > 1 else { return }
        var sum: UInt64 = 0
        for entry in entries where entry.moment <= now {
            let record = projects[Int(entry.project)].concurrencies[Int(entry.concurrency)]
            sum &+= UInt64(bitPattern: record.scheduledAt) &+ UInt64(record.user)
        }
        for entry in entries where entry.moment <= now {
            let record = projects[Int(entry.project)].concurrencies[Int(entry.concurrency)]
            sum &+= users[Int(record.user)].last
        }
        warmth &+= sum
    }
}
