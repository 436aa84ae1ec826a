#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// An advisory lock on an open file. It belongs to the opening, not to the process: it ends when
/// the last descriptor of that opening is closed, or when one of them gives it up.
package enum FileLock {
    /// Takes the lock if nobody has it. False with `errno` set otherwise.
    package static func tryTake(_ descriptor: Int32) -> Bool {
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            guard errno == EINTR else { return false }
        }
        return true
    }

    /// Waits for the lock. False with `errno` set if it cannot be had.
    package static func take(_ descriptor: Int32) -> Bool {
        while flock(descriptor, LOCK_EX) != 0 {
            guard errno == EINTR else { return false }
        }
        return true
    }

    /// Gives the lock up and closes the descriptor.
    ///
    /// Closing alone is not enough: a process that some other thread starts has a copy of every
    /// descriptor until it has become another program, and the lock would last as long as that.
    package static func release(closing descriptor: Int32) {
        _ = flock(descriptor, LOCK_UN)
        close(descriptor)
    }
}
