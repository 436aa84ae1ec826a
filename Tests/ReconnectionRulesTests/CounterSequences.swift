import Testing

/// What the trace counts count.
@Suite struct CounterSequences {
    @Test func `every counter counts what its name says`() {
        story(
            """
            given project P concurrencies 2 => #1-#2
            given project Q concurrencies 1 => #3-#4
            given users a b c => #5-#7
            at 0 apply a P
                #8 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 0 show counters
                | starts 1 heldNow 1
            at 1 session a
                #9 at 1 sessionCreated fresh a P/1 connected session 9 by library
            at 2 disconnect a 9
                #10 at 2 disconnected waiting a P/1 waiting until 92 session 9 named 9 by library
            at 2 show counters
                | starts 1 grantedNew 1 disconnected 1 heldNow 1 waitingNow 1
            at 3 apply a P
                #11 at 3 applied returned a P/1 reserved until 92 session 9 asked P by library
            at 3 show counters
                | starts 2 grantedNew 1 disconnected 1 heldNow 1
            at 4 session a unattended
                #12 at 4 sessionCreated resumed a P/1 connected unattended session 12 by library
            at 5 disconnect a 12
                #13 at 5 disconnected keptRunning a P/1 connected unattended session 12 named 12 \
                    by library
            at 6 session a
                #14 at 6 sessionCreated takeover a P/1 connected session 14 by library
            at 7 disconnect a 12
                #15 at 7 disconnected stale a P/1 connected session 14 named 12 by library
            at 8 destroy a 12
                #16 at 8 destroyed stale a P/1 connected session 14 named 12 by library
            at 9 apply b P
                #17 at 9 applied granted b P/2 reserved until 39 asked P by library
            at 10 apply c P
                #18 at 10 applied noIdle c asked P by library
            at 10 session c
                #19 at 10 sessionCreated lockTimeout c by library
            at 10 show counters
                | starts 4 grantedNew 1 resumed 1 takenOver 1 rejectedNoIdle 1 \
                    rejectedLockTimeout 1 disconnected 1 keptRunning 1 staleDisconnects 1 \
                    staleDestroys 1 heldNow 2
            at 39 settle
                #20 at 39 repossessed lockExpired b P/2 idle by ledger
            at 40 apply a Q
                #21 at 40 applied granted a Q/1 reserved until 70 asked Q by library
                #22 at 40 repossessed moved a P/1 idle session 14 by ledger
            at 41 repossess a
                #23 at 41 repossessed operator a Q/1 idle by library
            at 42 apply b P
                #24 at 42 applied granted b P/2 reserved until 72 asked P by library
            at 43 session b
                #25 at 43 sessionCreated fresh b P/2 connected session 25 by library
            at 44 disconnect b 25
                #26 at 44 disconnected waiting b P/2 waiting until 134 session 25 named 25 \
                    by library
            at 134 settle
                #27 at 134 repossessed windowExpired b P/2 idle session 25 by ledger
            at 135 destroy b
                #28 at 135 destroyed nothingHeld b unnamed by library
            at 136 apply b P
                #29 at 136 applied granted b P/1 reserved until 166 asked P by library
            at 137 destroy b
                #30 at 137 destroyed freed b P/1 idle unnamed by library
            at 137 show counters
                | starts 7 grantedNew 2 resumed 1 takenOver 1 rejectedNoIdle 1 \
                    rejectedLockTimeout 1 disconnected 2 keptRunning 1 staleDisconnects 1 \
                    destroyed 1 staleDestroys 1 repossessed 4
            """)
    }
}
