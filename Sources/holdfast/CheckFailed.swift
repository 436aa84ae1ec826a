/// The work was done and what it found is not what was hoped for: exit status 1.
struct CheckFailed: Error {
    var message: String?
}
