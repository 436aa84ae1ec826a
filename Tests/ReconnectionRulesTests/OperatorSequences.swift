import Testing

/// An operator takes a concurrency away, whatever its state.
@Suite struct OperatorSequences {
    @Test func `an operator repossesses what is reserved, connected, waiting or reserved again`() {
        story(
            """
            given project P concurrencies 4 cleanup 10 => #1-#2
            given users a b c d => #3-#6
            at 0 apply a P
                #7 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 0 apply b P
                #8 at 0 applied granted b P/2 reserved until 30 asked P by library
            at 0 session b
                #9 at 0 sessionCreated fresh b P/2 connected session 9 by library
            at 0 apply c P
                #10 at 0 applied granted c P/3 reserved until 30 asked P by library
            at 0 session c
                #11 at 0 sessionCreated fresh c P/3 connected session 11 by library
            at 0 disconnect c 11
                #12 at 0 disconnected waiting c P/3 waiting until 90 session 11 named 11 by library
            at 0 apply d P
                #13 at 0 applied granted d P/4 reserved until 30 asked P by library
            at 0 session d
                #14 at 0 sessionCreated fresh d P/4 connected session 14 by library
            at 0 disconnect d 14
                #15 at 0 disconnected waiting d P/4 waiting until 90 session 14 named 14 by library
            at 1 apply d P
                #16 at 1 applied returned d P/4 reserved until 90 session 14 asked P by library
            at 2 repossess a by commandLine
                #17 at 2 repossessed operator a P/1 idle by commandLine \
                    after user #7 concurrency #7 jump #0
            at 2 repossess b by credential 1
                #18 at 2 repossessed operator b P/2 recovering until 12 session 9 by credential 1 \
                    after user #9 concurrency #9 jump #0
            at 2 repossess c by anonymous
                #19 at 2 repossessed operator c P/3 recovering until 12 session 11 by anonymous \
                    after user #12 concurrency #12 jump #0
            at 2 repossess d
                #20 at 2 repossessed operator d P/4 recovering until 12 session 14 by library \
                    after user #16 concurrency #16 jump #0
            at 3 repossess d
                #21 at 3 repossessed nothingHeld d by library after user #20 concurrency #0 jump #0
            at 3 show counters
                | starts 5 grantedNew 3 disconnected 2 repossessed 4
            """)
    }

    @Test func `a user repossessed by an operator starts over, and old reports are stale`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a => #3
            at 0 apply a P
                #4 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 session a
                #5 at 1 sessionCreated fresh a P/1 connected session 5 by library
            at 2 repossess a
                #6 at 2 repossessed operator a P/1 idle session 5 by library
            at 3 disconnect a 5
                #7 at 3 disconnected stale a named 5 by library
            at 4 session a
                #8 at 4 sessionCreated lockTimeout a by library
            at 5 apply a P
                #9 at 5 applied granted a P/1 reserved until 35 asked P by library
            at 6 session a
                #10 at 6 sessionCreated fresh a P/1 connected session 10 by library
            at 7 disconnect a 5
                #11 at 7 disconnected stale a P/1 connected session 10 named 5 by library
            """)
    }

    @Test func `repossessing a user who never held anything succeeds and is counted nowhere`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a => #3
            at 0 repossess a by commandLine
                #4 at 0 repossessed nothingHeld a by commandLine
            at 0 destroy a
                #5 at 0 destroyed nothingHeld a unnamed by library
            at 0 show counters
                |
            """)
    }

    @Test func `repossessing an unattended session above capacity withdraws its concurrency`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a => #3
            at 0 apply a P
                #4 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 session a unattended
                #5 at 1 sessionCreated fresh a P/1 connected unattended session 5 by library
            at 2 set P concurrencies 0
                #6 at 2 projectModified done P concurrencies 0 window 90 lock 30 cleanup 0 \
                    by library
            at 3 repossess a
                #7 at 3 repossessed operator a P/1 idle session 5 by library
                #8 at 3 withdrawn done P/1 withdrawn by ledger
            """)
    }
}
