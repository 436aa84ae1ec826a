import Testing

/// Sessions in run mode RunWithoutClient: their client may go, the session goes on.
@Suite struct UnattendedSequences {
    @Test func `an unattended session outlives its client and is taken over by the next`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a => #3
            at 0 apply a P
                #4 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 session a unattended
                #5 at 1 sessionCreated fresh a P/1 connected unattended session 5 by library
            at 2 disconnect a 5
                #6 at 2 disconnected keptRunning a P/1 connected unattended session 5 named 5 \
                    by library
            at 3 disconnect a
                #7 at 3 disconnected keptRunning a P/1 connected unattended session 5 unnamed \
                    by library
            at 100000 settle
                nothing
            at 100000 apply a P
                #8 at 100000 applied returned a P/1 connected unattended session 5 asked P \
                    by library
            at 100001 session a
                #9 at 100001 sessionCreated takeover a P/1 connected session 9 by library
            at 100002 disconnect a 5
                #10 at 100002 disconnected stale a P/1 connected session 9 named 5 by library
            at 100003 disconnect a 9
                #11 at 100003 disconnected waiting a P/1 waiting until 100093 session 9 named 9 \
                    by library
            """)
    }

    @Test func `an unattended session ends by destroy, with its session named or not`() {
        story(
            """
            given project P concurrencies 2 cleanup 5 => #1-#2
            given users a b => #3-#4
            at 0 apply a P
                #5 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 0 apply b P
                #6 at 0 applied granted b P/2 reserved until 30 asked P by library
            at 1 session a unattended
                #7 at 1 sessionCreated fresh a P/1 connected unattended session 7 by library
            at 1 session b unattended
                #8 at 1 sessionCreated fresh b P/2 connected unattended session 8 by library
            at 2 disconnect a 7
                #9 at 2 disconnected keptRunning a P/1 connected unattended session 7 named 7 \
                    by library
            at 3 destroy a 7
                #10 at 3 destroyed freed a P/1 recovering until 8 session 7 named 7 by library
            at 4 destroy b
                #11 at 4 destroyed freed b P/2 recovering until 9 session 8 unnamed by library
            at 4 show P
                | 1 recovering until 8
                | 2 recovering until 9
                | running 2 of 2
            """)
    }

    @Test func `the run mode is the session's, not the grant's`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a => #3
            at 0 apply a P
                #4 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 session a
                #5 at 1 sessionCreated fresh a P/1 connected session 5 by library
            at 2 disconnect a 5
                #6 at 2 disconnected waiting a P/1 waiting until 92 session 5 named 5 by library
            at 3 session a unattended
                #7 at 3 sessionCreated resumed a P/1 connected unattended session 7 by library
            at 4 disconnect a 7
                #8 at 4 disconnected keptRunning a P/1 connected unattended session 7 named 7 \
                    by library
            at 5 session a
                #9 at 5 sessionCreated takeover a P/1 connected session 9 by library
            at 6 session a unattended
                #10 at 6 sessionCreated takeover a P/1 connected unattended session 10 by library
            at 7 disconnect a 9
                #11 at 7 disconnected stale a P/1 connected unattended session 10 named 9 by library
            at 8 disconnect a 10
                #12 at 8 disconnected keptRunning a P/1 connected unattended session 10 named 10 \
                    by library
            at 8 show P
                | 1 connected a unattended session 10
                | running 1 of 1
            at 8 show counters
                | starts 1 grantedNew 1 resumed 1 takenOver 2 disconnected 1 keptRunning 2 \
                    staleDisconnects 1 heldNow 1
            """)
    }

    @Test func `a change of the window means nothing to an unattended session`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a => #3
            at 0 apply a P
                #4 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 session a unattended
                #5 at 1 sessionCreated fresh a P/1 connected unattended session 5 by library
            at 2 disconnect a 5
                #6 at 2 disconnected keptRunning a P/1 connected unattended session 5 named 5 \
                    by library
            at 3 set P window 1
                #7 at 3 projectModified done P concurrencies 1 window 1 lock 30 cleanup 0 by library
            at 1000 settle
                nothing
            at 1000 disconnect a 5
                #8 at 1000 disconnected keptRunning a P/1 connected unattended session 5 named 5 \
                    by library
            at 2000 show a
                | a P/1 connected unattended session 5
            """)
    }

    @Test func `an unattended session stays so through stale reports and refused moves`() {
        story(
            """
            given project P concurrencies 1 names required => #1-#2
            given project Q concurrencies 0 => #3-#4
            given users a => #5
            at 0 apply a P
                #6 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 session a
                #7 at 1 sessionCreated fresh a P/1 connected session 7 by library
            at 2 session a unattended
                #8 at 2 sessionCreated takeover a P/1 connected unattended session 8 by library
            at 3 disconnect a 7
                #9 at 3 disconnected stale a P/1 connected unattended session 8 named 7 by library
            at 4 destroy a 7
                #10 at 4 destroyed stale a P/1 connected unattended session 8 named 7 by library
            at 5 disconnect a
                #11 at 5 disconnected sessionNameRequired a P/1 connected unattended session 8 \
                    unnamed by library
            at 6 apply a Q
                #12 at 6 applied noIdle a P/1 connected unattended session 8 asked Q by library
            at 7 disconnect a 8
                #13 at 7 disconnected keptRunning a P/1 connected unattended session 8 named 8 \
                    by library
            """)
    }
}
