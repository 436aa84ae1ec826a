public import ReconnectionRules

/// Ledger times as text: RFC 3339 in UTC.
public enum Timestamp {
    /// `2026-11-23T10:15:30.000250Z`, always with six digits of fraction. Years 0000 to 9999;
    /// outside them the year simply has more digits or a sign.
    public static func text(_ time: Microseconds) -> String {
        guard Self.usualTimes.contains(time) else { return unusualText(time) }
        return String(unsafeUninitializedCapacity: byteCount) { output in
            write(time, to: output.baseAddress!)
            return byteCount
        }
    }

    /// How many bytes the text of a time in `usualTimes` has.
    package static let byteCount = 27

    /// The years 0000 to 9999.
    package static let usualTimes =
        Microseconds(-62_167_219_200_000_000) ..< 253_402_300_800_000_000

    /// Writes the text of a time in `usualTimes` to `byteCount` bytes of memory.
    package static func write(_ time: Microseconds, to output: UnsafeMutablePointer<UInt8>) {
        let (days, ofDay) = time.floorDivided(by: 86_400_000_000)
        let (year, month, day) = civil(fromDays: days)
        let seconds = UInt32(truncatingIfNeeded: ofDay / 1_000_000)
        let fraction = UInt32(truncatingIfNeeded: ofDay % 1_000_000)
        let century = UInt32(truncatingIfNeeded: year) / 100
        pair(century, output)
        pair(UInt32(truncatingIfNeeded: year) - century * 100, output + 2)
        output[4] = UInt8(ascii: "-")
        pair(UInt32(truncatingIfNeeded: month), output + 5)
        output[7] = UInt8(ascii: "-")
        pair(UInt32(truncatingIfNeeded: day), output + 8)
        output[10] = UInt8(ascii: "T")
        pair(seconds / 3600, output + 11)
        output[13] = UInt8(ascii: ":")
        pair(seconds / 60 % 60, output + 14)
        output[16] = UInt8(ascii: ":")
        pair(seconds % 60, output + 17)
        output[19] = UInt8(ascii: ".")
        pair(fraction / 10_000, output + 20)
        pair(fraction / 100 % 100, output + 22)
        pair(fraction % 100, output + 24)
        output[26] = UInt8(ascii: "Z")
    }

    /// Two digits.
    @inline(__always)
    private static func pair(_ value: UInt32, _ output: UnsafeMutablePointer<UInt8>) {
        output[0] = 0x30 + UInt8(truncatingIfNeeded: value / 10)
        output[1] = 0x30 + UInt8(truncatingIfNeeded: value % 10)
    }

    private static func unusualText(_ time: Microseconds) -> String {
        let (days, ofDay) = time.floorDivided(by: 86_400_000_000)
        let (year, month, day) = civil(fromDays: days)
        let seconds = ofDay / 1_000_000
        var text = padded(year, 4) + "-" + padded(month, 2) + "-" + padded(day, 2) + "T"
        text += padded(seconds / 3600, 2) + ":" + padded(seconds / 60 % 60, 2) + ":"
        text += padded(seconds % 60, 2) + "." + padded(ofDay % 1_000_000, 6) + "Z"
        return text
    }

    /// Reads an RFC 3339 time in UTC (`Z`, `z` or a zero offset), with up to six digits of
    /// fraction. Nil for anything else, dates that do not exist and leap seconds included.
    public static func parse(_ text: some Collection<UInt8>) -> Microseconds? {
        guard let (time, offset) = read(text), offset == 0 else { return nil }
        return time
    }

    /// Reads an RFC 3339 time at any offset from UTC, as people type it:
    /// `2026-11-23T21:00:00+01:00` is eight in the evening in UTC. Otherwise as `parse`; nil also
    /// where UTC is not within the years 0000 to 9999 any more, since no text would read back.
    public static func parseLocal(_ text: some Collection<UInt8>) -> Microseconds? {
        guard let (time, offset) = read(text), usualTimes.contains(time - offset) else {
            return nil
        }
        return time - offset
    }

    /// The time as it stands there, and how far that is ahead of UTC.
    private static func read(
        _ text: some Collection<UInt8>
    ) -> (time: Microseconds, offset: Microseconds)? {
        var reader = DigitReader(bytes: Array(text))
        guard let year = reader.digits(4), reader.take("-"), let month = reader.digits(2),
            reader.take("-"), let day = reader.digits(2), reader.take("T") || reader.take("t"),
            let hour = reader.digits(2), reader.take(":"), let minute = reader.digits(2),
            reader.take(":"), let second = reader.digits(2),
            (1 ... 12).contains(month), day >= 1, day <= dayCount(year, month), hour < 24,
            minute < 60, second < 60
        else { return nil }
        var fraction: Int64 = 0
        if reader.take(".") {
            guard let microseconds = reader.fraction() else { return nil }
            fraction = microseconds
        }
        guard let offset = reader.offset() else { return nil }
        let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second
        return (seconds * 1_000_000 + fraction, offset)
    }

    // MARK: - Calendar

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value.magnitude)
        let zeros = String(repeating: "0", count: max(0, width - digits.count))
        return (value < 0 ? "-" : "") + zeros + digits
    }

    private static func isLeap(_ year: Int64) -> Bool {
        year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    }

    private static func dayCount(_ year: Int64, _ month: Int64) -> Int64 {
        switch month {
        case 2: isLeap(year) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days from 1970-01-01 in the proleptic Gregorian calendar: years counted from March, so that
    /// the leap day is a year's last, in eras of 400 years (146,097 days).
    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let (era, ofEra) = shifted.floorDivided(by: 400)
        let monthFromMarch = (month + 9) % 12
        let dayOfYear = (153 * monthFromMarch + 2) / 5 + day - 1
        return era * 146_097 + ofEra * 365 + ofEra / 4 - ofEra / 100 + dayOfYear - 719_468
    }

    private static func civil(fromDays days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (era, ofEra) = (days + 719_468).floorDivided(by: 146_097)
        let yearOfEra = (ofEra - ofEra / 1_460 + ofEra / 36_524 - ofEra / 146_096) / 365
        let dayOfYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }
}

extension Int64 {
    fileprivate func floorDivided(by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}

private struct DigitReader {
    let bytes: [UInt8]
    var index = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard index < bytes.count, bytes[index] == UInt8(ascii: character) else { return false }
        index += 1
        return true
    }

    mutating func digits(_ count: Int) -> Int64? {
        guard index + count <= bytes.count else { return nil }
        var value: Int64 = 0
        for byte in bytes[index ..< index + count] {
            guard (0x30 ... 0x39).contains(byte) else { return nil }
            value = value * 10 + Int64(byte - 0x30)
        }
        index += count
        return value
    }

    /// One to six digits after the point, as microseconds.
    mutating func fraction() -> Int64? {
        var value: Int64 = 0
        var count = 0
        while let digit = digits(1) {
            count += 1
            if count > 6 { return nil }
            value = value * 10 + digit
        }
        if count == 0 { return nil }
        for _ in count ..< 6 { value *= 10 }
        return value
    }

    /// `Z`, or hours and minutes ahead of UTC or behind it, and nothing after it.
    mutating func offset() -> Microseconds? {
        if take("Z") || take("z") { return index == bytes.count ? 0 : nil }
        let isAhead = take("+")
        guard isAhead || take("-"), let hours = digits(2), take(":"), let minutes = digits(2),
            hours < 24, minutes < 60, index == bytes.count
        else { return nil }
        return (isAhead ? 1 : -1) * (hours * 60 + minutes) * 60_000_000
    }
}
