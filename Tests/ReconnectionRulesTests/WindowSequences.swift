import Testing

/// The reconnect window: who gets the concurrency back, and until when.
@Suite struct WindowSequences {
    @Test func `back within the window a user resumes on the same concurrency`() {
        story(
            """
            given project P concurrencies 2 => #1-#2
            given users a b => #3-#4
            at 1 apply a P
                #5 at 1 applied granted a P/1 reserved until 31 asked P by library
            at 2 session a
                #6 at 2 sessionCreated fresh a P/1 connected session 6 by library
            at 10 disconnect a 6
                #7 at 10 disconnected waiting a P/1 waiting until 100 session 6 named 6 by library
            at 20 apply b P
                #8 at 20 applied granted b P/2 reserved until 50 asked P by library
            at 21 destroy b
                #9 at 21 destroyed freed b P/2 idle unnamed by library
            at 30 apply a P
                #10 at 30 applied returned a P/1 reserved until 100 session 6 asked P by library
            at 31 session a
                #11 at 31 sessionCreated resumed a P/1 connected session 11 by library
            at 500 settle
                nothing
            """)
    }

    @Test func `a return late in the window is reserved until the lock ends, if that is later`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a => #3
            at 1 apply a P
                #4 at 1 applied granted a P/1 reserved until 31 asked P by library
            at 2 session a
                #5 at 2 sessionCreated fresh a P/1 connected session 5 by library
            at 10 disconnect a 5
                #6 at 10 disconnected waiting a P/1 waiting until 100 session 5 named 5 by library
            at 99.999999 apply a P
                #7 at 99.999999 applied returned a P/1 reserved until 129.999999 session 5 \
                    asked P by library
            at 129.999998 session a
                #8 at 129.999998 sessionCreated resumed a P/1 connected session 8 by library
            """)
    }

    @Test func `an apply at exactly the end of the window finds it closed`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a => #3
            at 1 apply a P
                #4 at 1 applied granted a P/1 reserved until 31 asked P by library
            at 2 session a
                #5 at 2 sessionCreated fresh a P/1 connected session 5 by library
            at 10 disconnect a 5
                #6 at 10 disconnected waiting a P/1 waiting until 100 session 5 named 5 by library
            at 100 apply a P
                #7 at 100 repossessed windowExpired a P/1 idle session 5 by ledger \
                    after user #6 concurrency #6 jump #0
                #8 at 100 applied granted a P/1 reserved until 130 asked P by library \
                    after user #7 concurrency #7 jump #0
            at 101 session a
                #9 at 101 sessionCreated fresh a P/1 connected session 9 by library
            """)
    }

    @Test func `a session without an apply resumes while waiting, not at the window's end`() {
        story(
            """
            given project P concurrencies 2 => #1-#2
            given users a b => #3-#4
            at 0 apply a P
                #5 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 0 session a
                #6 at 0 sessionCreated fresh a P/1 connected session 6 by library
            at 0 apply b P
                #7 at 0 applied granted b P/2 reserved until 30 asked P by library
            at 0 session b
                #8 at 0 sessionCreated fresh b P/2 connected session 8 by library
            at 10 disconnect a 6
                #9 at 10 disconnected waiting a P/1 waiting until 100 session 6 named 6 by library
            at 10 disconnect b 8
                #10 at 10 disconnected waiting b P/2 waiting until 100 session 8 named 8 by library
            at 99.999999 session a
                #11 at 99.999999 sessionCreated resumed a P/1 connected session 11 by library
            at 100 session b
                #12 at 100 repossessed windowExpired b P/2 idle session 8 by ledger
                #13 at 100 sessionCreated lockTimeout b by library
            """)
    }

    @Test func `a window that ended long ago is recorded at its end`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a b => #3-#4
            at 1 apply a P
                #5 at 1 applied granted a P/1 reserved until 31 asked P by library
            at 2 session a
                #6 at 2 sessionCreated fresh a P/1 connected session 6 by library
            at 10.5 disconnect a 6
                #7 at 10.5 disconnected waiting a P/1 waiting until 100.5 session 6 named 6 \
                    by library
            at 86400 apply b P
                #8 at 100.5 repossessed windowExpired a P/1 idle session 6 by ledger
                #9 at 86400 applied granted b P/1 reserved until 86430 asked P by library
            at 86400 apply a P
                #10 at 86400 applied noIdle a asked P by library
            """)
    }

    @Test func `a user repossessed meanwhile is granted a new concurrency, if there is one`() {
        story(
            """
            given project P concurrencies 2 => #1-#2
            given users a b => #3-#4
            at 1 apply a P
                #5 at 1 applied granted a P/1 reserved until 31 asked P by library
            at 2 session a
                #6 at 2 sessionCreated fresh a P/1 connected session 6 by library
            at 3 disconnect a 6
                #7 at 3 disconnected waiting a P/1 waiting until 93 session 6 named 6 by library
            at 200 apply a P
                #8 at 93 repossessed windowExpired a P/1 idle session 6 by ledger
                #9 at 200 applied granted a P/2 reserved until 230 asked P by library
            at 201 session a
                #10 at 201 sessionCreated fresh a P/2 connected session 10 by library
            """)
    }

    @Test func `every disconnect opens a whole window, however often a user comes and goes`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a => #3
            at 0 apply a P
                #4 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 session a
                #5 at 1 sessionCreated fresh a P/1 connected session 5 by library
            at 10 disconnect a 5
                #6 at 10 disconnected waiting a P/1 waiting until 100 session 5 named 5 by library
            at 50 session a
                #7 at 50 sessionCreated resumed a P/1 connected session 7 by library
            at 60 disconnect a 7
                #8 at 60 disconnected waiting a P/1 waiting until 150 session 7 named 7 by library
            at 120 session a
                #9 at 120 sessionCreated resumed a P/1 connected session 9 by library
            at 130 disconnect a
                #10 at 130 disconnected waiting a P/1 waiting until 220 session 9 unnamed by library
            at 219.999999 settle
                nothing
            at 220 settle
                #11 at 220 repossessed windowExpired a P/1 idle session 9 by ledger
            """)
    }

    @Test func `a return whose session never comes ends with the lock, not with the window`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a => #3
            at 0 apply a P
                #4 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 session a
                #5 at 1 sessionCreated fresh a P/1 connected session 5 by library
            at 10 disconnect a 5
                #6 at 10 disconnected waiting a P/1 waiting until 100 session 5 named 5 by library
            at 90 apply a P
                #7 at 90 applied returned a P/1 reserved until 120 session 5 asked P by library
            at 300 settle
                #8 at 120 repossessed lockExpired a P/1 idle session 5 by ledger
            """)
    }

    @Test func `a shorter deadline set later falls due first and the longer one no more`() {
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
            at 31 session a
                #8 at 31 sessionCreated resumed a P/1 connected session 8 by library
            at 32 set P window 5
                #9 at 32 projectModified done P concurrencies 1 window 5 lock 30 cleanup 0 \
                    by library
            at 33 disconnect a 8
                #10 at 33 disconnected waiting a P/1 waiting until 38 session 8 named 8 by library
            at 80 apply b P
                #11 at 38 repossessed windowExpired a P/1 idle session 8 by ledger
                #12 at 80 applied granted b P/1 reserved until 110 asked P by library
            at 100 settle
                nothing
            at 110 settle
                #13 at 110 repossessed lockExpired b P/1 idle by ledger
            """)
    }
}
