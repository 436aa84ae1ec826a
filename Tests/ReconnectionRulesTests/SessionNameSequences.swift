import Testing

/// A project may require that a disconnect names its session.
@Suite struct SessionNameSequences {
    @Test func `an unnamed disconnect is refused where names are required, and changes nothing`() {
        story(
            """
            given project P concurrencies 1 names required => #1-#2
            given users a => #3
            at 0 apply a P
                #4 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 session a
                #5 at 1 sessionCreated fresh a P/1 connected session 5 by library
            at 2 disconnect a by anonymous
                #6 at 2 disconnected sessionNameRequired a P/1 connected session 5 unnamed \
                    by anonymous
            at 500 disconnect a 5
                #7 at 500 disconnected waiting a P/1 waiting until 590 session 5 named 5 by library
            at 501 show counters
                | starts 1 grantedNew 1 disconnected 1 staleDisconnects 1 heldNow 1 waitingNow 1
            """)
    }

    @Test func `where there is nothing to disconnect an unnamed report is stale all the same`() {
        // The design leaves open which comes first; nothing could have changed either way.
        story(
            """
            given project P concurrencies 1 names required => #1-#2
            given users a => #3
            at 0 disconnect a
                #4 at 0 disconnected stale a unnamed by library
            at 0 apply a P
                #5 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 0 disconnect a
                #6 at 0 disconnected stale a P/1 reserved until 30 unnamed by library
            at 1 session a
                #7 at 1 sessionCreated fresh a P/1 connected session 7 by library
            at 2 disconnect a 7
                #8 at 2 disconnected waiting a P/1 waiting until 92 session 7 named 7 by library
            at 3 disconnect a
                #9 at 3 disconnected stale a P/1 waiting until 92 session 7 unnamed by library
            """)
    }

    @Test func `requiring names binds from its event on, and only disconnects`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a => #3
            at 0 apply a P
                #4 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 session a
                #5 at 1 sessionCreated fresh a P/1 connected session 5 by library
            at 2 set P names required
                #6 at 2 projectModified done P concurrencies 1 window 90 lock 30 cleanup 0 \
                    names required by library
            at 3 disconnect a
                #7 at 3 disconnected sessionNameRequired a P/1 connected session 5 unnamed \
                    by library
            at 4 set P names optional
                #8 at 4 projectModified done P concurrencies 1 window 90 lock 30 cleanup 0 \
                    by library
            at 5 disconnect a
                #9 at 5 disconnected waiting a P/1 waiting until 95 session 5 unnamed by library
            at 6 session a
                #10 at 6 sessionCreated resumed a P/1 connected session 10 by library
            at 7 set P names required
                #11 at 7 projectModified done P concurrencies 1 window 90 lock 30 cleanup 0 \
                    names required by library
            at 8 destroy a
                #12 at 8 destroyed freed a P/1 idle session 10 unnamed by library
            """)
    }
}
