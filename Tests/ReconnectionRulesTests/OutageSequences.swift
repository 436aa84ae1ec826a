import Testing

/// A restart costs nobody a slot: `opened` moves every running deadline back by the outage, before
/// anything is settled.
@Suite struct OutageSequences {
    @Test func `an outage postpones reserved, waiting and recovering alike, and nothing else`() {
        // Down from 20 to 520; every deadline would have passed meanwhile.
        story(
            """
            given project P concurrencies 5 cleanup 40 => #1-#2
            given users a b c d => #3-#6
            at 0 apply a P
                #7 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 0 session a
                #8 at 0 sessionCreated fresh a P/1 connected session 8 by library
            at 0 apply b P
                #9 at 0 applied granted b P/2 reserved until 30 asked P by library
            at 0 session b
                #10 at 0 sessionCreated fresh b P/2 connected session 10 by library
            at 0 apply c P
                #11 at 0 applied granted c P/3 reserved until 30 asked P by library
            at 0 session c
                #12 at 0 sessionCreated fresh c P/3 connected session 12 by library
            at 10 destroy a
                #13 at 10 destroyed freed a P/1 recovering until 50 session 8 unnamed by library
            at 10 disconnect b 10
                #14 at 10 disconnected waiting b P/2 waiting until 100 session 10 named 10 \
                    by library
            at 20 apply d P
                #15 at 20 applied granted d P/4 reserved until 50 asked P by library
            at 520 open outage 500
                #16 at 520 opened done outage 500 by library
            at 520 show P
                | 1 recovering until 550
                | 2 waiting b until 600 session 10
                | 3 connected c session 12
                | 4 reserved d until 550
                | 5 idle since 0
                | running 4 of 5
            at 549.999999 settle
                nothing
            at 700 settle
                #17 at 550 recovered done P/1 idle by ledger
                #18 at 550 repossessed lockExpired d P/4 idle by ledger
                #19 at 600 repossessed windowExpired b P/2 recovering until 640 session 10 by ledger
                #20 at 640 recovered done P/2 idle by ledger
            """)
    }

    @Test func `a user whose window would have ended in the outage comes back to the same slot`() {
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
            at 3600 open outage 3589.5
                #7 at 3600 opened done outage 3589.5 by library
            at 3689.499999 apply a P
                #8 at 3689.499999 applied returned a P/1 reserved until 3719.499999 session 5 \
                    asked P by library
            at 3690 session a
                #9 at 3690 sessionCreated resumed a P/1 connected session 9 by library
            """)
    }

    @Test func `the postponed end of a window is as sharp as any`() {
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
            at 200 open outage 150.000001
                #7 at 200 opened done outage 150.000001 by library
            at 250 settle
                nothing
            at 250.000001 session a
                #8 at 250.000001 repossessed windowExpired a P/1 idle session 5 by ledger
                #9 at 250.000001 sessionCreated lockTimeout a by library
            """)
    }

    @Test func `two outages add up, and each opening points to the one before`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a => #3
            at 0 open outage 0
                #4 at 0 opened done outage 0 by library after user #0 concurrency #0 jump #0
            at 0 apply a P
                #5 at 0 applied granted a P/1 reserved until 30 asked P by library \
                    after user #3 concurrency #0 jump #0
            at 100 open outage 95
                #6 at 100 opened done outage 95 by library after user #0 concurrency #4 jump #0
            at 124.999999 settle
                nothing
            at 300 open outage 175.5
                #7 at 300 opened done outage 175.5 by library after user #0 concurrency #6 jump #0
            at 300.499999 settle
                nothing
            at 300.5 settle
                #8 at 300.5 repossessed lockExpired a P/1 idle by ledger \
                    after user #5 concurrency #5 jump #0
            """)
    }

    @Test func `an outage of no length moves nothing`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a => #3
            at 0 apply a P
                #4 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 10 open outage 0 by commandLine
                #5 at 10 opened done outage 0 by commandLine
            at 29.999999 settle
                nothing
            at 30 settle
                #6 at 30 repossessed lockExpired a P/1 idle by ledger
            """)
    }

    @Test func `a deadline due at the very moment of opening is postponed before it is settled`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a => #3
            at 0 apply a P
                #4 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 30 open outage 1
                #5 at 30 opened done outage 1 by library
            at 30 session a
                #6 at 30 sessionCreated fresh a P/1 connected session 6 by library
            """)
    }

    @Test func `a deadline set after an outage is not postponed by it`() {
        story(
            """
            given project P concurrencies 2 => #1-#2
            given users a b => #3-#4
            at 0 apply a P
                #5 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 100 open outage 90
                #6 at 100 opened done outage 90 by library
            at 100 apply b P
                #7 at 100 applied granted b P/2 reserved until 130 asked P by library
            at 115 apply a P
                #8 at 115 applied returned a P/1 reserved until 145 asked P by library
            at 200 settle
                #9 at 130 repossessed lockExpired b P/2 idle by ledger
                #10 at 145 repossessed lockExpired a P/1 idle by ledger
            """)
    }

    @Test func `a deadline over before the ledger went down ends when it opens again`() {
        // The locks ended at 30 and 35, the last sign of life is from 36 and nobody settled in
        // between: postponed by 64 s they would end at 94 and 99, before the opening. Ledger time
        // never runs backward, so both end with the opening, in deadline order.
        story(
            """
            given project P concurrencies 3 => #1-#2
            given users a b c => #3-#5
            at 0 apply a P
                #6 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 0 apply b P
                #7 at 0 applied granted b P/2 reserved until 30 asked P by library
            at 5 apply a P
                #8 at 5 applied returned a P/1 reserved until 35 asked P by library
            at 10 apply c P
                #9 at 10 applied granted c P/3 reserved until 40 asked P by library
            at 100 open outage 64
                #10 at 100 opened done outage 64 by library
            at 200 settle
                #11 at 100 repossessed lockExpired b P/2 idle by ledger
                #12 at 100 repossessed lockExpired a P/1 idle by ledger
                #13 at 104 repossessed lockExpired c P/3 idle by ledger
            """)
    }

    @Test func `where postponing is switched off, what fell due meanwhile ends with the opening`() {
        // The design leaves this open: `opened` comes before anything is settled, and no event is
        // earlier than the one before it. Both hold if what is overdue takes the opening's time.
        story(
            """
            given project P concurrencies 2 cleanup 20 => #1-#2
            given users a b => #3-#4
            at 0 apply a P
                #5 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 session a
                #6 at 1 sessionCreated fresh a P/1 connected session 6 by library
            at 2 disconnect a 6
                #7 at 2 disconnected waiting a P/1 waiting until 92 session 6 named 6 by library
            at 10 apply b P
                #8 at 10 applied granted b P/2 reserved until 40 asked P by library
            at 500 open outage 0
                #9 at 500 opened done outage 0 by library
            at 1000 settle
                #10 at 500 repossessed lockExpired b P/2 idle by ledger
                #11 at 500 repossessed windowExpired a P/1 recovering until 520 session 6 by ledger
                #12 at 520 recovered done P/1 idle by ledger
            """)
    }
}
