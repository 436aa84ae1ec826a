import Testing

/// Deadlines that fall due: their order, their cascades, and what else happens at the same moment.
@Suite struct SettlingSequences {
    @Test func `many due deadlines are settled by deadline, then project, then number`() {
        story(
            """
            given project P concurrencies 3 => #1-#2
            given project Q concurrencies 2 => #3-#4
            given users a b c d e => #5-#9
            at 0 apply d Q
                #10 at 0 applied granted d Q/1 reserved until 30 asked Q by library
            at 0 apply e Q
                #11 at 0 applied granted e Q/2 reserved until 30 asked Q by library
            at 0 apply a P
                #12 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 0 apply b P
                #13 at 0 applied granted b P/2 reserved until 30 asked P by library
            at 0 apply c P
                #14 at 0 applied granted c P/3 reserved until 30 asked P by library
            at 1 apply a P
                #15 at 1 applied returned a P/1 reserved until 31 asked P by library
            at 2 apply d Q
                #16 at 2 applied returned d Q/1 reserved until 32 asked Q by library
            at 2 apply b P
                #17 at 2 applied returned b P/2 reserved until 32 asked P by library
            at 50 settle
                #18 at 30 repossessed lockExpired c P/3 idle by ledger
                #19 at 30 repossessed lockExpired e Q/2 idle by ledger
                #20 at 31 repossessed lockExpired a P/1 idle by ledger
                #21 at 32 repossessed lockExpired b P/2 idle by ledger
                #22 at 32 repossessed lockExpired d Q/1 idle by ledger
            at 50 show P
                | 1 idle since 31
                | 2 idle since 32
                | 3 idle since 30
                | running 0 of 3
            """)
    }

    @Test func `equal deadlines of one project are settled by number, in whatever order set`() {
        story(
            """
            given project P concurrencies 3 => #1-#2
            given users a b c => #3-#5
            at 0 apply a P
                #6 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 0 apply b P
                #7 at 0 applied granted b P/2 reserved until 30 asked P by library
            at 0 apply c P
                #8 at 0 applied granted c P/3 reserved until 30 asked P by library
            at 4 apply c P
                #9 at 4 applied returned c P/3 reserved until 34 asked P by library
            at 4 apply b P
                #10 at 4 applied returned b P/2 reserved until 34 asked P by library
            at 4 apply a P
                #11 at 4 applied returned a P/1 reserved until 34 asked P by library
            at 34 settle
                #12 at 34 repossessed lockExpired a P/1 idle by ledger
                #13 at 34 repossessed lockExpired b P/2 idle by ledger
                #14 at 34 repossessed lockExpired c P/3 idle by ledger
            """)
    }

    @Test func `a window and the cleanup after it, both over, are settled in one cascade`() {
        story(
            """
            given project P concurrencies 1 cleanup 20 => #1-#2
            given users a b => #3-#4
            at 0 apply a P
                #5 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 session a
                #6 at 1 sessionCreated fresh a P/1 connected session 6 by library
            at 10 disconnect a 6
                #7 at 10 disconnected waiting a P/1 waiting until 100 session 6 named 6 by library
            at 500 apply b P
                #8 at 100 repossessed windowExpired a P/1 recovering until 120 session 6 by ledger \
                    after user #7 concurrency #7 jump #0
                #9 at 120 recovered done P/1 idle by ledger after user #0 concurrency #8 jump #0
                #10 at 500 applied granted b P/1 reserved until 530 asked P by library \
                    after user #4 concurrency #9 jump #0
            """)
    }

