/// Screens and lines that somebody looked at and found right.
enum Approved {
    /// Somebody's first event, in the middle of a small log.
    static let atNine = lines(
        """
         holdfast replay  /tmp/holdfast-command-approve/ledger       event 9 of 24, 37 %
         2026-03-01                                     │ EVENT 9
          1 09:00:00          created demo              │ 2026-03-01 09:00:20.000000Z
          2 09:00:00          set demo to 2             │ +10s, by trace
          3 09:00:00 ann      first seen                │
          4 09:00:00 ann      apply granted /1          │ USER Zoé
          5 09:00:00 ann      session fresh /1          │ holds nothing
          6 09:00:10 王小明   first seen                │ 1 event
          7 09:00:10 王小明   apply granted /2          │
          8 09:00:10 王小明   session fresh /2          │ LEDGER SO FAR
        > 9 09:00:20 Zoé      first seen                │ starts 2  fresh 2
         10 09:00:20 Zoé      apply noIdle demo         │ resumed 0  taken 0
         11 09:05:00 ann      drop waiting /1           │ refused 0  lost 0
         12 09:05:30 ann      apply returned /1         │ held 2  waiting 0
         13 09:05:30 ann      session resumed /1        │
         14 09:10:00 王小明   drop waiting /2           │
         15 09:11:30 王小明   lost windowExpired /2     │
         16 09:12:00 Zoé      apply granted /2          │
         17 09:12:00 Zoé      session fresh /2          │
         18 09:12:30 Zoé      apply returned /2         │
        ────────────────────────────────────────────────────────────────────────────────
         Zoé seen for the first time, user 3

         up/down step  g go to  u/U user  c/C concurrency  / run until  ? help  q quit
        """)

    /// A window that ended: what `run until` went to.
    static let lost = lines(
        """
         holdfast replay  /tmp/holdfast-command-approve/ledger      event 15 of 24, 62 %
          6 09:00:10 王小明   first seen                │ EVENT 15
          7 09:00:10 王小明   apply granted /2          │ 2026-03-01 09:11:30.000000Z
          8 09:00:10 王小明   session fresh /2          │ +1m 30s, by ledger
          9 09:00:20 Zoé      first seen                │
         10 09:00:20 Zoé      apply noIdle demo         │ USER 王小明
         11 09:05:00 ann      drop waiting /1           │ holds nothing
         12 09:05:30 ann      apply returned /1         │ 5 events
         13 09:05:30 ann      session resumed /1        │
         14 09:10:00 王小明   drop waiting /2           │ CONCURRENCY demo/2
        >15 09:11:30 王小明   lost windowExpired /2     │ idle
         16 09:12:00 Zoé      apply granted /2          │ held by nobody
         17 09:12:00 Zoé      session fresh /2          │
         18 09:12:30 Zoé      apply returned /2         │ PROJECT demo
         19 09:12:30 Zoé      session takeover /2       │ running 1 of 2
         20 09:12:31 Zoé      drop stale /2             │ idle 1  reserved 0
         21 09:20:00 ann      destroy freed /1          │ connected 1  waiting 0
         22 09:21:00 ann      destroy stale             │ recovering 0  withdrawn 0
         2026-03-02                                     │ window 90s lock 30s clean 0s
         23 00:00:00 王小明   apply granted /1          │
        ────────────────────────────────────────────────────────────────────────────────
         王小明 repossessed: windowExpired demo/2 (session 8, now idle)

         up/down step  g go to  u/U user  c/C concurrency  / run until  ? help  q quit
        """)

    /// The keys.
    static let help = lines(
        """
         holdfast replay  /tmp/holdfast-command-approve/ledger     event 24 of 24, 100 %

          down j space     the next event
          up k             the event before
          PgDn f, PgUp b   a page on, a page back
          Home <, End >    the first event, the last
          g                go to a position, or to a time such as 2026-11-23T10:15:30Z
          u U              the next event of this user, the one before
          c C              the next event of this concurrency, the one before
          /                run until a condition, as user=u1 and kind=repossessed
          \\                run back until a condition
          n N              the condition again, on or back
          x                keep looking at this user beside every event, or stop it
          ?                this page
          q                quit





        ────────────────────────────────────────────────────────────────────────────────
         王小明 created a session: fresh demo/1 (session 24)

         up/down step  g go to  u/U user  c/C concurrency  / run until  ? help  q quit
        """)

