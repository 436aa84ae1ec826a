import Testing

/// A change of settings is an event; it affects deadlines set afterwards, not those that run.
@Suite struct SettingsSequences {
    @Test func `a window changed while one is open lets that one end when it would have`() {
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
            at 20 set P window 10
                #10 at 20 projectModified done P concurrencies 2 window 10 lock 30 cleanup 0 \
                    by library
            at 30 disconnect b 8
                #11 at 30 disconnected waiting b P/2 waiting until 40 session 8 named 8 by library
            at 200 settle
                #12 at 40 repossessed windowExpired b P/2 idle session 8 by ledger
                #13 at 100 repossessed windowExpired a P/1 idle session 6 by ledger
            """)
    }

    @Test func `a lock changed while one runs lets that one end when it would have`() {
        story(
            """
            given project P concurrencies 2 => #1-#2
            given users a b => #3-#4
            at 0 apply a P
                #5 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 set P lock 60
                #6 at 1 projectModified done P concurrencies 2 window 90 lock 60 cleanup 0 \
                    by library
            at 2 apply b P
                #7 at 2 applied granted b P/2 reserved until 62 asked P by library
            at 100 settle
                #8 at 30 repossessed lockExpired a P/1 idle by ledger
                #9 at 62 repossessed lockExpired b P/2 idle by ledger
            """)
    }

    @Test func `a cleanup changed counts for grants that end afterwards`() {
        story(
            """
            given project P concurrencies 2 cleanup 20 => #1-#2
            given users a b => #3-#4
            at 0 apply a P
                #5 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 0 session a
                #6 at 0 sessionCreated fresh a P/1 connected session 6 by library
            at 0 apply b P
                #7 at 0 applied granted b P/2 reserved until 30 asked P by library
            at 0 session b
                #8 at 0 sessionCreated fresh b P/2 connected session 8 by library
            at 10 destroy a
                #9 at 10 destroyed freed a P/1 recovering until 30 session 6 unnamed by library
            at 11 set P cleanup 0
                #10 at 11 projectModified done P concurrencies 2 window 90 lock 30 cleanup 0 \
                    by library
            at 12 destroy b
                #11 at 12 destroyed freed b P/2 idle session 8 unnamed by library
            at 29.999999 settle
                nothing
            at 30 settle
                #12 at 30 recovered done P/1 idle by ledger
            """)
    }

    @Test func `a cleanup changed after a window ended does not touch it, settled or not`() {
        // The window's end is settled first, with the settings that held at that moment.
        story(
            """
            given project P concurrencies 1 cleanup 20 => #1-#2
            given users a => #3
            at 0 apply a P
                #4 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 session a
                #5 at 1 sessionCreated fresh a P/1 connected session 5 by library
            at 2 disconnect a 5
                #6 at 2 disconnected waiting a P/1 waiting until 92 session 5 named 5 by library
            at 100 set P cleanup 0
                #7 at 92 repossessed windowExpired a P/1 recovering until 112 session 5 by ledger
                #8 at 100 projectModified done P concurrencies 1 window 90 lock 30 cleanup 0 \
                    by library
            at 112 settle
                #9 at 112 recovered done P/1 idle by ledger
            """)
    }

    @Test func `a cleanup introduced while a window is open is done when the window ends`() {
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
            at 3 set P cleanup 8
                #7 at 3 projectModified done P concurrencies 1 window 90 lock 30 cleanup 8 \
                    by library
            at 200 settle
                #8 at 92 repossessed windowExpired a P/1 recovering until 100 session 5 by ledger
                #9 at 100 recovered done P/1 idle by ledger
            """)
    }

    @Test func `settings set again as they are leave an event and change nothing`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a => #3
            at 0 apply a P
                #4 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 set P concurrencies 1 window 90 lock 30 cleanup 0 by credential 1
                #5 at 1 projectModified done P concurrencies 1 window 90 lock 30 cleanup 0 \
                    by credential 1
            at 1 show P
                | 1 reserved a until 30
                | running 1 of 1
            """)
    }
}
