/// A UTC calendar date as the credential scope spells it, without Foundation.
enum UTCDate {
    static let secondsPerDay: Int64 = 86_400

    /// Days since 1970-01-01 of a moment in Unix seconds.
    static func day(ofSeconds seconds: Int64) -> Int64 {
        let quotient = seconds / secondsPerDay
        return seconds % secondsPerDay < 0 ? quotient - 1 : quotient
    }

    /// "YYYY-MM-DD" of a day since 1970-01-01; nil outside the years 1 to 9999.
    ///
    /// The Gregorian calendar repeats every 146,097 days. Counting years from 1 March puts the
    /// leap day last, which turns the month lengths into one linear formula.
    static func text(day: Int64) -> [UInt8]? {
        guard (-719_162...2_932_896).contains(day) else { return nil }
        let shifted = day + 719_468
        let cycle = shifted / 146_097
        let dayOfCycle = shifted % 146_097
        let yearOfCycle =
            (dayOfCycle - dayOfCycle / 1460 + dayOfCycle / 36_524 - dayOfCycle / 146_096) / 365
        let dayOfYear = dayOfCycle - (365 * yearOfCycle + yearOfCycle / 4 - yearOfCycle / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let dayOfMonth = dayOfYear - (153 * marchMonth + 2) / 5 + 1
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        let year = cycle * 400 + yearOfCycle + (month <= 2 ? 1 : 0)
        var text: [UInt8] = []
        text.reserveCapacity(10)
        appendDigits(of: year, count: 4, to: &text)
        text.append(UInt8(ascii: "-"))
        appendDigits(of: month, count: 2, to: &text)
        text.append(UInt8(ascii: "-"))
        appendDigits(of: dayOfMonth, count: 2, to: &text)
        return text
    }

    private static func appendDigits(of value: Int64, count: Int, to text: inout [UInt8]) {
        var divisor: Int64 = 1
        for _ in 1..<count { divisor *= 10 }
        while divisor > 0 {
            text.append(0x30 + UInt8(value / divisor % 10))
            divisor /= 10
        }
    }
}
