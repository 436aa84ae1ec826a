#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// How many files the process may have open: each connection is one.
public enum OpenFiles {
    /// Kept for the ledger, the listening socket and the log.
    static let reserve = 64
    /// Kept for connections that are accepted while those they push out are still being closed.
    static let connectionReserve = 256

    /// Raises the limit as far as is needed for so many connections and the system lets the process
    /// raise it by itself. For a program of one's own: the limit is the whole process's.
    public static func raiseLimit(forConnections count: Int) {
        guard var limit = current else { return }
        let wanted = rlim_t(count + reserve + connectionReserve)
        guard limit.rlim_cur < wanted else { return }
        limit.rlim_cur = min(wanted, limit.rlim_max)
        #if canImport(Glibc)
            _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        #else
            _ = setrlimit(RLIMIT_NOFILE, &limit)
        #endif
    }

    /// How many connections there may be: as many as wanted, or as many as files allow.
    static func connectionCount(wanted: Int) -> Int {
        max(1, min(wanted, acceptedCount(wanted: wanted) - connectionReserve))
    }

    /// How many may be accepted before the oldest stranger has made room.
    static func acceptedCount(wanted: Int) -> Int {
        let wanted = wanted + connectionReserve
        guard let limit = current, let fileCountMax = Int(exactly: limit.rlim_cur) else {
            return wanted
        }
        return max(1, min(wanted, fileCountMax - reserve))
    }

    private static var current: rlimit? {
        var limit = rlimit()
        #if canImport(Glibc)
            let isKnown = getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0
        #else
            let isKnown = getrlimit(RLIMIT_NOFILE, &limit) == 0
        #endif
        return isKnown ? limit : nil
    }
}
