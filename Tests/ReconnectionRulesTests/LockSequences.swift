import Testing

/// The lock between an apply and its session: when it ends, and what renews it.
@Suite struct LockSequences {
    @Test func `a reservation without a session ends when the lock does, to the microsecond`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a => #3
            at 10.000001 apply a P
                #4 at 10.000001 applied granted a P/1 reserved until 40.000001 asked P by library
            at 40 settle
                nothing
            at 40.000001 settle
                #5 at 40.000001 repossessed lockExpired a P/1 idle by ledger
            at 40.000001 settle
                nothing
            at 41 session a
                #6 at 41 sessionCreated lockTimeout a by library
            """)
    }

    @Test func `a session a microsecond before the lock ends is fresh, at its end refused`() {
        story(
            """
            given project P concurrencies 2 => #1-#2
            given users a b => #3-#4
            at 10 apply a P
                #5 at 10 applied granted a P/1 reserved until 40 asked P by library
            at 10 apply b P
                #6 at 10 applied granted b P/2 reserved until 40 asked P by library
            at 39.999999 session a
                #7 at 39.999999 sessionCreated fresh a P/1 connected session 7 by library
            at 40 session b
                #8 at 40 repossessed lockExpired b P/2 idle by ledger
                #9 at 40 sessionCreated lockTimeout b by library
            """)
    }

    @Test func `applying again renews the lock and never shortens it`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a => #3
            at 10 apply a P
                #4 at 10 applied granted a P/1 reserved until 40 asked P by library
            at 25 apply a P
                #5 at 25 applied returned a P/1 reserved until 55 asked P by library
            at 30 set P lock 5
                #6 at 30 projectModified done P concurrencies 1 window 90 lock 5 cleanup 0 \
                    by library
            at 31 apply a P
                #7 at 31 applied returned a P/1 reserved until 55 asked P by library
            at 51 apply a P
                #8 at 51 applied returned a P/1 reserved until 56 asked P by library
            at 55.999999 session a
                #9 at 55.999999 sessionCreated fresh a P/1 connected session 9 by library
            """)
    }

    @Test func `a lock renewed many times expires once, after the last renewal`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a => #3
            at 0 apply a P
                #4 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 10 apply a P
                #5 at 10 applied returned a P/1 reserved until 40 asked P by library
            at 29.999999 apply a P
                #6 at 29.999999 applied returned a P/1 reserved until 59.999999 asked P by library
            at 40 settle
                nothing
            at 59.999998 settle
                nothing
            at 1000 settle
                #7 at 59.999999 repossessed lockExpired a P/1 idle by ledger
            at 2000 settle
                nothing
            """)
    }

    @Test func `applying at the very end of the lock finds it over and is granted anew`() {
        // P/2 has been idle since 0, P/1 only since the lock ended.
        story(
            """
            given project P concurrencies 2 => #1-#2
            given users a => #3
            at 10 apply a P
                #4 at 10 applied granted a P/1 reserved until 40 asked P by library
            at 40 apply a P
                #5 at 40 repossessed lockExpired a P/1 idle by ledger
                #6 at 40 applied granted a P/2 reserved until 70 asked P by library
            """)
    }

    @Test func `applying while connected changes nothing until a session is created`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a => #3
            at 10 apply a P
                #4 at 10 applied granted a P/1 reserved until 40 asked P by library
            at 11 session a
                #5 at 11 sessionCreated fresh a P/1 connected session 5 by library
            at 20 apply a P
                #6 at 20 applied returned a P/1 connected session 5 asked P by library
            at 100 settle
                nothing
            at 101 disconnect a 5
                #7 at 101 disconnected waiting a P/1 waiting until 191 session 5 named 5 by library
            """)
    }

    @Test func `a reservation given up frees the concurrency and ends its deadline`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a b => #3-#4
            at 0 apply a P
                #5 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 20 destroy a
                #6 at 20 destroyed freed a P/1 idle unnamed by library
            at 25 apply b P
                #7 at 25 applied granted b P/1 reserved until 55 asked P by library
            at 54.999999 settle
                nothing
            at 55 settle
                #8 at 55 repossessed lockExpired b P/1 idle by ledger
            """)
    }

    @Test func `a session refused keeps its run mode, and each attempt leaves an event`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a => #3
            at 5 session a unattended by credential 1
                #4 at 5 sessionCreated lockTimeout a unattended by credential 1
            at 5 session a by trace
                #5 at 5 sessionCreated lockTimeout a by trace after user #4 concurrency #0 jump #0
            at 5 show counters
                | rejectedLockTimeout 2
            """)
    }
}
