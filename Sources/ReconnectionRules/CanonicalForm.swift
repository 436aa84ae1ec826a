extension State {
    /// The documented canonical form of the state, word by word: what the state digest hashes, each
    /// word as 8 bytes, least significant first. Two ledgers with the same events have the same.
    ///
    /// In order: position, time, position of the newest opened or userForgotten event; number of
    /// users, then for each user by number: project and concurrency held (project · 2³² +
    /// concurrency), event count, newest event, newest jump node; number of projects, then for each
    /// by number: the five settings, newest event, how many concurrency numbers, then for each
    /// concurrency by number: state + 2⁸ · runs without client + 2³² · user, session, moment,
    /// newest event; last the fourteen counters. Names, keys, batch cuts, hashes and wall times are
    /// no part of it.
    public func forEachCanonicalWord(_ body: (UInt64) -> Void) {
        func signed(_ value: Int64) { body(UInt64(bitPattern: value)) }
        body(position)
        signed(time)
        body(lastOfLedger)
        body(UInt64(userCount))
        for user in users.dropFirst() {
            body(UInt64(user.project) << 32 | UInt64(user.concurrency))
            body(UInt64(user.eventCount))
            body(user.last)
            body(user.jump)
        }
        body(UInt64(projectCount))
        for project in projects.dropFirst() {
            body(UInt64(project.settings.concurrencyCount))
            signed(project.settings.reconnectWindow)
            signed(project.settings.lockTimeout)
            signed(project.settings.cleanupTime)
            body(project.settings.requiresSessionName ? 1 : 0)
            body(project.last)
            body(UInt64(project.numberCount))
            for concurrency in project.concurrencies.dropFirst() {
                body(
                    UInt64(concurrency.state.rawValue)
                        | (concurrency.runsWithoutClient ? 1 << 8 : 0)
                        | UInt64(concurrency.user) << 32)
                body(concurrency.session)
                signed(concurrency.moment)
                body(concurrency.last)
            }
        }
        let c = counters
        for value in [
            c.starts, c.grantedNew, c.resumed, c.takenOver, c.rejectedNoIdle, c.rejectedLockTimeout,
            c.disconnected, c.keptRunning, c.staleDisconnects, c.destroyed, c.staleDestroys,
            c.repossessed, c.heldNow, c.waitingNow,
        ] { body(value) }
    }
}
