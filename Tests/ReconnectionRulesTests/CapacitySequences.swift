import Testing

/// Capacity lowered and raised while people hold concurrencies. It interrupts nobody.
@Suite struct CapacitySequences {
    @Test func `lowering withdraws the highest idle numbers first, an event each`() {
        story(
            """
            given project P concurrencies 5 => #1-#2
            given users a b => #3-#4
            at 0 apply a P
                #5 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 0 apply b P
                #6 at 0 applied granted b P/2 reserved until 30 asked P by library
            at 1 destroy a
                #7 at 1 destroyed freed a P/1 idle unnamed by library
            at 2 set P concurrencies 2 by commandLine
                #8 at 2 projectModified done P concurrencies 2 window 90 lock 30 cleanup 0 \
                    by commandLine after user #0 concurrency #2 jump #0
                #9 at 2 withdrawn done P/5 withdrawn by ledger after user #0 concurrency #0 jump #0
                #10 at 2 withdrawn done P/4 withdrawn by ledger after user #0 concurrency #0 jump #0
                #11 at 2 withdrawn done P/3 withdrawn by ledger after user #0 concurrency #0 jump #0
            at 2 show P
                | 1 idle since 1
                | 2 reserved b until 30
                | 3 withdrawn
                | 4 withdrawn
                | 5 withdrawn
                | running 1 of 2
            """)
    }

    @Test func `lowering and raising pass over the numbers in use`() {
        story(
            """
            given project P concurrencies 5 => #1-#2
            given users a b c d => #3-#6
            at 0 apply a P
                #7 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 0 apply b P
                #8 at 0 applied granted b P/2 reserved until 30 asked P by library
            at 0 apply c P
                #9 at 0 applied granted c P/3 reserved until 30 asked P by library
            at 0 apply d P
                #10 at 0 applied granted d P/4 reserved until 30 asked P by library
            at 1 destroy a
                #11 at 1 destroyed freed a P/1 idle unnamed by library
            at 1 destroy c
                #12 at 1 destroyed freed c P/3 idle unnamed by library
            at 2 set P concurrencies 3
                #13 at 2 projectModified done P concurrencies 3 window 90 lock 30 cleanup 0 \
                    by library
                #14 at 2 withdrawn done P/5 withdrawn by ledger
                #15 at 2 withdrawn done P/3 withdrawn by ledger
            at 3 set P concurrencies 0
                #16 at 3 projectModified done P concurrencies 0 window 90 lock 30 cleanup 0 \
                    by library
                #17 at 3 withdrawn done P/1 withdrawn by ledger
            at 4 set P concurrencies 3
                #18 at 4 projectModified done P concurrencies 3 window 90 lock 30 cleanup 0 \
                    by library
                #19 at 4 restored done P/1 idle by ledger
            at 5 set P concurrencies 5
                #20 at 5 projectModified done P concurrencies 5 window 90 lock 30 cleanup 0 \
                    by library
                #21 at 5 restored done P/3 idle by ledger
                #22 at 5 restored done P/5 idle by ledger
            at 6 apply c P
                #23 at 6 applied granted c P/1 reserved until 36 asked P by library
            at 6 apply a P
                #24 at 6 applied granted a P/3 reserved until 36 asked P by library
            """)
    }

