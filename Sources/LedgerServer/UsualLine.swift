package import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A line of `POST /v1/commands` in the form nearly every line has, read without an allocation.
///
/// The form: members in the order action, user, then project, session, runMode; no blanks; strings
/// of printable ASCII without escapes. It never refuses: what is not of this form is left to
/// `BulkLine`, and what both read they read alike (`BulkLineTests` holds them against each other).
package struct UsualLine {
    package private(set) var action = BulkAction.apply
    /// Into the line's bytes, as is `project`.
    package private(set) var user: UnsafeRawBufferPointer
    package private(set) var project: UnsafeRawBufferPointer?
    package private(set) var session: SessionId?
    package private(set) var runsWithoutClient = false

    /// Nil if the line is of another form. The line may end in a carriage return.
    @inline(__always)
    package init?(_ line: UnsafeRawBufferPointer) {
        var scan = Scan(rest: line)
        user = UnsafeRawBufferPointer(rebasing: line[0 ..< 0])
        guard scan.take(#"{"action":""#), let name = scan.text(), let action = Self.action(name),
            scan.take(#","user":""#), let user = scan.text()
        else { return nil }
        self.action = action
        self.user = user
        if action.takesProject {
            guard scan.take(#","project":""#), let project = scan.text() else { return nil }
            self.project = project
        }
        if action.takesSession, scan.take(#","session":"#) {
            guard let session = scan.session() else { return nil }
            self.session = session
        }
        if action.takesRunMode, scan.take(#","runMode":"RunWithoutClient""#) {
            runsWithoutClient = true
        }
        guard scan.take("}") else { return nil }
        if scan.rest.isEmpty { return }
        guard scan.rest.count == 1, scan.rest[0] == 0x0D else { return nil }
    }

    @inline(__always)
    private static func action(_ name: UnsafeRawBufferPointer) -> BulkAction? {
        switch name.count {
        case 5: isSame(name, "apply") ? .apply : nil
        case 7: isSame(name, "destroy") ? .destroy : nil
        case 9:
            isSame(name, "reconnect")
                ? .reconnect : isSame(name, "repossess") ? .repossess : nil
        case 10: isSame(name, "disconnect") ? .disconnect : nil
        case 13: isSame(name, "createSession") ? .createSession : nil
        default: nil
        }
    }

    @inline(__always)
    private static func isSame(_ name: UnsafeRawBufferPointer, _ word: StaticString) -> Bool {
        memcmp(name.baseAddress!, word.utf8Start, word.utf8CodeUnitCount) == 0
    }

    /// What is left of the line.
    private struct Scan {
        var rest: UnsafeRawBufferPointer

        @inline(__always)
        mutating func take(_ word: StaticString) -> Bool {
            let count = word.utf8CodeUnitCount
            guard rest.count >= count, memcmp(rest.baseAddress!, word.utf8Start, count) == 0 else {
                return false
            }
            drop(count)
            return true
        }

        /// Up to the closing quote, past which it moves.
        @inline(__always)
        mutating func text() -> UnsafeRawBufferPointer? {
            var index = 0
            while index < rest.count {
                let byte = rest[index]
                if byte == UInt8(ascii: "\"") {
                    let text = UnsafeRawBufferPointer(start: rest.baseAddress, count: index)
                    drop(index + 1)
                    return text
                }
                guard byte &- 0x20 < 0x5F, byte != UInt8(ascii: "\\") else { return nil }
                index += 1
            }
            return nil
        }

        /// A number of up to 18 digits, in quotes or not; without zeros in front.
        @inline(__always)
        mutating func session() -> SessionId? {
            let isQuoted = take("\"")
            var value: UInt64 = 0
            var index = 0
            while index < rest.count, case let digit = rest[index] &- 0x30, digit < 10 {
                value = value &* 10 &+ UInt64(digit)
                index += 1
            }
            guard (1 ... 18).contains(index), index == 1 || rest[0] != 0x30 else { return nil }
            drop(index)
            if isQuoted { guard take("\"") else { return nil } }
            return value
        }

        @inline(__always)
        private mutating func drop(_ count: Int) {
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
    }
}
