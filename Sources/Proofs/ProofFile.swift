import JSON

/// Proof that an event is in the log that a head was signed over.
public struct InclusionProof: Hashable, Sendable {
    /// Position of the event, and its 80 bytes.
    public var position: UInt64
    public var record: [UInt8]
    /// The batch the event is in, all its bytes: their SHA-256 is the leaf's content.
    public var batch: [UInt8]
    public var leafIndex: UInt64
    /// From the leaf to the root.
    public var path: [TreeHash]
    /// From the leaf before it, whose content the batch repeats; empty for the first leaf.
    public var previousPath: [TreeHash]
    /// Proofs that the tree begins with smaller ones, whose heads somebody kept.
    public var links: [ConsistencyLink]
    public var head: SignedHead

    public init(
        position: UInt64, record: [UInt8], batch: [UInt8], leafIndex: UInt64, path: [TreeHash],
        previousPath: [TreeHash], links: [ConsistencyLink], head: SignedHead
    ) {
        self.position = position
        self.record = record
        self.batch = batch
        self.leafIndex = leafIndex
        self.path = path
        self.previousPath = previousPath
        self.links = links
        self.head = head
    }
}

/// Proof that a tree begins with its first `size` leaves.
public struct ConsistencyLink: Hashable, Sendable {
    public var size: UInt64
    public var path: [TreeHash]

    public init(size: UInt64, path: [TreeHash]) {
        self.size = size
        self.path = path
    }
}

/// Proof that a log went on from an older head and changed nothing before it.
public struct ConsistencyProof: Hashable, Sendable {
    public var old: SignedHead
    public var path: [TreeHash]
    public var head: SignedHead

    public init(old: SignedHead, path: [TreeHash], head: SignedHead) {
        self.old = old
        self.path = path
        self.head = head
    }
}

/// A proof as it is handed around: one JSON object, in docs/proofs.md.
public enum ProofFile: Hashable, Sendable {
    case inclusion(InclusionProof)
    case consistency(ConsistencyProof)

    /// More than the largest batch makes.
    public static let byteCountMax = 256 << 20

    private static let inclusionForm = "holdfast/inclusion/1"
    private static let consistencyForm = "holdfast/consistency/1"

    /// One line of JSON, without the line feed.
    public var bytes: [UInt8] {
        switch self {
        case .inclusion(let proof):
            JSONObjectWriter.bytes(reservingCapacity: proof.batch.count * 3 / 2 + 8192) { object in
                object.string("form", Self.inclusionForm)
                object.unsigned("position", proof.position)
                object.string("record", Self.base64(proof.record))
                object.string("batch", Self.base64(proof.batch))
                object.unsigned("leafIndex", proof.leafIndex)
                object.strings("path", proof.path.map(\.description))
                object.strings("previousPath", proof.previousPath.map(\.description))
                object.array("links", proof.links) { object, link in
                    object.unsigned("size", link.size)
                    object.strings("path", link.path.map(\.description))
                }
                object.string("head", String(decoding: proof.head.bytes, as: UTF8.self))
            }
        case .consistency(let proof):
            JSONObjectWriter.bytes(reservingCapacity: 8192) { object in
                object.string("form", Self.consistencyForm)
                object.string("oldHead", String(decoding: proof.old.bytes, as: UTF8.self))
                object.strings("path", proof.path.map(\.description))
                object.string("head", String(decoding: proof.head.bytes, as: UTF8.self))
            }
        }
    }

    /// Reads a proof. Throws `malformed`, naming the member, or `newerFormat`.
    public init(_ bytes: [UInt8]) throws(ProofError) {
        let value: JSONValue
        do throws(JSONError) { value = try JSONValue.parse(bytes) } catch {
            throw ProofError(.malformed, "the proof is not JSON: \(error)")
        }
        let members = Members(value: value)
        switch try members.text("form") {
        case Self.inclusionForm:
            try members.only([
                "form", "position", "record", "batch", "leafIndex", "path", "previousPath",
                "links", "head",
            ])
            self = .inclusion(
                InclusionProof(
                    position: try members.number("position"),
                    record: try members.bytes("record"), batch: try members.bytes("batch"),
                    leafIndex: try members.number("leafIndex"), path: try members.path("path"),
                    previousPath: try members.path("previousPath"), links: try members.links(),
                    head: try members.head("head")))
        case Self.consistencyForm:
            try members.only(["form", "oldHead", "path", "head"])
            self = .consistency(
                ConsistencyProof(
                    old: try members.head("oldHead"), path: try members.path("path"),
                    head: try members.head("head")))
        case let form where form.hasPrefix("holdfast/"):
            throw ProofError(
                .newerFormat, "the proof is of a form this Holdfast does not know; use a newer one")
        default: throw ProofError(.malformed, "the file is no proof of Holdfast")
        }
    }

    private static func base64(_ bytes: [UInt8]) -> String {
        String(decoding: Base64.encode(bytes, urlSafe: false), as: UTF8.self)
    }
}

/// The members of a proof; every error names one.
private struct Members {
    let value: JSONValue

    /// A member that nothing looks at could mislead whoever reads the file.
    func only(_ names: Set<String>) throws(ProofError) {
        guard case .object(let members) = value else { return }
        if let stranger = members.first(where: { !names.contains($0.name) }) {
            let name = stranger.name.filter { $0.isASCII && ($0.isLetter || $0.isNumber) }
            throw ProofError(.malformed, "the proof has a member \(name) that says nothing here")
        }
    }

    func text(_ name: String) throws(ProofError) -> String {
        guard case .string(let text) = value[name] else {
            throw ProofError(.malformed, "the proof's \(name) is missing, or no text")
        }
        return text
    }

    func number(_ name: String) throws(ProofError) -> UInt64 {
        guard case .unsigned(let number) = value[name] else {
            throw ProofError(.malformed, "the proof's \(name) is missing, or no number")
        }
        return number
    }

    func bytes(_ name: String) throws(ProofError) -> [UInt8] {
        guard let bytes = Base64.decode(Array(try text(name).utf8)[...], urlSafe: false) else {
            throw ProofError(.malformed, "the proof's \(name) is not base64")
        }
        return bytes
    }

    func path(_ name: String) throws(ProofError) -> [TreeHash] { try Self.path(value, name) }

    func links() throws(ProofError) -> [ConsistencyLink] {
        guard case .array(let elements) = value["links"], elements.count <= 64 else {
            throw ProofError(.malformed, "the proof's links are missing, or more than 64")
        }
        var links: [ConsistencyLink] = []
        for element in elements {
            guard case .unsigned(let size) = element["size"] else {
                throw ProofError(.malformed, "a link of the proof has no size")
            }
            links.append(ConsistencyLink(size: size, path: try Self.path(element, "path")))
        }
        return links
    }

    func head(_ name: String) throws(ProofError) -> SignedHead {
        do { return try SignedHead(Array(try text(name).utf8)) } catch {
            throw ProofError(error.code, "the proof's \(name): \(error.message)")
        }
    }

    private static func path(
        _ value: JSONValue, _ name: String
    ) throws(ProofError) -> [TreeHash] {
        guard case .array(let elements) = value[name], elements.count <= TreeProof.hashCountMax
        else { throw ProofError(.malformed, "the proof's \(name) is missing, or too long") }
        var path: [TreeHash] = []
        for element in elements {
            guard case .string(let text) = element, let hash = TreeHash(base64: text) else {
                throw ProofError(.malformed, "the proof's \(name) has an element that is no hash")
            }
            path.append(hash)
        }
        return path
    }
}
