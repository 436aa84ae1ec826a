public import EventLog
public import Proofs
public import ReconnectionRules

/// What was done to the disk while ledgers worked, and what they had told somebody by when.
public struct Recording: Sendable {
    /// An action that was answered.
    public struct Answer: Sendable {
        public var event: Event
        public var user: String
        /// Steps that were done when it was answered.
        public var stepCount: Int
    }

    /// A head that somebody outside has.
    public struct Published: Sendable {
        public var head: SignedHead
        public var stepCount: Int
    }

    /// A directory that is whole from a moment on, and before it not taken for what it is not.
    public struct Promise: Sendable {
        public enum Kind: Sendable { case backup, ledger, importing }

        public var kind: Kind
        /// Below the folder.
        public var path: String
        public var stepCount: Int
        public var head: Position
        public var stateDigest: Digest32
    }

    public var seed: UInt64
    public var folder: String
    /// What kind of load it was, in words.
    public var name: String
    public var steps: [DiskStep]
    public var answers: [Answer]
    public var published: [Published]
    public var promises: [Promise]
    /// The ledger's lock file as the run left it: what a map wrote is in no journal.
    public var lockFile: [UInt8]

    /// What a log holds by a certain step: the answers given, by then.
    func answers(by cut: Int) -> ArraySlice<Answer> {
        answers[..<(answers.firstIndex { $0.stepCount > cut } ?? answers.endIndex)]
    }
}
