import Foundation

/// A fresh directory, removed with everything in it at the end of its life.
public final class ScratchDirectory: Sendable {
    public let path: String

    public init(_ name: String = "holdfast-tests") {
        let parent = FileManager.default.temporaryDirectory.path
        var template = Array("\(parent)/\(name)-XXXXXX".utf8CString)
        precondition(template.withUnsafeMutableBufferPointer { mkdtemp($0.baseAddress!) != nil })
        path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// A path below it.
    public func callAsFunction(_ name: String) -> String { path + "/" + name }

    /// A new directory below it.
    public func directory(_ name: String) -> String {
        let path = self(name)
        precondition(mkdir(path, 0o700) == 0)
        return path
    }
}

public enum Files {
    public static func read(_ path: String) -> [UInt8] {
        [UInt8](FileManager.default.contents(atPath: path) ?? Data())
    }

    public static func write(_ content: [UInt8], to path: String) {
        precondition(FileManager.default.createFile(atPath: path, contents: Data(content)))
    }

    public static func makeDirectory(_ path: String) {
        try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    public static func copy(_ path: String, to copy: String) {
        try? FileManager.default.removeItem(atPath: copy)
        do { try FileManager.default.copyItem(atPath: path, toPath: copy) } catch {
            preconditionFailure("\(error)")
        }
    }

    public static func remove(_ path: String) { try? FileManager.default.removeItem(atPath: path) }

    public static func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: path)
    }

    /// Every file below a directory with its content, by relative path.
    public static func all(below path: String) -> [String: [UInt8]] {
        var found: [String: [UInt8]] = [:]
        guard let names = FileManager.default.enumerator(atPath: path) else { return found }
        while let name = names.nextObject() as? String { found[name] = read(path + "/" + name) }
        return found
    }
}

/// Steele, Lea and Flood's SplitMix64: the same numbers for the same seed, on every machine.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    public mutating func below(_ bound: Int) -> Int { Int.random(in: 0 ..< bound, using: &self) }

    /// `HOLDFAST_SEED` if it is set, otherwise `seed`; printed, so that a failure can be repeated.
    public static func announced(_ seed: UInt64, for what: String) -> UInt64 {
        let variable = ProcessInfo.processInfo.environment["HOLDFAST_SEED"]
        let chosen = variable.flatMap { UInt64($0) } ?? seed
        print("\(what): HOLDFAST_SEED=\(chosen)")
        return chosen
    }
}