    @Test func `a cascade takes its turn among the deadlines of others`() {
        story(
            """
            given project P concurrencies 2 cleanup 20 => #1-#2
            given users a b => #3-#4
            at 0 apply a P
                #5 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 0 apply b P
                #6 at 0 applied granted b P/2 reserved until 30 asked P by library
            at 1 session a
                #7 at 1 sessionCreated fresh a P/1 connected session 7 by library
            at 1 session b
                #8 at 1 sessionCreated fresh b P/2 connected session 8 by library
            at 10 disconnect b 8
                #9 at 10 disconnected waiting b P/2 waiting until 100 session 8 named 8 by library
            at 20 disconnect a 7
                #10 at 20 disconnected waiting a P/1 waiting until 110 session 7 named 7 by library
            at 1000 settle
                #11 at 100 repossessed windowExpired b P/2 recovering until 120 session 8 by ledger
                #12 at 110 repossessed windowExpired a P/1 recovering until 130 session 7 by ledger
                #13 at 120 recovered done P/2 idle by ledger
                #14 at 130 recovered done P/1 idle by ledger
            at 1000 show P
                | 1 idle since 130
                | 2 idle since 120
                | running 0 of 2
            """)
    }

    @Test func `the end of a cleanup ties with the end of a window by number`() {
        // P/2 began to recover long before; its end still comes after the window of P/1.
        story(
            """
            given project P concurrencies 2 cleanup 20 => #1-#2
            given users a b => #3-#4
            at 0 apply a P
                #5 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 0 apply b P
                #6 at 0 applied granted b P/2 reserved until 30 asked P by library
            at 1 session a
                #7 at 1 sessionCreated fresh a P/1 connected session 7 by library
            at 1 session b
                #8 at 1 sessionCreated fresh b P/2 connected session 8 by library
            at 10 disconnect a 7
                #9 at 10 disconnected waiting a P/1 waiting until 100 session 7 named 7 by library
            at 80 destroy b 8
                #10 at 80 destroyed freed b P/2 recovering until 100 session 8 named 8 by library
            at 100 settle
                #11 at 100 repossessed windowExpired a P/1 recovering until 120 session 7 by ledger
                #12 at 100 recovered done P/2 idle by ledger
            """)
    }

    @Test func `what is due is settled before anything else that happens at that moment`() {
        story(
            """
            given project P concurrencies 4 => #1-#2
            given users a b c d => #3-#6
            at 0 apply a P
                #7 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 apply b P
                #8 at 1 applied granted b P/2 reserved until 31 asked P by library
            at 2 apply c P
                #9 at 2 applied granted c P/3 reserved until 32 asked P by library
            at 3 apply d P
                #10 at 3 applied granted d P/4 reserved until 33 asked P by library
            at 30 destroy a
                #11 at 30 repossessed lockExpired a P/1 idle by ledger
                #12 at 30 destroyed nothingHeld a unnamed by library
            at 31 repossess b by commandLine
                #13 at 31 repossessed lockExpired b P/2 idle by ledger
                #14 at 31 repossessed nothingHeld b by commandLine
            at 32 set P concurrencies 2
                #15 at 32 repossessed lockExpired c P/3 idle by ledger
                #16 at 32 projectModified done P concurrencies 2 window 90 lock 30 cleanup 0 \
                    by library
                #17 at 32 withdrawn done P/3 withdrawn by ledger
                #18 at 32 withdrawn done P/2 withdrawn by ledger
            at 33 name e
                #19 at 33 repossessed lockExpired d P/4 idle by ledger
                #20 at 33 userNamed done e by library
            """)
    }

    @Test func `a user whose window ended is refused when another was quicker`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a b => #3-#4
            at 0 apply a P
                #5 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 session a
                #6 at 1 sessionCreated fresh a P/1 connected session 6 by library
            at 2 disconnect a 6
                #7 at 2 disconnected waiting a P/1 waiting until 92 session 6 named 6 by library
            at 91.999999 apply b P
                #8 at 91.999999 applied noIdle b asked P by library
            at 92 apply b P
                #9 at 92 repossessed windowExpired a P/1 idle session 6 by ledger
                #10 at 92 applied granted b P/1 reserved until 122 asked P by library
            at 92 apply a P
                #11 at 92 applied noIdle a asked P by library
            at 92 session a
                #12 at 92 sessionCreated lockTimeout a by library
            """)
    }
}
