import EventLog
import Ledger
import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Writes the events of sound batches that nothing sound leads up to. Names are those that the kept
/// log and these batches bind; a name bound in the gap is not known, the number is.
struct SalvagedEvents {
    private let staging: DataDirectory
    private let known: LedgerCoreNames?
    private let opener: TextOpener
    private var users: [UserNumber: String] = [:]
    private var projects: [UInt32: String] = [:]

    init(_ staging: DataDirectory, _ ledgerId: [UInt8], _ known: LedgerCoreNames?) {
        self.staging = staging
        self.known = known
        opener = TextOpener(try? PersonalKeys(reading: staging.personalKeys, ofLedger: ledgerId))
    }

    mutating func write(
        _ runs: [SalvageChains.Run], _ scan: SalvageScan
    ) throws {
        let path = staging.salvagedEvents
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw FileFailure.error("cannot make \(path)") }
        defer { close(descriptor) }
        for run in runs {
            for batch in run.batches {
                var lines: [UInt8] = []
                try BatchView.reading(scan.bytes(of: batch)) { batch in
                    try batch.forEachEvent { event, text in
                        bind(event, text, isSealed: batch.hasSealedTexts)
                        EventJSON.append(named(event, text), to: &lines)
                        lines.append(0x0A)
                    }
                }
                guard lines.withUnsafeBytes({ FileBytes.writeAll($0, to: descriptor) }) else {
                    throw FileFailure.error("cannot write \(path)")
                }
            }
        }
        guard fsync(descriptor) == 0 else { throw FileFailure.error("cannot write \(path)") }
    }

    private mutating func bind(
        _ event: Event, _ text: UnsafeRawBufferPointer?, isSealed: Bool
    ) {
        guard let text else { return }
        if event.kind == .projectNamed {
            projects[UInt32(event.project)] = String(decoding: text, as: UTF8.self)
        }
        if event.kind == .userNamed,
            case .text(let name) = opener.name(text, event, isSealed: isSealed)
        {
            users[event.user] = String(decoding: name, as: UTF8.self)
        }
    }

    private func named(_ event: Event, _ text: UnsafeRawBufferPointer?) -> NamedEvent {
        func project(_ number: UInt32) -> String {
            projects[number] ?? known?.projects.name(of: number) ?? ""
        }
        return NamedEvent(
            event: event, user: users[event.user] ?? known?.users.name(of: event.user) ?? "",
            project: project(UInt32(event.project)),
            inputProject: project(UInt32(event.inputProject)),
            clientAddress: text.flatMap { opener.address($0, event)?.description })
    }
}

/// What else in a damaged directory says of the log that was there.
enum SalvageEvidence {
    /// The highest position that a kept checkpoint or the newest published head names; 0 if none
    /// does.
    static func newestPosition(_ source: DataDirectory) -> Position {
        let kept = (try? DataDirectory(source.checkpoints).entries()) ?? []
        var newest = kept.compactMap { $0.utf8.count == 20 ? Position($0) : nil }.max() ?? 0
        if let note = try? SmallFile.read(source.headNote),
            let text = String(validating: note, as: UTF8.self)
        {
            for line in text.split(separator: "\n") where line.hasPrefix("position ") {
                newest = max(newest, Position(line.dropFirst(9)) ?? 0)
            }
        }
        return newest < 1 << 53 ? newest : 0
    }

    /// The id in the name of the newest published head, if it has the usual one.
    static func ledgerId(_ source: DataDirectory) -> [UInt8]? {
        guard let note = try? SmallFile.read(source.headNote),
            let line = String(validating: note, as: UTF8.self)?.split(separator: "\n").first,
            line.hasPrefix("holdfast/")
        else { return nil }
        let digits = line.dropFirst(9).compactMap(\.hexDigitValue)
        guard digits.count == 32, line.utf8.count == 41 else { return nil }
        return (0 ..< 16).map { UInt8(digits[2 * $0] << 4 | digits[2 * $0 + 1]) }
    }

    static func newLedgerId() -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0 ..< 16).map { _ in UInt8.random(in: 0 ... 255, using: &generator) }
    }
}
