public import LedgerModel

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What a disk keeps of its promises.
public enum Medium: Sendable, Equatable {
    /// Waits for the disk mean what they say.
    case honest
    /// No wait that ended after so many steps had any effect, on files whose path contains this.
    case lying(after: Int, about: String)
}

/// A state that a power cut may leave a folder in, drawn from what was done to it.
///
/// A file's content is, sector by sector, what it was at the last wait for the file that began
/// after the write, or any of what was written to that sector since. Its size is any that it has
/// had since. A name in a directory is as it was at the last wait for the directory; of what was
/// done to names since, either the beginning happened (file systems with a journal) or any part,
/// each whole. The first state is an empty folder.
public struct DiskState: Sendable {
    public static let sectorByteCount = 512

    /// Files by path below the folder; nil for a directory.
    public private(set) var entries: [String: [UInt8]?] = [:]

    /// How much of what was not waited for is there: the extremes are the likely ones.
    public enum Share: Int, Sendable, CaseIterable { case none, some, all }

    fileprivate init(_ entries: [String: [UInt8]?]) { self.entries = entries }

    /// Writes the state below a folder that is empty. `fill` says what stands in files that are
    /// written through maps, by name.
    public func write(below root: String, filling fill: (String) -> [UInt8]? = { _ in nil }) {
        // Parents come before their children.
        for (path, content) in entries.sorted(by: { $0.key < $1.key }) {
            let target = root + path
            guard let content else {
                mkdir(target, 0o700)
                continue
            }
            let file = open(target, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
            precondition(file >= 0, "cannot write \(target)")
            defer { close(file) }
            let bytes = fill(path) ?? content
            // The file system's own sizes are in pages as well where a map made them.
            bytes.withUnsafeBytes { bytes in
                var offset = 0
                while offset < bytes.count {
                    let end = min(offset + 4096, bytes.count)
                    let part = UnsafeRawBufferPointer(rebasing: bytes[offset ..< end])
                    if part.contains(where: { $0 != 0 }) {
                        precondition(
                            pwrite(file, part.baseAddress, part.count, off_t(offset))
                                == part.count, "the folder for disk states is full")
                    }
                    offset = end
                }
            }
            precondition(ftruncate(file, off_t(bytes.count)) == 0)
        }
    }
}

/// What a folder's files and names may hold, step by step.
public struct DiskModel: Sendable {
    private struct File: Sendable {
        var isDirectory: Bool
        /// What is on disk for certain.
        var durable: [UInt8] = []
        /// Writes and sizes after the last wait: their steps.
        var pending: [Int] = []
    }

    private let steps: [DiskStep]
    private let folder: String
    private let medium: Medium
    /// Steps that were done.
    public private(set) var count = 0
    private var files: [File] = [File(isDirectory: true)]
    /// Which file an inode number is now: numbers are given again.
    private var fileOfInode: [UInt64: Int] = [:]
    /// Names as they are on disk for certain, below the folder; and as programs see them.
    private var durableNames: [String: Int] = ["": 0]
    private var names: [String: Int] = ["": 0]
    /// Steps that changed names and were not waited for.
    private var pendingNames: [Int] = []
    /// The file that each of those steps made.
    private var madeBy: [Int: Int] = [:]

    /// Begins with an empty folder.
    public init(_ steps: [DiskStep], folder: String, medium: Medium = .honest) {
        self.steps = steps
        self.folder = folder
        self.medium = medium
    }

    /// Goes on until so many steps are done.
    public mutating func advance(to cut: Int) {
        while count < cut {
            apply(count)
            count += 1
        }
    }

    private func local(_ path: String) -> String { String(path.dropFirst(folder.count)) }

    private static func parent(_ path: String) -> String {
        path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
    }

    private mutating func apply(_ index: Int) {
        let step = steps[index]
        switch step.kind {
        case .create, .makeDirectory:
            files.append(File(isDirectory: step.kind == .makeDirectory))
            fileOfInode[step.inode] = files.count - 1
            madeBy[index] = files.count - 1
            changeNames(index)
        case .rename, .link, .remove: changeNames(index)
        case .write, .resize, .extend:
            guard let file = fileOfInode[step.inode] else { return }
            files[file].pending.append(index)
        case .writeSync:
            guard let file = fileOfInode[step.inode] else { return }
            Self.write(step, to: &files[file].durable)
        case .sync:
            guard let file = fileOfInode[step.inode] ?? root(step) else { return }
            if case .lying(let after, let part) = medium, index >= after,
                part.isEmpty || name(of: file).contains(part)
            {
                return
            }
            synchronise(file, through: step.begun)
        }
    }

    /// The folder itself was there before the journal, so its inode is not in it.
    private func root(_ step: DiskStep) -> Int? {
        fileOfInode[step.inode] == nil ? 0 : nil
    }

    private func name(of file: Int) -> String {
        names.first { $0.value == file }?.key ?? ""
    }

    private mutating func changeNames(_ index: Int) {
        Self.change(&names, steps[index], madeBy[index], local)
        pendingNames.append(index)
    }

