@testable import Ledger
import Testing

/// Numbers by name and names by number, as a dictionary would have them.
@Suite struct NameDirectoryTests {
    private static func name(_ number: Int) -> String {
        number % 7 == 0
            ? String(repeating: "n", count: 1 + number % 256) + "\(number)" : "user-\(number)"
    }

    private static func append(_ name: String, to directory: inout NameDirectory) {
        var name = String(name.suffix(256))
        name.withUTF8 { directory.append(UnsafeRawBufferPointer($0)) }
    }

    @Test func everyNameIsFoundAgain() {
        var directory = NameDirectory()
        let names = (1...40_000).map { String(Self.name($0).suffix(256)) }
        for name in names {
            #expect(directory.number(of: name) == nil)
            Self.append(name, to: &directory)
        }
        #expect(directory.count == names.count)
        for (index, name) in names.enumerated() {
            #expect(directory.number(of: name) == UInt32(index + 1))
            #expect(directory.name(of: UInt32(index + 1)) == name)
        }
        #expect(directory.name(of: 0) == "" && directory.name(of: 40_001) == "")
        #expect(directory.number(of: "user-40001") == nil)
        #expect(directory.number(of: "user-1 ") == nil && directory.number(of: "user-") == nil)
    }

    @Test func aCopyKeepsWhatItHad() {
        var directory = NameDirectory()
        for number in 1...5_000 { Self.append("a\(number)", to: &directory) }
        let copy = directory
        for number in 1...5_000 { Self.append("b\(number)", to: &directory) }
        #expect(copy.count == 5_000 && directory.count == 10_000)
        #expect(copy.number(of: "b1") == nil && directory.number(of: "b1") == 5_001)
        #expect(copy.number(of: "a5000") == 5_000 && directory.number(of: "a5000") == 5_000)
    }

    @Test func namesThatLookAlikeAreTwo() {
        var directory = NameDirectory()
        // é, composed and decomposed.
        for name in ["caf\u{E9}", "cafe\u{301}"] { Self.append(name, to: &directory) }
        #expect(directory.number(of: "caf\u{E9}") == 1)
        #expect(directory.number(of: "cafe\u{301}") == 2)
    }
}
