/// A place in the ledger: events are numbered from 1, without gaps but where an epoch begins (see
/// `Epochs`); 0 means "none".
public typealias Position = UInt64

/// A session's id is the position of the event that created it: unique, increasing, a fencing
/// token that a render host can compare. 0 means "no session".
public typealias SessionId = UInt64

/// A user's number, from 1 in the order users were first seen; 0 means "nobody".
public typealias UserNumber = UInt32

/// A project's number, from 1 in the order projects were created; 0 means "none".
public typealias ProjectNumber = UInt16

/// A concurrency's number inside its project, from 1; 0 means "none".
public typealias ConcurrencyNumber = UInt32

/// Ledger time or a length of it, in microseconds. As a moment: since 1970-01-01T00:00:00Z.
public typealias Microseconds = Int64

extension Microseconds {
    /// A whole number of seconds as microseconds. Traps past ±292,000 years.
    public static func seconds(_ count: Int64) -> Microseconds { count * 1_000_000 }
}
