import Testing

/// Which concurrency an apply is granted, and when there is none.
@Suite struct GrantingSequences {
    @Test func `a ledger's first events, with every pointer and every kind of caller`() {
        story(
            """
            at 0 create P by commandLine
                #1 at 0 projectNamed done P by commandLine after user #0 concurrency #0 jump #0
            at 0 set P concurrencies 2 by commandLine
                #2 at 0 projectModified done P concurrencies 2 window 90 lock 30 cleanup 0 \
                    by commandLine after user #0 concurrency #1 jump #0
            at 1 name a
                #3 at 1 userNamed done a by library after user #0 concurrency #0 jump #0
            at 2 apply a P by credential 7
                #4 at 2 applied granted a P/1 reserved until 32 asked P by credential 7 \
                    after user #3 concurrency #0 jump #0
            at 3 session a by credential 7
                #5 at 3 sessionCreated fresh a P/1 connected session 5 by credential 7 \
                    after user #4 concurrency #4 jump #0
            at 4 disconnect a by anonymous
                #6 at 4 disconnected waiting a P/1 waiting until 94 session 5 unnamed by anonymous \
                    after user #5 concurrency #5 jump #0
            at 5 apply a P by trace
                #7 at 5 applied returned a P/1 reserved until 94 session 5 asked P by trace \
                    after user #6 concurrency #6 jump #0
            at 6 session a unattended
                #8 at 6 sessionCreated resumed a P/1 connected unattended session 8 by library \
                    after user #7 concurrency #7 jump #0
            at 7 disconnect a 8
                #9 at 7 disconnected keptRunning a P/1 connected unattended session 8 named 8 \
                    by library after user #8 concurrency #8 jump #0
            at 8 disconnect a 5
                #10 at 8 disconnected stale a P/1 connected unattended session 8 named 5 \
                    by library after user #9 concurrency #9 jump #0
            at 9 destroy a 8
                #11 at 9 destroyed freed a P/1 idle session 8 named 8 by library \
                    after user #10 concurrency #10 jump #0
            at 10 repossess a
                #12 at 10 repossessed nothingHeld a by library \
                    after user #11 concurrency #0 jump #0
            at 11 set P window 60
                #13 at 11 projectModified done P concurrencies 2 window 60 lock 30 cleanup 0 \
                    by library after user #0 concurrency #2 jump #0
            at 11 open outage 5
                #14 at 11 opened done outage 5 by library after user #0 concurrency #0 jump #0
            at 12 show P
                | 1 idle since 9
                | 2 idle since 0
                | running 0 of 2
            """)
    }

    @Test func `the concurrency idle longest is granted, not the lowest number`() {
        story(
            """
            given project P concurrencies 2 => #1-#2
            given users a b c => #3-#5
            at 10 apply a P
                #6 at 10 applied granted a P/1 reserved until 40 asked P by library
            at 11 apply b P
                #7 at 11 applied granted b P/2 reserved until 41 asked P by library
            at 12 destroy b
                #8 at 12 destroyed freed b P/2 idle unnamed by library
            at 13 destroy a
                #9 at 13 destroyed freed a P/1 idle unnamed by library
            at 14 apply c P
                #10 at 14 applied granted c P/2 reserved until 44 asked P by library
            at 15 apply b P
                #11 at 15 applied granted b P/1 reserved until 45 asked P by library
            """)
    }

    @Test func `of those idle equally long the lowest number is granted`() {
        story(
            """
            given project P concurrencies 3 => #1-#2
            given users a b c => #3-#5
            at 1 apply a P
                #6 at 1 applied granted a P/1 reserved until 31 asked P by library
            at 1 apply b P
                #7 at 1 applied granted b P/2 reserved until 31 asked P by library
            at 1 apply c P
                #8 at 1 applied granted c P/3 reserved until 31 asked P by library
            at 5 destroy c
                #9 at 5 destroyed freed c P/3 idle unnamed by library
            at 5 destroy b
                #10 at 5 destroyed freed b P/2 idle unnamed by library
            at 5 destroy a
                #11 at 5 destroyed freed a P/1 idle unnamed by library
            at 6 apply b P
                #12 at 6 applied granted b P/1 reserved until 36 asked P by library
            at 6 apply a P
                #13 at 6 applied granted a P/2 reserved until 36 asked P by library
            at 6 apply c P
                #14 at 6 applied granted c P/3 reserved until 36 asked P by library
            """)
    }

    @Test func `an apply that finds none idle is refused, until one comes free`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a b => #3-#4
            at 1 apply a P
                #5 at 1 applied granted a P/1 reserved until 31 asked P by library
            at 2 apply b P by credential 2
                #6 at 2 applied noIdle b asked P \
                    by credential 2 after user #4 concurrency #0 jump #0
            at 2 show b
                | b nothing
            at 3 destroy a
                #7 at 3 destroyed freed a P/1 idle unnamed by library
            at 3 apply b P
                #8 at 3 applied granted b P/1 reserved until 33 asked P by library
            at 3 apply a P
                #9 at 3 applied noIdle a asked P by library
            """)
    }

    @Test func `a project has no concurrencies until somebody sets them`() {
        story(
            """
            at 0 create P
                #1 at 0 projectNamed done P by library
            at 0 name a
                #2 at 0 userNamed done a by library
            at 1 apply a P
                #3 at 1 applied noIdle a asked P by library
            at 1 session a
                #4 at 1 sessionCreated lockTimeout a by library
            at 1 show P
                | running 0 of 0
            """)
    }

    @Test func `idleness counts from the deadline that ended the holding, not from its settling`() {
        // Settled late and counted from then, both would be idle since 60 and P/1 granted.
        story(
            """
            given project P concurrencies 2 => #1-#2
            given users a b c => #3-#5
            at 0 apply a P
                #6 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 0 apply b P
                #7 at 0 applied granted b P/2 reserved until 30 asked P by library
            at 5 apply a P
                #8 at 5 applied returned a P/1 reserved until 35 asked P by library
            at 60 apply c P
                #9 at 30 repossessed lockExpired b P/2 idle by ledger
                #10 at 35 repossessed lockExpired a P/1 idle by ledger
                #11 at 60 applied granted c P/2 reserved until 90 asked P by library
            """)
    }

    @Test func `a concurrency added later has been idle for less time`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a b => #3-#4
            at 10 apply a P
                #5 at 10 applied granted a P/1 reserved until 40 asked P by library
            at 20 set P concurrencies 2
                #6 at 20 projectModified done P concurrencies 2 window 90 lock 30 cleanup 0 \
                    by library
            at 25 destroy a
                #7 at 25 destroyed freed a P/1 idle unnamed by library
            at 25 show P
                | 1 idle since 25
                | 2 idle since 20
                | running 0 of 2
            at 26 apply b P
                #8 at 26 applied granted b P/2 reserved until 56 asked P by library
            """)
    }

    @Test func `each project numbers and grants its own concurrencies`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given project Q concurrencies 1 lock 5 => #3-#4
            given users a b c => #5-#7
            at 1 apply a Q
                #8 at 1 applied granted a Q/1 reserved until 6 asked Q by library
            at 1 apply b P
                #9 at 1 applied granted b P/1 reserved until 31 asked P by library
            at 2 apply c Q
                #10 at 2 applied noIdle c asked Q by library
            at 6 apply c Q
                #11 at 6 repossessed lockExpired a Q/1 idle by ledger
                #12 at 6 applied granted c Q/1 reserved until 11 asked Q by library
            """)
    }
}
