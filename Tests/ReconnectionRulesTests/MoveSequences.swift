import Testing

/// A user who holds a concurrency in one project applies for another: the latest request wins,
/// where there is something to win.
@Suite struct MoveSequences {
    @Test func `moving while reserved gives the old concurrency back at once`() {
        story(
            """
            given project P concurrencies 1 cleanup 20 => #1-#2
            given project Q concurrencies 1 lock 10 => #3-#4
            given users a b => #5-#6
            at 0 apply a P
                #7 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 5 apply a Q by credential 3
                #8 at 5 applied granted a Q/1 reserved until 15 asked Q by credential 3 \
                    after user #7 concurrency #0 jump #0
                #9 at 5 repossessed moved a P/1 idle by ledger after user #8 concurrency #7 jump #0
            at 5 show a
                | a Q/1 reserved until 15
            at 5 apply b P
                #10 at 5 applied granted b P/1 reserved until 35 asked P by library
            at 15 settle
                #11 at 15 repossessed lockExpired a Q/1 idle \
                    by ledger after user #9 concurrency #8 jump #0
            """)
    }

    @Test func `moving while connected ends the session, whose late reports are stale`() {
        story(
            """
            given project P concurrencies 1 cleanup 20 => #1-#2
            given project Q concurrencies 1 => #3-#4
            given users a => #5
            at 0 apply a P
                #6 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 session a
                #7 at 1 sessionCreated fresh a P/1 connected session 7 by library
            at 5 apply a Q
                #8 at 5 applied granted a Q/1 reserved until 35 asked Q by library
                #9 at 5 repossessed moved a P/1 recovering until 25 session 7 by ledger
            at 6 disconnect a 7
                #10 at 6 disconnected stale a Q/1 reserved until 35 named 7 by library
            at 7 session a
                #11 at 7 sessionCreated fresh a Q/1 connected session 11 by library
            at 8 destroy a 7
                #12 at 8 destroyed stale a Q/1 connected session 11 named 7 by library
            at 9 disconnect a 11
                #13 at 9 disconnected waiting a Q/1 waiting until 99 session 11 named 11 by library
            at 30 settle
                #14 at 25 recovered done P/1 idle by ledger
            """)
    }

    @Test func `moving while waiting closes the window`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given project Q concurrencies 1 => #3-#4
            given users a => #5
            at 0 apply a P
                #6 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 session a
                #7 at 1 sessionCreated fresh a P/1 connected session 7 by library
            at 2 disconnect a 7
                #8 at 2 disconnected waiting a P/1 waiting until 92 session 7 named 7 by library
            at 91.999999 apply a Q
                #9 at 91.999999 applied granted a Q/1 reserved until 121.999999 asked Q by library
                #10 at 91.999999 repossessed moved a P/1 idle session 7 by ledger
            at 92 session a
                #11 at 92 sessionCreated fresh a Q/1 connected session 11 by library
            at 1000 show counters
                | starts 2 grantedNew 2 disconnected 1 repossessed 1 heldNow 1
            """)
    }

    @Test func `at the end of the window there is nothing left to move`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given project Q concurrencies 1 => #3-#4
            given users a => #5
            at 0 apply a P
                #6 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 session a
                #7 at 1 sessionCreated fresh a P/1 connected session 7 by library
            at 2 disconnect a 7
                #8 at 2 disconnected waiting a P/1 waiting until 92 session 7 named 7 by library
            at 92 apply a Q
                #9 at 92 repossessed windowExpired a P/1 idle session 7 by ledger
                #10 at 92 applied granted a Q/1 reserved until 122 asked Q by library
            """)
    }

    @Test func `a move from a reservation that had a session leaves something to clean`() {
        story(
            """
            given project P concurrencies 1 cleanup 20 => #1-#2
            given project Q concurrencies 1 => #3-#4
            given users a => #5
            at 0 apply a P
                #6 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 session a
                #7 at 1 sessionCreated fresh a P/1 connected session 7 by library
            at 2 disconnect a 7
                #8 at 2 disconnected waiting a P/1 waiting until 92 session 7 named 7 by library
            at 3 apply a P
                #9 at 3 applied returned a P/1 reserved until 92 session 7 asked P by library
            at 4 apply a Q
                #10 at 4 applied granted a Q/1 reserved until 34 asked Q by library
                #11 at 4 repossessed moved a P/1 recovering until 24 session 7 by ledger
            """)
    }

    @Test func `a move that finds none idle is refused and the old concurrency kept`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given project Q concurrencies 1 => #3-#4
            given users a b => #5-#6
            at 0 apply b Q
                #7 at 0 applied granted b Q/1 reserved until 30 asked Q by library
            at 0 session b
                #8 at 0 sessionCreated fresh b Q/1 connected session 8 by library
            at 1 apply a P
                #9 at 1 applied granted a P/1 reserved until 31 asked P by library
            at 2 apply a Q
                #10 at 2 applied noIdle a P/1 reserved until 31 asked Q by library \
                    after user #9 concurrency #9 jump #0
            at 3 session a
                #11 at 3 sessionCreated fresh a P/1 connected session 11 by library \
                    after user #10 concurrency #10 jump #0
            at 4 apply a Q
                #12 at 4 applied noIdle a P/1 connected session 11 asked Q by library
            at 5 disconnect a 11
                #13 at 5 disconnected waiting a P/1 waiting until 95 session 11 named 11 by library
            at 6 apply a Q
                #14 at 6 applied noIdle a P/1 waiting until 95 session 11 asked Q by library
            at 7 apply a P
                #15 at 7 applied returned a P/1 reserved until 95 session 11 asked P by library
            at 8 apply a Q
                #16 at 8 applied noIdle a P/1 reserved until 95 session 11 asked Q by library
            at 9 session a
                #17 at 9 sessionCreated resumed a P/1 connected session 17 by library
            at 10 show counters
                | starts 7 grantedNew 2 resumed 1 rejectedNoIdle 4 disconnected 1 heldNow 2
            """)
    }

    @Test func `a user who moves there and back is granted anew each time`() {
        story(
            """
            given project P concurrencies 2 => #1-#2
            given project Q concurrencies 1 => #3-#4
            given users a => #5
            at 0 apply a P
                #6 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 session a
                #7 at 1 sessionCreated fresh a P/1 connected session 7 by library
            at 2 apply a Q
                #8 at 2 applied granted a Q/1 reserved until 32 asked Q by library
                #9 at 2 repossessed moved a P/1 idle session 7 by ledger
            at 3 apply a P
                #10 at 3 applied granted a P/2 reserved until 33 asked P by library
                #11 at 3 repossessed moved a Q/1 idle by ledger
            at 4 session a
                #12 at 4 sessionCreated fresh a P/2 connected session 12 by library
            at 4 show P
                | 1 idle since 2
                | 2 connected a session 12
                | running 1 of 2
            """)
    }

    @Test func `a move out of a project above its capacity withdraws what it leaves`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given project Q concurrencies 1 => #3-#4
            given users a => #5
            at 0 apply a P
                #6 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 set P concurrencies 0
                #7 at 1 projectModified done P concurrencies 0 window 90 lock 30 cleanup 0 \
                    by library
            at 2 apply a Q
                #8 at 2 applied granted a Q/1 reserved until 32 asked Q by library
                #9 at 2 repossessed moved a P/1 idle by ledger
                #10 at 2 withdrawn done P/1 withdrawn by ledger
            """)
    }
}
