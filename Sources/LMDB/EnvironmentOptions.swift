extension Environment {
    /// How an environment is opened.
    public struct Options: Sendable, Hashable {
        /// Address space reserved for the file, in bytes; also the most it may grow to. Costs no
        /// disk and no memory. Rounded up to whole pages; halved, down to 1 GiB, while the
        /// process's address space limit refuses it.
        public var mapSizeBytes: Int = 1 << 40
        /// The most named tables that can be open.
        public var tableCountMax: Int = 16
        /// The most concurrent read transactions, over all processes. Only the process that
        /// opens the environment first decides it.
        public var readerCountMax: Int = 1024
        /// Opens for reading alone: the file must exist, write transactions are refused.
        public var isReadOnly: Bool = false
        /// What commits wait for.
        public var durability: Durability = .full
        /// Permission bits of the files when they are created.
        public var fileMode: UInt32 = 0o600
        /// Lets the kernel read ahead of page faults. Good for scans and for files that fit in
        /// memory; turn it off for random reads over a file larger than memory.
        public var readsAhead: Bool = true

        /// The defaults above.
        public init() {}
    }
}
