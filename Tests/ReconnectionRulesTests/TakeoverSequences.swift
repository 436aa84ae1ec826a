import Testing

/// A session is a fencing token: a report about one that is no longer the connected one changes
/// nothing, however late it comes.
@Suite struct TakeoverSequences {
    @Test func `the disconnect of a superseded session opens no window on its successor`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a => #3
            at 0 apply a P
                #4 at 0 applied granted a P/1 reserved until 30 asked P by library \
                    after user #3 concurrency #0 jump #0
            at 1 session a
                #5 at 1 sessionCreated fresh a P/1 connected session 5 by library \
                    after user #4 concurrency #4 jump #0
            at 10 apply a P
                #6 at 10 applied returned a P/1 connected session 5 asked P by library \
                    after user #5 concurrency #5 jump #0
            at 11 session a
                #7 at 11 sessionCreated takeover a P/1 connected session 7 by library \
                    after user #6 concurrency #6 jump #0
            at 12 disconnect a 5
                #8 at 12 disconnected stale a P/1 connected session 7 named 5 by library \
                    after user #7 concurrency #7 jump #0
            at 13 disconnect a 7
                #9 at 13 disconnected waiting a P/1 waiting until 103 session 7 named 7 by library \
                    after user #8 concurrency #8 jump #0
            at 14 disconnect a 5
                #10 at 14 disconnected stale a P/1 waiting until 103 session 7 named 5 by library \
                    after user #9 concurrency #9 jump #0
            """)
    }

    @Test func `the destroy of a superseded session leaves its successor alone`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a => #3
            at 0 apply a P
                #4 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 session a
                #5 at 1 sessionCreated fresh a P/1 connected session 5 by library
            at 2 session a
                #6 at 2 sessionCreated takeover a P/1 connected session 6 by library
            at 3 session a
                #7 at 3 sessionCreated takeover a P/1 connected session 7 by library
            at 4 destroy a 5
                #8 at 4 destroyed stale a P/1 connected session 7 named 5 by library
            at 4 destroy a 6
                #9 at 4 destroyed stale a P/1 connected session 7 named 6 by library
            at 4 destroy a 7
                #10 at 4 destroyed freed a P/1 idle session 7 named 7 by library
            at 4 destroy a 7
                #11 at 4 destroyed stale a named 7 by library
            at 4 show counters
                | starts 1 grantedNew 1 takenOver 2 destroyed 1 staleDestroys 3
            """)
    }

    @Test func `a report that names no session means the current one, even if it comes late`() {
        // The first device's report hits the second device: this is why a project may want names.
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a => #3
            at 0 apply a P
                #4 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 session a
                #5 at 1 sessionCreated fresh a P/1 connected session 5 by library
            at 2 session a
                #6 at 2 sessionCreated takeover a P/1 connected session 6 by library
            at 3 disconnect a
                #7 at 3 disconnected waiting a P/1 waiting until 93 session 6 unnamed by library
            at 4 disconnect a
                #8 at 4 disconnected stale a P/1 waiting until 93 session 6 unnamed by library
            at 5 disconnect a 6
                #9 at 5 disconnected stale a P/1 waiting until 93 session 6 named 6 by library
            """)
    }

    @Test func `reports about sessions that never were are stale`() {
        // #8 is the report itself, #9 the one after it, #5 the apply.
        story(
            """
            given project P concurrencies 2 => #1-#2
            given users a b => #3-#4
            at 0 apply a P
                #5 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 session a
                #6 at 1 sessionCreated fresh a P/1 connected session 6 by library
            at 2 disconnect a 5
                #7 at 2 disconnected stale a P/1 connected session 6 named 5 by library
            at 2 disconnect a 8
                #8 at 2 disconnected stale a P/1 connected session 6 named 8 by library
            at 2 disconnect a 10
                #9 at 2 disconnected stale a P/1 connected session 6 named 10 by library
            at 2 destroy a 18446744073709551615
                #10 at 2 destroyed stale a P/1 connected session 6 named 18446744073709551615 \
                    by library
            at 2 disconnect a 0
                #11 at 2 disconnected stale a P/1 connected session 6 named 0 by library
            at 3 disconnect b 6
                #12 at 3 disconnected stale b named 6 by library
            at 3 destroy b 6
                #13 at 3 destroyed stale b named 6 by library
            """)
    }

    @Test func `a user's report that names another user's session is stale`() {
        story(
            """
            given project P concurrencies 2 => #1-#2
            given users a b => #3-#4
            at 0 apply a P
                #5 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 0 apply b P
                #6 at 0 applied granted b P/2 reserved until 30 asked P by library
            at 1 session a
                #7 at 1 sessionCreated fresh a P/1 connected session 7 by library
            at 1 session b
                #8 at 1 sessionCreated fresh b P/2 connected session 8 by library
            at 2 disconnect a 8
                #9 at 2 disconnected stale a P/1 connected session 7 named 8 by library
            at 2 destroy b 7
                #10 at 2 destroyed stale b P/2 connected session 8 named 7 by library
            """)
    }

    @Test func `a connection whose start was refused is stale under the refusal's position`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a b => #3-#4
            at 0 apply b P by trace
                #5 at 0 applied granted b P/1 reserved until 30 asked P by trace
            at 1 apply a P by trace
                #6 at 1 applied noIdle a asked P by trace after user #3 concurrency #0 jump #0
            at 2 disconnect a 6 by trace
                #7 at 2 disconnected stale a named 6 by trace after user #6 concurrency #0 jump #0
            at 3 destroy b by trace
                #8 at 3 destroyed freed b P/1 idle unnamed by trace
            at 4 apply a P by trace
                #9 at 4 applied granted a P/1 reserved until 34 asked P by trace
            at 4 session a by trace
                #10 at 4 sessionCreated fresh a P/1 connected session 10 by trace
            at 5 disconnect a 6 by trace
                #11 at 5 disconnected stale a P/1 connected session 10 named 6 by trace
            at 6 destroy a 6 by trace
                #12 at 6 destroyed stale a P/1 connected session 10 named 6 by trace
            at 7 show counters
                | starts 3 grantedNew 1 rejectedNoIdle 1 staleDisconnects 2 destroyed 1 \
                    staleDestroys 1 heldNow 1
            """)
    }

    @Test func `a session of an earlier grant is stale in a later one`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a => #3
            at 0 apply a P
                #4 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 session a
                #5 at 1 sessionCreated fresh a P/1 connected session 5 by library
            at 2 destroy a
                #6 at 2 destroyed freed a P/1 idle session 5 unnamed by library
            at 3 apply a P
                #7 at 3 applied granted a P/1 reserved until 33 asked P by library
            at 4 disconnect a 5
                #8 at 4 disconnected stale a P/1 reserved until 33 named 5 by library
            at 4 destroy a 5
                #9 at 4 destroyed stale a P/1 reserved until 33 named 5 by library
            at 5 session a
                #10 at 5 sessionCreated fresh a P/1 connected session 10 by library
            at 6 destroy a 5
                #11 at 6 destroyed stale a P/1 connected session 10 named 5 by library
            """)
    }

    @Test func `naming the session frees it only while connected, naming none frees any state`() {
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
            at 3 destroy a 5
                #7 at 3 destroyed stale a P/1 waiting until 92 session 5 named 5 by library
            at 4 apply a P
                #8 at 4 applied returned a P/1 reserved until 92 session 5 asked P by library
            at 5 destroy a 5
                #9 at 5 destroyed stale a P/1 reserved until 92 session 5 named 5 by library
            at 5 disconnect a 5
                #10 at 5 disconnected stale a P/1 reserved until 92 session 5 named 5 by library
            at 6 destroy a
                #11 at 6 destroyed freed a P/1 idle session 5 unnamed by library
            at 6 destroy a
                #12 at 6 destroyed nothingHeld a unnamed by library
            at 92 settle
                nothing
            """)
    }
}
