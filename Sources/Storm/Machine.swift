#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What a measurement asks the machine.
enum Machine {
    /// Nanoseconds of a clock that never steps.
    static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// Memory of this process that is resident and no file's, in bytes; 0 where that is not told.
    static func residentBytes() -> Int {
        guard let file = fopen("/proc/self/status", "re") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        while fgets(&line, 256, file) != nil {
            let text = String(
                decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            guard text.hasPrefix("RssAnon:") else { continue }
            return 1_024 * (Int(text.filter(\.isNumber)) ?? 0)
        }
        return 0
    }

    static func makeDirectory(_ path: String) throws {
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
            throw StormFailure(
                description: "cannot create \(path): \(String(cString: strerror(errno)))")
        }
    }

    /// Asks the kernel to forget the pages of a file that it holds: the next reads come from disk.
    static func dropFromCache(_ path: String) {
        #if os(Linux)
            let file = open(path, O_RDONLY | O_CLOEXEC)
            guard file >= 0 else { return }
            defer { close(file) }
            _ = fdatasync(file)
            _ = posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED)
        #endif
    }

    /// Removes the files of a log that nobody has open, and its directory.
    static func removeLog(_ path: String) {
        for name in ["data.mdb", "lock.mdb"] { unlink(path + "/" + name) }
        rmdir(path)
    }

    /// Seconds of processor time this process has used.
    static func processorSeconds() -> Double {
        var usage = rusage()
        #if canImport(Glibc)
            getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        #else
            getrusage(RUSAGE_SELF, &usage)
        #endif
        let user = Double(usage.ru_utime.tv_sec) + Double(usage.ru_utime.tv_usec) / 1e6
        let system = Double(usage.ru_stime.tv_sec) + Double(usage.ru_stime.tv_usec) / 1e6
        return user + system
    }
}
