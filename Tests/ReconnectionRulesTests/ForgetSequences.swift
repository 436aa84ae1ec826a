import Testing

/// A person asks to be forgotten. The number stays and has no event after that one; what it held is
/// freed before, by the rules that free anything.
@Suite struct ForgetSequences {
    @Test func `whose session runs is freed first, and the concurrency is cleaned`() {
        story(
            """
            given project P concurrencies 1 cleanup 10 => #1-#2
            given users a b => #3-#4
            at 0 apply a P
                #5 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 session a
                #6 at 1 sessionCreated fresh a P/1 connected session 6 by library
            at 2 forget a by credential 1
                #7 at 2 destroyed freed a P/1 recovering until 12 session 6 unnamed \
                    by credential 1 after user #6 concurrency #6 jump #0
                #8 at 2 userForgotten done a by credential 1 after user #7 concurrency #0 jump #0
            at 3 apply b P
                #9 at 3 applied noIdle b asked P by library
            at 12 apply b P
                #10 at 12 recovered done P/1 idle by ledger
                #11 at 12 applied granted b P/1 reserved until 42 asked P by library
            at 12 show counters
                | starts 3 grantedNew 1 rejectedNoIdle 1 destroyed 1 heldNow 1
            """)
    }

    @Test func `who waits is forgotten, and no window is left to end`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a b => #3-#4
            at 0 apply a P
                #5 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 session a
                #6 at 1 sessionCreated fresh a P/1 connected session 6 by library
            at 10 disconnect a 6
                #7 at 10 disconnected waiting a P/1 waiting until 100 session 6 named 6 by library
            at 20 forget a
                #8 at 20 destroyed freed a P/1 idle session 6 unnamed by library
                #9 at 20 userForgotten done a by library
            at 20 show P
                | 1 idle since 20
                | running 0 of 1
            at 100 settle
                nothing
            at 101 apply b P
                #10 at 101 applied granted b P/1 reserved until 131 asked P by library
            at 101 show counters
                | starts 2 grantedNew 1 disconnected 1 destroyed 1 heldNow 1
            """)
    }

    @Test func `who never applied is forgotten with one event`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a b => #3-#4
            at 5 forget a by commandLine
                #5 at 5 userForgotten done a by commandLine after user #3 concurrency #0 jump #0
            at 5 show counters
                |
            at 6 apply b P
                #6 at 6 applied granted b P/1 reserved until 36 asked P by library
            """)
    }

    /// Somebody new: no window, no session and no history of the old number's counts.
    @Test func `who returns is a new number and starts over`() {
        story(
            """
            given project P concurrencies 2 => #1-#2
            given users a => #3
            at 0 apply a P
                #4 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 session a
                #5 at 1 sessionCreated fresh a P/1 connected session 5 by library
            at 10 disconnect a 5
                #6 at 10 disconnected waiting a P/1 waiting until 100 session 5 named 5 by library
            at 20 forget a
                #7 at 20 destroyed freed a P/1 idle session 5 unnamed by library
                #8 at 20 userForgotten done a by library
            at 30 name a
                #9 at 30 userNamed done a' by library after user #0 concurrency #0 jump #0
            at 30 session a
                #10 at 30 sessionCreated lockTimeout a' by library \
                    after user #9 concurrency #0 jump #0
            at 31 apply a P
                #11 at 31 applied granted a' P/2 reserved until 61 asked P by library
            at 32 session a
                #12 at 32 sessionCreated fresh a' P/2 connected session 12 by library
            at 33 disconnect a 5
                #13 at 33 disconnected stale a' P/2 connected session 12 named 5 by library
            at 34 destroy a 5
                #14 at 34 destroyed stale a' P/2 connected session 12 named 5 by library
            at 34 show a
                | a' P/2 connected session 12
            """)
    }

    @Test func `a name is forgotten twice, and two numbers are gone`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a => #3
            at 1 forget a
                #4 at 1 userForgotten done a by library after user #3 concurrency #0 jump #0
            at 2 open outage 1
                #5 at 2 opened done outage 1 by library after user #0 concurrency #4 jump #0
            at 3 name a
                #6 at 3 userNamed done a' by library after user #0 concurrency #0 jump #0
            at 3 apply a P
                #7 at 3 applied granted a' P/1 reserved until 33 asked P by library
            at 4 forget a
                #8 at 4 destroyed freed a' P/1 idle unnamed by library \
                    after user #7 concurrency #7 jump #0
                #9 at 4 userForgotten done a' by library after user #8 concurrency #5 jump #0
            at 5 name a
                #10 at 5 userNamed done a'' by library
            at 5 apply a P
                #11 at 5 applied granted a'' P/1 reserved until 35 asked P by library
            """)
    }

    @Test func `a window that ends at that moment has ended before`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a b => #3-#4
            at 0 apply a P
                #5 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 0 session a
                #6 at 0 sessionCreated fresh a P/1 connected session 6 by library
            at 0 disconnect a
                #7 at 0 disconnected waiting a P/1 waiting until 90 session 6 unnamed by library
            at 1 apply b P
                #8 at 1 applied noIdle b asked P by library
            at 90 forget a
                #9 at 90 repossessed windowExpired a P/1 idle session 6 by ledger
                #10 at 90 userForgotten done a by library
            """)
    }

    @Test func `whoever else holds something keeps it`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given project Q concurrencies 1 => #3-#4
            given users a b => #5-#6
            at 0 apply a P
                #7 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 0 apply b Q
                #8 at 0 applied granted b Q/1 reserved until 30 asked Q by library
            at 1 session b
                #9 at 1 sessionCreated fresh b Q/1 connected session 9 by library
            at 2 disconnect b 9
                #10 at 2 disconnected waiting b Q/1 waiting until 92 session 9 named 9 by library
            at 3 forget a
                #11 at 3 destroyed freed a P/1 idle unnamed by library
                #12 at 3 userForgotten done a by library
            at 3 show b
                | b Q/1 waiting until 92 session 9
            at 91.999999 apply b Q
                #13 at 91.999999 applied returned b Q/1 reserved until 121.999999 session 9 \
                    asked Q by library
            """)
    }
}