    @Test func `lowering below what is held withdraws each as it comes free`() {
        // Running is 4 of 2 for a while; the lowest number may go first, if it comes free first.
        story(
            """
            given project P concurrencies 4 => #1-#2
            given users a b c d => #3-#6
            at 0 apply a P
                #7 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 0 apply b P
                #8 at 0 applied granted b P/2 reserved until 30 asked P by library
            at 0 apply c P
                #9 at 0 applied granted c P/3 reserved until 30 asked P by library
            at 0 apply d P
                #10 at 0 applied granted d P/4 reserved until 30 asked P by library
            at 1 set P concurrencies 2
                #11 at 1 projectModified done P concurrencies 2 window 90 lock 30 cleanup 0 \
                    by library
            at 1 show P
                | 1 reserved a until 30
                | 2 reserved b until 30
                | 3 reserved c until 30
                | 4 reserved d until 30
                | running 4 of 2
            at 2 destroy a
                #12 at 2 destroyed freed a P/1 idle unnamed by library
                #13 at 2 withdrawn done P/1 withdrawn by ledger
            at 3 apply a P
                #14 at 3 applied noIdle a asked P by library
            at 4 repossess c
                #15 at 4 repossessed operator c P/3 idle by library
                #16 at 4 withdrawn done P/3 withdrawn by ledger
            at 5 destroy b
                #17 at 5 destroyed freed b P/2 idle unnamed by library
            at 5 apply a P
                #18 at 5 applied granted a P/2 reserved until 35 asked P by library
            """)
    }

