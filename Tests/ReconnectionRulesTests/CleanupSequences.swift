import Testing

/// The cleanup after a session: which concurrencies are cleaned, until when, and for whom.
@Suite struct CleanupSequences {
    @Test func `a concurrency that had a session is cleaned, and its user may apply at once`() {
        story(
            """
            given project P concurrencies 2 cleanup 20 => #1-#2
            given users a => #3
            at 0 apply a P
                #4 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 session a
                #5 at 1 sessionCreated fresh a P/1 connected session 5 by library
            at 10 destroy a 5
                #6 at 10 destroyed freed a P/1 recovering until 30 session 5 named 5 by library
            at 10 show a
                | a nothing
            at 10 apply a P
                #7 at 10 applied granted a P/2 reserved until 40 asked P by library
            at 11 destroy a
                #8 at 11 destroyed freed a P/2 idle unnamed by library
            at 30 settle
                #9 at 30 recovered done P/1 idle by ledger
            """)
    }

    @Test func `a concurrency whose lock ran out unused is idle at once`() {
        story(
            """
            given project P concurrencies 1 cleanup 20 => #1-#2
            given users a b => #3-#4
            at 0 apply a P
                #5 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 30 apply b P
                #6 at 30 repossessed lockExpired a P/1 idle by ledger
                #7 at 30 applied granted b P/1 reserved until 60 asked P by library
            at 31 destroy b
                #8 at 31 destroyed freed b P/1 idle unnamed by library
            at 31 apply a P
                #9 at 31 applied granted a P/1 reserved until 61 asked P by library
            at 32 repossess a
                #10 at 32 repossessed operator a P/1 idle by library
            """)
    }

    @Test func `a lock that runs out after a return still ends a grant that had a session`() {
        story(
            """
            given project P concurrencies 1 cleanup 20 => #1-#2
            given users a b => #3-#4
            at 0 apply a P
                #5 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 session a
                #6 at 1 sessionCreated fresh a P/1 connected session 6 by library
            at 2 disconnect a 6
                #7 at 2 disconnected waiting a P/1 waiting until 92 session 6 named 6 by library
            at 80 apply a P
                #8 at 80 applied returned a P/1 reserved until 110 session 6 asked P by library
            at 110 apply b P
                #9 at 110 repossessed lockExpired a P/1 recovering until 130 session 6 by ledger
                #10 at 110 applied noIdle b asked P by library
            at 130 apply b P
                #11 at 130 recovered done P/1 idle by ledger
                #12 at 130 applied granted b P/1 reserved until 160 asked P by library
            """)
    }

    @Test func `the next grant of a cleaned concurrency starts without a session`() {
        // Its lock runs out unused, so nothing is left to clean.
        story(
            """
            given project P concurrencies 1 cleanup 20 => #1-#2
            given users a => #3
            at 0 apply a P
                #4 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 session a
                #5 at 1 sessionCreated fresh a P/1 connected session 5 by library
            at 10 destroy a
                #6 at 10 destroyed freed a P/1 recovering until 30 session 5 unnamed by library
            at 29.999999 apply a P
                #7 at 29.999999 applied noIdle a asked P by library
            at 30 apply a P
                #8 at 30 recovered done P/1 idle by ledger after user #0 concurrency #6 jump #0
                #9 at 30 applied granted a P/1 reserved until 60 asked P by library \
                    after user #7 concurrency #8 jump #0
            at 60 settle
                #10 at 60 repossessed lockExpired a P/1 idle by ledger
            """)
    }

    @Test func `what is being cleaned is running, held by nobody, and idle once that is over`() {
        story(
            """
            given project P concurrencies 2 cleanup 0.000001 => #1-#2
            given users a => #3
            at 0 apply a P
                #4 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 session a
                #5 at 1 sessionCreated fresh a P/1 connected session 5 by library
            at 10 destroy a
                #6 at 10 destroyed freed a P/1 recovering until 10.000001 session 5 unnamed \
                    by library
            at 10 show P
                | 1 recovering until 10.000001
                | 2 idle since 0
                | running 1 of 2
            at 10 show counters
                | starts 1 grantedNew 1 destroyed 1
            at 99 settle
                #7 at 10.000001 recovered done P/1 idle by ledger
            at 99 show P
                | 1 idle since 10.000001
                | 2 idle since 0
                | running 0 of 2
            """)
    }

    @Test func `every way a grant with a session ends starts a cleanup`() {
        story(
            """
            given project P concurrencies 4 cleanup 7 => #1-#2
            given project Q concurrencies 1 => #3-#4
            given users a b c d => #5-#8
            at 0 apply a P
                #9 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 0 session a
                #10 at 0 sessionCreated fresh a P/1 connected session 10 by library
            at 0 apply b P
                #11 at 0 applied granted b P/2 reserved until 30 asked P by library
            at 0 session b
                #12 at 0 sessionCreated fresh b P/2 connected session 12 by library
            at 0 apply c P
                #13 at 0 applied granted c P/3 reserved until 30 asked P by library
            at 0 session c
                #14 at 0 sessionCreated fresh c P/3 connected session 14 by library
            at 0 apply d P
                #15 at 0 applied granted d P/4 reserved until 30 asked P by library
            at 0 session d
                #16 at 0 sessionCreated fresh d P/4 connected session 16 by library
            at 1 disconnect d 16
                #17 at 1 disconnected waiting d P/4 waiting until 91 session 16 named 16 by library
            at 88 destroy a 10
                #18 at 88 destroyed freed a P/1 recovering until 95 session 10 named 10 by library
            at 89 repossess b by commandLine
                #19 at 89 repossessed operator b P/2 recovering until 96 session 12 by commandLine
            at 90 apply c Q
                #20 at 90 applied granted c Q/1 reserved until 120 asked Q by library
                #21 at 90 repossessed moved c P/3 recovering until 97 session 14 by ledger
            at 98 settle
                #22 at 91 repossessed windowExpired d P/4 recovering until 98 session 16 by ledger
                #23 at 95 recovered done P/1 idle by ledger
                #24 at 96 recovered done P/2 idle by ledger
                #25 at 97 recovered done P/3 idle by ledger
                #26 at 98 recovered done P/4 idle by ledger
            """)
    }
}
