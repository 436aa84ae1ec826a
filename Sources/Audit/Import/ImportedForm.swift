import Ledger

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What a file to be imported looks like, by its first line.
public enum ImportedForm: Sendable, Equatable {
    /// Anything that is none of the others. The trace's reader says what is wrong with it.
    case trace
    /// An export as JSON Lines, which alone has everything in it.
    case export
    /// An export in a form that nothing is imported from.
    case otherExport(ExportFormat)

    /// Bytes that are looked at: more than any event's line has before its first member's end.
    private static let byteCountMax = 4_096

    /// Looks at a file. What can be read once alone, a pipe, is left as it is and taken for a
    /// trace.
    ///
    /// Throws `TraceError` if the file cannot be opened or is a directory. Cost: one read.
    public static func of(_ path: String) throws(TraceError) -> ImportedForm {
        func failure(_ reason: String) -> TraceError {
            TraceError(path: path, line: 0, reason: reason)
        }
        // To open a named pipe and close it again would end whoever writes to it.
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw failure("cannot open the file: \(String(cString: strerror(errno)))")
        }
        guard status.st_mode & S_IFMT != S_IFDIR else {
            throw failure("is a directory; name a file")
        }
        guard status.st_mode & S_IFMT == S_IFREG else { return .trace }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw failure("cannot open the file: \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: byteCountMax)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        guard count >= 0 else {
            throw failure("cannot read the file: \(String(cString: strerror(errno)))")
        }
        return form(String(decoding: bytes[..<count], as: UTF8.self))
    }

    private static func form(_ beginning: String) -> ImportedForm {
        let line = beginning.prefix { !$0.isNewline }
        if line.first(where: { !$0.isWhitespace }) == "{" {
            return line.contains("\"specversion\"") ? .otherExport(.cloudevents) : .export
        }
        let columns = ExportFormat.csvBeginning
        return line.hasPrefix(columns) ? .otherExport(.csv) : .trace
    }
}

extension ExportFormat {
    /// What the first line of an export as CSV begins with, and that of no trace.
    fileprivate static var csvBeginning: String {
        EventLineWriter.columns.prefix(4).joined(separator: ",")
    }
}