    @Test func `above capacity a returning user still gets the concurrency back`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a => #3
            at 0 apply a P
                #4 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 session a
                #5 at 1 sessionCreated fresh a P/1 connected session 5 by library
            at 2 set P concurrencies 0
                #6 at 2 projectModified done P concurrencies 0 window 90 lock 30 cleanup 0 \
                    by library
            at 3 disconnect a 5
                #7 at 3 disconnected waiting a P/1 waiting until 93 session 5 named 5 by library
            at 4 apply a P
                #8 at 4 applied returned a P/1 reserved until 93 session 5 asked P by library
            at 5 session a
                #9 at 5 sessionCreated resumed a P/1 connected session 9 by library
            at 6 destroy a 9
                #10 at 6 destroyed freed a P/1 idle session 9 named 9 by library
                #11 at 6 withdrawn done P/1 withdrawn by ledger
            at 7 apply a P
                #12 at 7 applied noIdle a asked P by library
            """)
    }

    @Test func `a concurrency is withdrawn only when its cleanup is over, and at that moment`() {
        story(
            """
            given project P concurrencies 1 cleanup 20 => #1-#2
            given users a => #3
            at 0 apply a P
                #4 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 session a
                #5 at 1 sessionCreated fresh a P/1 connected session 5 by library
            at 2 set P concurrencies 0
                #6 at 2 projectModified done P concurrencies 0 window 90 lock 30 cleanup 20 \
                    by library
            at 10 destroy a 5
                #7 at 10 destroyed freed a P/1 recovering until 30 session 5 named 5 by library
            at 99 settle
                #8 at 30 recovered done P/1 idle by ledger after user #0 concurrency #7 jump #0
                #9 at 30 withdrawn done P/1 withdrawn by ledger after user #0 concurrency #8 jump #0
            at 99 show P
                | 1 withdrawn
                | running 0 of 0
            """)
    }

    @Test func `capacity lowered during a cleanup waits for its end`() {
        story(
            """
            given project P concurrencies 2 cleanup 20 => #1-#2
            given users a => #3
            at 0 apply a P
                #4 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 session a
                #5 at 1 sessionCreated fresh a P/1 connected session 5 by library
            at 10 destroy a
                #6 at 10 destroyed freed a P/1 recovering until 30 session 5 unnamed by library
            at 11 set P concurrencies 0
                #7 at 11 projectModified done P concurrencies 0 window 90 lock 30 cleanup 20 \
                    by library
                #8 at 11 withdrawn done P/2 withdrawn by ledger
            at 11 show P
                | 1 recovering until 30
                | 2 withdrawn
                | running 1 of 0
            at 30 settle
                #9 at 30 recovered done P/1 idle by ledger
                #10 at 30 withdrawn done P/1 withdrawn by ledger
            """)
    }

    @Test func `locks and windows that end above capacity withdraw at their deadlines, in order`() {
        // Only two of three have to go: the third in order stays idle.
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
            at 1 session b
                #9 at 1 sessionCreated fresh b P/2 connected session 9 by library
            at 2 disconnect b 9
                #10 at 2 disconnected waiting b P/2 waiting until 92 session 9 named 9 by library
            at 3 set P concurrencies 1
                #11 at 3 projectModified done P concurrencies 1 window 90 lock 30 cleanup 0 \
                    by library
            at 100 settle
                #12 at 30 repossessed lockExpired a P/1 idle by ledger
                #13 at 30 withdrawn done P/1 withdrawn by ledger
                #14 at 30 repossessed lockExpired c P/3 idle by ledger
                #15 at 30 withdrawn done P/3 withdrawn by ledger
                #16 at 92 repossessed windowExpired b P/2 idle session 9 by ledger
            """)
    }

    @Test func `raising cancels pending withdrawals before it brings anything back`() {
        story(
            """
            given project P concurrencies 4 => #1-#2
            given users a b c => #3-#5
            at 0 apply a P
                #6 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 0 apply b P
                #7 at 0 applied granted b P/2 reserved until 30 asked P by library
            at 0 apply c P
                #8 at 0 applied granted c P/3 reserved until 30 asked P by library
            at 1 set P concurrencies 1
                #9 at 1 projectModified done P concurrencies 1 window 90 lock 30 cleanup 0 \
                    by library
                #10 at 1 withdrawn done P/4 withdrawn by ledger
            at 2 set P concurrencies 3
                #11 at 2 projectModified done P concurrencies 3 window 90 lock 30 cleanup 0 \
                    by library
            at 3 destroy a
                #12 at 3 destroyed freed a P/1 idle unnamed by library
            at 4 set P concurrencies 4
                #13 at 4 projectModified done P concurrencies 4 window 90 lock 30 cleanup 0 \
                    by library
                #14 at 4 restored done P/4 idle by ledger
            """)
    }

    @Test func `raising brings back the lowest withdrawn numbers, idle since now`() {
        story(
            """
            given project P concurrencies 4 => #1-#2
            given users a b c => #3-#5
            at 1 set P concurrencies 0
                #6 at 1 projectModified done P concurrencies 0 window 90 lock 30 cleanup 0 \
                    by library \
                    after user #0 concurrency #2 jump #0
                #7 at 1 withdrawn done P/4 withdrawn by ledger after user #0 concurrency #0 jump #0
                #8 at 1 withdrawn done P/3 withdrawn by ledger after user #0 concurrency #0 jump #0
                #9 at 1 withdrawn done P/2 withdrawn by ledger after user #0 concurrency #0 jump #0
                #10 at 1 withdrawn done P/1 withdrawn by ledger after user #0 concurrency #0 jump #0
            at 5 set P concurrencies 2
                #11 at 5 projectModified done P concurrencies 2 window 90 lock 30 cleanup 0 \
                    by library \
                    after user #0 concurrency #6 jump #0
                #12 at 5 restored done P/1 idle by ledger after user #0 concurrency #10 jump #0
                #13 at 5 restored done P/2 idle by ledger after user #0 concurrency #9 jump #0
            at 5 show P
                | 1 idle since 5
                | 2 idle since 5
                | 3 withdrawn
                | 4 withdrawn
                | running 0 of 2
            at 6 apply a P
                #14 at 6 applied granted a P/1 reserved until 36 asked P by library
            at 7 set P concurrencies 3
                #15 at 7 projectModified done P concurrencies 3 window 90 lock 30 cleanup 0 \
                    by library
                #16 at 7 restored done P/3 idle by ledger
            at 8 destroy a
                #17 at 8 destroyed freed a P/1 idle unnamed by library
            at 9 apply b P
                #18 at 9 applied granted b P/2 reserved until 39 asked P by library
            at 9 apply c P
                #19 at 9 applied granted c P/3 reserved until 39 asked P by library
            at 9 apply a P
                #20 at 9 applied granted a P/1 reserved until 39 asked P by library
            """)
    }

    @Test func `raising past every number brings all back and adds new ones, idle since now`() {
        // A number never used before needs no event of its own: the settings bring it in.
        story(
            """
            given project P concurrencies 3 => #1-#2
            given users a b => #3-#4
            at 1 set P concurrencies 1
                #5 at 1 projectModified done P concurrencies 1 window 90 lock 30 cleanup 0 \
                    by library
                #6 at 1 withdrawn done P/3 withdrawn by ledger
                #7 at 1 withdrawn done P/2 withdrawn by ledger
            at 2 set P concurrencies 5
                #8 at 2 projectModified done P concurrencies 5 window 90 lock 30 cleanup 0 \
                    by library
                #9 at 2 restored done P/2 idle by ledger
                #10 at 2 restored done P/3 idle by ledger
            at 2 show P
                | 1 idle since 0
                | 2 idle since 2
                | 3 idle since 2
                | 4 idle since 2
                | 5 idle since 2
                | running 0 of 5
            at 3 apply a P
                #11 at 3 applied granted a P/1 reserved until 33 asked P by library
            at 3 apply b P
                #12 at 3 applied granted b P/2 reserved until 33 asked P by library
            """)
    }

    @Test func `capacity lowered and raised again while running exceeds it`() {
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
            at 1 set P concurrencies 0
                #9 at 1 projectModified done P concurrencies 0 window 90 lock 30 cleanup 0 \
                    by library
            at 2 destroy c
                #10 at 2 destroyed freed c P/3 idle unnamed by library
                #11 at 2 withdrawn done P/3 withdrawn by ledger
            at 3 set P concurrencies 1
                #12 at 3 projectModified done P concurrencies 1 window 90 lock 30 cleanup 0 \
                    by library
            at 3 show P
                | 1 reserved a until 30
                | 2 reserved b until 30
                | 3 withdrawn
                | running 2 of 1
            at 4 destroy b
                #13 at 4 destroyed freed b P/2 idle unnamed by library
                #14 at 4 withdrawn done P/2 withdrawn by ledger
            at 5 set P concurrencies 2
                #15 at 5 projectModified done P concurrencies 2 window 90 lock 30 cleanup 0 \
                    by library
                #16 at 5 restored done P/2 idle by ledger
            at 6 destroy a
                #17 at 6 destroyed freed a P/1 idle unnamed by library
            at 7 apply c P
                #18 at 7 applied granted c P/2 reserved until 37 asked P by library
            """)
    }

    @Test func `a new number may enter while withdrawals are pending, and cancels them`() {
        story(
            """
            given project P concurrencies 2 => #1-#2
            given users a b c => #3-#5
            at 0 apply a P
                #6 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 0 apply b P
                #7 at 0 applied granted b P/2 reserved until 30 asked P by library
            at 1 set P concurrencies 1
                #8 at 1 projectModified done P concurrencies 1 window 90 lock 30 cleanup 0 \
                    by library
            at 2 set P concurrencies 3
                #9 at 2 projectModified done P concurrencies 3 window 90 lock 30 cleanup 0 \
                    by library
            at 2 apply c P
                #10 at 2 applied granted c P/3 reserved until 32 asked P by library
            at 3 destroy b
                #11 at 3 destroyed freed b P/2 idle unnamed by library
            """)
    }

    @Test func `withdrawn and brought back within one moment a concurrency is granted once`() {
        // The queue of idle ones has then met P/1 twice, idle since the same moment.
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a b => #3-#4
            at 0 set P concurrencies 0
                #5 at 0 projectModified done P concurrencies 0 window 90 lock 30 cleanup 0 \
                    by library
                #6 at 0 withdrawn done P/1 withdrawn by ledger
            at 0 set P concurrencies 1
                #7 at 0 projectModified done P concurrencies 1 window 90 lock 30 cleanup 0 \
                    by library
                #8 at 0 restored done P/1 idle by ledger
            at 0 apply a P
                #9 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 0 apply b P
                #10 at 0 applied noIdle b asked P by library
            at 0 destroy a
                #11 at 0 destroyed freed a P/1 idle unnamed by library
            at 0 apply b P
                #12 at 0 applied granted b P/1 reserved until 30 asked P by library
            at 0 apply a P
                #13 at 0 applied noIdle a asked P by library
            """)
    }
}
