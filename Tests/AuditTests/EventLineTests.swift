import EventLog
import Ledger
import LogForge
import ReconnectionRules
import Testing

@testable import Audit

/// The quick reader of an export's lines against the strict one: what both take they take alike,
/// and what the quick one refuses is left to the other.
@Suite struct EventLineTests {
    private let scratch = ScratchDirectory()

    private func strictly(_ line: [UInt8]) -> EventLine? {
        line.withUnsafeBytes { try? EventLine(strictly: $0) }
    }

    private func quickly(_ line: [UInt8], _ reader: inout UsualEventLines) -> EventLine? {
        line.withUnsafeBytes { reader.read($0) }
    }

    private func isSame(_ left: EventLine, _ right: EventLine) -> Bool {
        left.event == right.event && left.user == right.user && left.project == right.project
            && left.inputProject == right.inputProject && left.clientAddress == right.clientAddress
    }

    private func lines(seed: UInt64) throws -> [[UInt8]] {
        _ = try RandomLedger(in: scratch("\(seed)"), seed: seed)
        return try reading(scratch("\(seed)")) { reader in
            var lines: [[UInt8]] = []
            _ = try EventExporter(reader, .jsonl).run { block in
                lines += block.split(separator: 0x0A).map(Array.init)
            }
            return lines
        }
    }

    @Test func whatIsExportedIsReadAlike() throws {
        var reader = UsualEventLines()
        var quickCount = 0
        var count = 0
        for seed in 1 ... 6 as ClosedRange<UInt64> {
            for line in try lines(seed: seed) {
                let strict = try #require(strictly(line))
                count += 1
                guard let quick = quickly(line, &reader) else { continue }
                quickCount += 1
                #expect(isSame(quick, strict), "\(String(decoding: line, as: UTF8.self))")
            }
        }
        // Settings, openings, epochs, escapes and odd callers are for the other.
        #expect(quickCount > count / 3 && quickCount < count)
    }

    /// Bytes changed, put in, taken out, cut off and doubled, thousands of times.
    @Test func whatIsDamagedIsReadAlike() throws {
        var random = SeededGenerator(
            seed: SeededGenerator.announced(21, for: "damaged lines of an export"))
        var reader = UsualEventLines()
        var takenCount = 0
        let lines = try lines(seed: 7)
        let usual = Array(#"0123456789",:{}[]nulltruefalse-+eE. \"#.utf8)
        for _ in 0 ..< 12_000 {
            var line = lines[random.below(lines.count)]
            for _ in 0 ... random.below(2) {
                let index = random.below(line.count)
                let byte =
                    random.below(3) == 0
                    ? UInt8(random.below(256)) : usual[random.below(usual.count)]
                switch random.below(5) {
                case 0, 1: line[index] = byte
                case 2: line.insert(byte, at: index)
                case 3 where line.count > 1: line.remove(at: index)
                default: line.removeSubrange(index...)
                }
                if line.isEmpty { line = [0x7B] }
            }
            let strict = strictly(line)
            guard let quick = quickly(line, &reader) else { continue }
            takenCount += 1
            let text = String(decoding: line, as: UTF8.self)
            guard let strict else {
                Issue.record("only the quick reader takes \(text)")
                return
            }
            #expect(isSame(quick, strict), "\(text)")
        }
        #expect(takenCount > 200)
    }
}