    /// What a step does to names. Nothing if it finds none.
    private static func change(
        _ names: inout [String: Int], _ step: DiskStep, _ made: Int?,
        _ local: (String) -> String
    ) {
        let path = local(step.path)
        switch step.kind {
        case .create, .makeDirectory: names[path] = made
        case .remove: names[path] = nil
        case .link:
            if let file = names[path] { names[local(step.otherPath)] = file }
        case .rename:
            guard let file = names.removeValue(forKey: path) else { return }
            let target = local(step.otherPath)
            names[target] = file
            // What lies in a directory moves with it.
            for (name, inner) in names where name.hasPrefix(path + "/") {
                names[name] = nil
                names[target + name.dropFirst(path.count)] = inner
            }
        default: break
        }
    }

    /// Everything done to a file before the wait began is on disk.
    private mutating func synchronise(_ file: Int, through begun: Int) {
        if files[file].isDirectory { return synchroniseNames(file, through: begun) }
        var rest: [Int] = []
        for index in files[file].pending {
            if index < begun {
                Self.write(steps[index], to: &files[file].durable)
            } else {
                rest.append(index)
            }
        }
        files[file].pending = rest
    }

    /// What was done to the names of one directory before the wait began is on disk. What
    /// touches two directories is, with either.
    private mutating func synchroniseNames(_ directory: Int, through begun: Int) {
        guard let path = names.first(where: { $0.value == directory })?.key else { return }
        var rest: [Int] = []
        for index in pendingNames {
            let step = steps[index]
            let isHere =
                Self.parent(local(step.path)) == path
                || (!step.otherPath.isEmpty && Self.parent(local(step.otherPath)) == path)
            if index < begun, isHere {
                Self.change(&durableNames, step, madeBy[index], local)
            } else {
                rest.append(index)
            }
        }
        pendingNames = rest
    }

    private static func write(_ step: DiskStep, to content: inout [UInt8]) {
        switch step.kind {
        case .resize: setSize(step.offset, of: &content)
        case .extend: setSize(max(step.offset, content.count), of: &content)
        default: put(step.bytes[...], at: step.offset, in: &content)
        }
    }

    private static func setSize(_ size: Int, of content: inout [UInt8]) {
        if content.count > size { content.removeLast(content.count - size) }
        if content.count < size {
            content += [UInt8](repeating: 0, count: size - content.count)
        }
    }

    private static func put(
        _ bytes: ArraySlice<UInt8>, at offset: Int, in content: inout [UInt8]
    ) {
        if content.count < offset + bytes.count {
            setSize(offset + bytes.count, of: &content)
        }
        content.replaceSubrange(offset ..< offset + bytes.count, with: bytes)
    }

    // MARK: - Drawing

    /// A state that the power cut may leave now.
    public func draw(
        _ wanted: DiskState.Share? = nil, _ random: inout SplitMix64
    ) -> DiskState {
        let shares = DiskState.Share.allCases
        let share = wanted ?? shares[random.below(shares.count)]
        let names = drawNames(share, &random)
        let tenths = [0, 1 + random.below(9), 10][share.rawValue]
        var contents: [Int: [UInt8]] = [:]
        var entries: [String: [UInt8]?] = [:]
        for (path, number) in names.sorted(by: { $0.key < $1.key }) where !path.isEmpty {
            // A name below a directory whose own name is lost is lost with it.
            guard Self.parent(path).isEmpty || entries[Self.parent(path)] != nil else {
                continue
            }
            let file = files[number]
            if file.isDirectory {
                entries[path] = .some(nil)
                continue
            }
            // Two names of one file have one content.
            let content = contents[number] ?? drawContent(file, tenths, &random)
            contents[number] = content
            entries[path] = content
        }
        return DiskState(entries)
    }

    private func drawNames(
        _ share: DiskState.Share, _ random: inout SplitMix64
    ) -> [String: Int] {
        var names = durableNames
        switch share {
        case .none: break
        case .all:
            for index in pendingNames {
                Self.change(&names, steps[index], madeBy[index], local)
            }
        case .some:
            let isJournalled = random.chance(1, in: 2)
            let end = random.below(pendingNames.count + 1)
            for (order, index) in pendingNames.enumerated() {
                let isDone = isJournalled ? order < end : random.chance(1, in: 2)
                if isDone { change(&names, index) }
            }
        }
        return names
    }

    /// A step whose file's own name was left out brings it along.
    private func change(_ names: inout [String: Int], _ index: Int) {
        let step = steps[index]
        let path = local(step.path)
        if step.kind == .rename || step.kind == .link, names[path] == nil {
            let maker = pendingNames.last {
                $0 < index && madeBy[$0] != nil && local(steps[$0].path) == path
            }
            guard let maker else { return }
            names[path] = madeBy[maker]
        }
        Self.change(&names, step, madeBy[index], local)
    }

    private func drawContent(
        _ file: File, _ tenths: Int, _ random: inout SplitMix64
    ) -> [UInt8] {
        var content = file.durable
        for index in file.pending {
            let step = steps[index]
            guard step.kind == .write else {
                if random.below(10) < tenths { Self.write(step, to: &content) }
                continue
            }
            let sector = DiskState.sectorByteCount
            var offset = step.offset
            let end = step.offset + step.bytes.count
            while offset < end {
                let next = min(end, (offset / sector + 1) * sector)
                if random.below(10) < tenths {
                    let first = offset - step.offset
                    Self.put(
                        step.bytes[first ..< first + next - offset], at: offset, in: &content)
                }
                offset = next
            }
        }
        return content
    }
}
