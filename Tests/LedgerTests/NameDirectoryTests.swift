@testable import Ledger
import LedgerModel
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

    /// As a dictionary would have it, while names come, go and come again.
    @Test func forgottenNamesAreNotFound() {
        var random = SplitMix64(seed: seed("forgotten names"))
        var directory = NameDirectory()
        var numbers: [String: UInt32] = [:]
        var forgotten: Set<UInt32> = []
        for _ in 0..<60_000 {
            let name = "user-\(random.below(9_000))"
            if let number = numbers[name] {
                #expect(directory.number(of: name) == number)
                directory.forget(number)
                numbers[name] = nil
                forgotten.insert(number)
            } else {
                #expect(directory.number(of: name) == nil)
                Self.append(name, to: &directory)
                numbers[name] = UInt32(directory.count)
            }
        }
        for copy in [directory, Self.copied(directory)] {
            for (name, number) in numbers {
                #expect(copy.number(of: name) == number && copy.name(of: number) == name)
                #expect(!copy.isForgotten(number))
            }
            for number in forgotten {
                #expect(copy.isForgotten(number) && copy.name(of: number) == "")
            }
            #expect(!copy.isForgotten(0) && !copy.isForgotten(UInt32(copy.count) + 1))
        }
    }

    private static func copied(_ directory: NameDirectory) -> NameDirectory {
        var copy = directory
        append("one more", to: &copy)
        return copy
    }

    /// One person comes and goes more often than a segment of the table has room.
    @Test func theSameNameComesAndGoes() {
        var directory = NameDirectory()
        for number in UInt32(1)...20_000 {
            Self.append("again", to: &directory)
            #expect(directory.number(of: "again") == number)
            directory.forget(number)
            #expect(directory.number(of: "again") == nil)
        }
    }

    @Test func aNumberWithoutANameIsFilledLater() {
        var directory = NameDirectory()
        Self.append("a", to: &directory)
        directory.append(.locked)
        directory.append(.forgotten)
        Self.append("d", to: &directory)
        #expect(directory.isLocked(2) && !directory.isForgotten(2) && directory.isForgotten(3))
        #expect(directory.name(of: 2) == "" && directory.name(of: 4) == "d")
        var name = "b"
        name.withUTF8 { directory.fill(2, UnsafeRawBufferPointer($0)) }
        #expect(directory.number(of: "b") == 2 && directory.name(of: 2) == "b")
        let changed = [directory.takeChangedBlocks(), directory.takeChangedBlocks()]
        #expect(changed == [[0], []])
    }

    @Test func namesThatLookAlikeAreTwo() {
        var directory = NameDirectory()
        // é, composed and decomposed.
        for name in ["caf\u{E9}", "cafe\u{301}"] { Self.append(name, to: &directory) }
        #expect(directory.number(of: "caf\u{E9}") == 1)
        #expect(directory.number(of: "cafe\u{301}") == 2)
    }
}