    /// The first 88 columns of a wide screen.
    static let wideLeft = lines(
        """
         holdfast replay  /tmp/holdfast-command-approve/ledger
          1 2026-03-01T09:00:00.000000                  created demo
          2 2026-03-01T09:00:00.000000                  set demo to 2
          3 2026-03-01T09:00:00.000000 ann              first seen
          4 2026-03-01T09:00:00.000000 ann              apply granted demo/1
          5 2026-03-01T09:00:00.000000 ann              session fresh demo/1
          6 2026-03-01T09:00:10.000000 王小明           first seen
          7 2026-03-01T09:00:10.000000 王小明           apply granted demo/2
          8 2026-03-01T09:00:10.000000 王小明           session fresh demo/2
          9 2026-03-01T09:00:20.000000 Zoé              first seen
         10 2026-03-01T09:00:20.000000 Zoé              apply noIdle demo
         11 2026-03-01T09:05:00.000000 ann              drop waiting demo/1
         12 2026-03-01T09:05:30.000000 ann              apply returned demo/1
         13 2026-03-01T09:05:30.000000 ann              session resumed demo/1
         14 2026-03-01T09:10:00.000000 王小明           drop waiting demo/2
         15 2026-03-01T09:11:30.000000 王小明           lost windowExpired demo/2
         16 2026-03-01T09:12:00.000000 Zoé              apply granted demo/2
         17 2026-03-01T09:12:00.000000 Zoé              session fresh demo/2
         18 2026-03-01T09:12:30.250000 Zoé              apply returned demo/2
         19 2026-03-01T09:12:30.250000 Zoé              session takeover demo/2
         20 2026-03-01T09:12:31.000000 Zoé              drop stale demo/2
         21 2026-03-01T09:20:00.000000 ann              destroy freed demo/1
         22 2026-03-01T09:21:00.000000 ann              destroy stale
         23 2026-03-02T00:00:00.000000 王小明           apply granted demo/1
        >24 2026-03-02T00:00:00.000000 王小明           session fresh demo/1





















        ────────────────────────────────────────────────────────────────────────────────────────
         王小明 created a session: fresh demo/1 (session 24)

         up/down step  g go to  u/U user  c/C concurrency  / run until  ? help  q quit
        """)

    /// Its other columns.
    static let wideRight = lines(
        """
                                                          event 24 of 24, 100 %
                                │ EVENT 24
                                │ 2026-03-02 00:00:00.000000Z
                                │ +0s, by trace
                                │
                                │ USER 王小明
                                │ holds demo/1
                                │ connected
                                │ session 24, 7 events
                                │
                                │ CONCURRENCY demo/1
                                │ connected
                                │ held by 王小明
                                │
                                │ PROJECT demo
                                │ running 2 of 2
                                │ idle 0  reserved 0
                                │ connected 2  waiting 0
                                │ recovering 0  withdrawn 0
                                │ window 90s lock 30s clean 0s
                                │
                                │ LEDGER SO FAR
                                │ starts 7  fresh 4
                                │ resumed 1  taken 1
                                │ refused 1  lost 1
                                │ held 2  waiting 0
                                │
                                │
                                │
                                │
                                │
                                │
                                │
                                │
                                │
                                │
                                │
                                │
                                │
                                │
                                │
                                │
                                │
                                │
                                │
                                │
        ────────────────────────────────────────────────────────────────────────



        """)

    /// An event as it is printed.
    static let printed = lines(
        """
        position  time                                 gap  user              what happened
              11  2026-03-01T09:05:00.000000Z               ann               disconnected: \
        waiting demo/1 (session 5, waiting until 2026-03-01T09:06:30.000000Z)
                    ann holds demo/1, waiting until 2026-03-01T09:06:30.000000Z, session 5
                    demo: 2 of 2 running, 0 idle, 1 connected, 1 waiting
        """)

    private static func lines(_ text: String) -> [String] {
        text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }
}
