package import ReconnectionRules

extension BatchView {
    /// Looks at a batch that is held in memory, outside of any log. Its header is checked; its
    /// content is checked as it is read.
    package static func reading<Result>(
        _ bytes: UnsafeRawBufferPointer, at first: Position,
        _ body: (borrowing BatchView) throws -> Result
    ) throws -> Result {
        let batch = try BatchView(bytes, key: first)
        return try body(batch)
    }
}
