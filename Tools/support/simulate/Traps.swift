import Simulator

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A ledger that traps ends the process: says first which worlds were running, then lets happen
/// what would have happened.
enum Traps {
    private nonisolated(unsafe) static var before = sigaction()

    static func announce() {
        _ = SeedsUnderWay.seeds
        var action = sigaction()
        #if canImport(Glibc)
            action.__sigaction_handler.sa_handler = { _ in Traps.tell() }
        #else
            action.__sigaction_u.__sa_handler = { _ in Traps.tell() }
        #endif
        sigaction(SIGILL, &action, &before)
        sigaction(SIGTRAP, &action, nil)
    }

    /// Only what a signal handler may do.
    private static func tell() {
        put("simulate: the ledger trapped; it was one of\n")
        for index in 0..<SeedsUnderWay.countMax where SeedsUnderWay.seeds[index] != 0 {
            put("  Tools/simulate --seed ")
            put(number: SeedsUnderWay.seeds[index])
            put(" --verbose\n")
        }
        // The instruction is tried again, and whoever was there before is told.
        sigaction(SIGILL, &before, nil)
        sigaction(SIGTRAP, &before, nil)
    }

    private static func put(_ text: StaticString) {
        _ = write(STDERR_FILENO, text.utf8Start, text.utf8CodeUnitCount)
    }

    private static func put(number: UInt64) {
        var divisor: UInt64 = 1
        while number / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            var digit = UInt8(truncatingIfNeeded: number / divisor % 10 + 48)
            _ = write(STDERR_FILENO, &digit, 1)
            divisor /= 10
        }
    }
}
