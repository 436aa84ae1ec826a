extension State {
    /// Reads what the next commands of some users will look at, so that it is in the cache by then:
    /// the waits for memory overlap instead of following one another. Numbers of 0 are skipped.
    ///
    /// `sum` takes what was read, so that the reading is not left out. Changes nothing.
    public func warm(_ numbers: [UserNumber], _ sum: inout UInt64) {
        var concurrencies: [(project: ProjectNumber, number: ConcurrencyNumber)] = []
        concurrencies.reserveCapacity(numbers.count)
        for number in numbers where number > 0 && Int(number) < users.count {
            let user = users[Int(number)]
            if user.concurrency > 0 { concurrencies.append((user.project, user.concurrency)) }
        }
        for (project, number) in concurrencies {
            // Its first and its last word: a record may lie in two cache lines.
            let record = projects[Int(project)].concurrencies[Int(number)]
            sum &+= record.last &+ UInt64(record.state.rawValue)
            sum &+= UInt64(bitPattern: record.scheduledAt)
        }
    }
}
