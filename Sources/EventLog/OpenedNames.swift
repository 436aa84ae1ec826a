import LMDB
package import ReconnectionRules

/// The sealed names of a segment, opened by the thread that checked it: opening takes longer than
/// all else that is done with an event, and needs no order.
package final class OpenedNames: Sendable {
    struct Entry {
        var position: Position
        var opened: TextOpener.Opened
    }

    let entries: [Entry]

    init(_ entries: [Entry]) { self.entries = entries }
}

extension EventLog {
    /// Opens the sealed names in a segment whose batches were checked.
    func openNames(in segment: LogSegment, _ keys: PersonalKeys) throws -> OpenedNames {
        let opener = TextOpener(keys)
        var entries: [OpenedNames.Entry] = []
        try read { snapshot in
            try snapshot.walk(from: segment.first) { key, bytes in
                if key >= segment.end { return false }
                try BatchView(bytes, key: key).openNames(opener, into: &entries)
                return true
            }
        }
        return OpenedNames(entries)
    }
}

extension BatchView {
    fileprivate func openNames(_ opener: TextOpener, into entries: inout [OpenedNames.Entry]) {
        guard hasSealedTexts, hasTexts else { return }
        var texts = names
        while let index = texts.nextIndex, index < eventCount,
            let text = texts.name(ofEventAt: index)
        {
            let record = firstRecord + index * LogFormat.recordByteCount
            let kind: UInt8 = EventCodec.load(record, at: 0)
            guard kind == Event.Kind.userNamed.rawValue else { continue }
            let position = firstPosition + Position(index)
            let opened = opener.name(
                text, ofUser: EventCodec.load(record, at: 12), at: position, isSealed: true)
            entries.append(OpenedNames.Entry(position: position, opened: opened))
        }
    }
}
