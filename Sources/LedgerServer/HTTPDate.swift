import Ledger
import Synchronization

/// The `Date` header, rendered once a second.
final class HTTPDate: Sendable {
    private struct Cache {
        var seconds: Int64 = -1
        var text = ""
    }

    private let cache = Mutex(Cache())

    func text(atSeconds seconds: Int64) -> String {
        cache.withLock { cache in
            if cache.seconds != seconds {
                cache.seconds = seconds
                cache.text = Self.render(seconds)
            }
            return cache.text
        }
    }

    /// "Mon, 23 Nov 2026 10:15:30 GMT" for a moment since 1970.
    static func render(_ seconds: Int64) -> String {
        let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
        let months = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ]
        // 2026-11-23T10:15:30.000000Z
        let text = Array(Timestamp.text(seconds * 1_000_000))
        guard seconds >= 0, text.count == 27, let month = Int(String(text[5 ... 6])) else {
            return "Thu, 01 Jan 1970 00:00:00 GMT"
        }
        let day = days[Int(seconds / 86_400 % 7)]
        return "\(day), \(String(text[8 ... 9])) \(months[month - 1]) \(String(text[0 ... 3])) "
            + "\(String(text[11 ... 18])) GMT"
    }
}
