import LogForge
import Testing

/// What Tools/fuzz does for hours, for a second or two: the same functions, on every input that was
/// kept, and on some thousand changes to them. A broken promise, or a trap, fails. One after the
/// other: some targets have a file.
@Suite(.serialized) struct PromiseTests {
    private static let mutationCount = 200

    /// By target, sorted by name, so that a seed means the same everywhere.
    private static func kept(_ folder: String, _ target: FuzzTarget) -> [[UInt8]] {
        let directory = #filePath.split(separator: "/").dropLast().joined(separator: "/")
        return Files.all(below: "/\(directory)/\(folder)/\(target.name)")
            .sorted { $0.key < $1.key }.map(\.value)
    }

    private static func check(_ input: [UInt8], _ target: FuzzTarget) -> Bool {
        do { return try target.run(input) } catch {
            Issue.record("\(target.name): \(error); the input in hexadecimal: \(shown(input))")
            return false
        }
    }

    @Test(arguments: FuzzTarget.all) func seedsAreTaken(target: FuzzTarget) throws {
        let seeds = try target.seeds()
        #expect(!seeds.isEmpty)
        let takenCount = seeds.count { Self.check($0, target) }
        // A target that refuses everything would hold whatever it promises.
        #expect(takenCount > 0, "\(target.name) takes none of its own seeds")
        #expect(seeds.allSatisfy { $0.count <= target.byteCountMax })
    }

    @Test(arguments: FuzzTarget.all) func keptInputsKeepThePromise(target: FuzzTarget) {
        let inputs = Self.kept("Corpus", target)
        #expect(!inputs.isEmpty, "no inputs are kept for \(target.name): Tools/fuzz --minimise")
        for input in inputs { _ = Self.check(input, target) }
    }

    @Test(arguments: FuzzTarget.all) func whatBrokeItOnceBreaksItNoMore(target: FuzzTarget) {
        for input in Self.kept("Crashes", target) { _ = Self.check(input, target) }
    }

    @Test(arguments: FuzzTarget.all) func changedInputsKeepThePromise(target: FuzzTarget) throws {
        var random = SeededGenerator(
            seed: SeededGenerator.announced(11, for: "changed inputs of \(target.name)"))
        let inputs = try target.seeds() + Self.kept("Corpus", target)
        for _ in 0 ..< Self.mutationCount {
            let input = inputs[random.below(inputs.count)]
            let other = inputs[random.below(inputs.count)]
            let changed = Mutation.change(input, other, target.words, &random)
            _ = Self.check(Array(changed.prefix(target.byteCountMax)), target)
        }
    }

    /// The fuzzer's own check: what is planted is there to be found.
    @Test func thePlantedFaultIsThere() throws {
        #expect(try FuzzTarget.canary.run(Array("HOLD".utf8)) == false)
        #expect(throws: Violation.self) { try FuzzTarget.canary.run(Array("HOLDFAST".utf8)) }
        #expect(FuzzTarget.named("canary") != nil)
        #expect(!FuzzTarget.all.contains { $0.name == "canary" })
    }
}

/// What libFuzzer does to an input, in few words.
private enum Mutation {
    static func change(
        _ input: [UInt8], _ other: [UInt8], _ words: [String], _ random: inout SeededGenerator
    ) -> [UInt8] {
        var bytes = input
        for _ in 0 ... random.below(4) {
            let index = random.below(bytes.count + 1)
            switch random.below(8) {
            case 0 where index < bytes.count: bytes[index] ^= 1 << UInt8(random.below(8))
            case 1 where index < bytes.count: bytes[index] = UInt8(random.below(256))
            case 2 where index < bytes.count: bytes[index] &+= random.below(2) == 0 ? 1 : 255
            case 3: bytes.insert(UInt8(random.below(256)), at: index)
            case 4 where index < bytes.count:
                bytes.removeSubrange(index ..< min(bytes.count, index + 1 + random.below(4)))
            case 5 where !words.isEmpty:
                bytes.insert(contentsOf: words[random.below(words.count)].utf8, at: index)
            case 6:
                let start = random.below(other.count + 1)
                let end = min(other.count, start + random.below(40))
                bytes.insert(contentsOf: other[start ..< end], at: index)
            default:
                let start = random.below(bytes.count + 1)
                let end = min(bytes.count, start + random.below(16))
                bytes.insert(contentsOf: bytes[start ..< end], at: index)
            }
        }
        return bytes
    }
}

extension FuzzTarget: CustomTestStringConvertible {
    var testDescription: String { name }
}
