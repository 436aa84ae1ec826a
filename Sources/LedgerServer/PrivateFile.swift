import Ledger

/// Private files whose errors are the server's.
typealias PrivateFile = PrivateFiles<ServerError>

extension ServerError: PrivateFileError {
    package init(privateFile message: String, isDamage: Bool) {
        self.init(isDamage ? .damaged : .file, message)
    }
}
