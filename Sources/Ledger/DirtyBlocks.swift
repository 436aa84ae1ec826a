import ReconnectionRules

/// Which blocks of the view changed since the last checkpoint. Derived from events alone.
struct DirtyBlocks {
    /// Everything has to be written: no checkpoint stands, or deadlines moved all over.
    private(set) var isEverything: Bool
    private(set) var users: Set<UInt32> = []
    private(set) var jumpStacks: Set<UserNumber> = []
    private(set) var projects: Set<ProjectNumber> = []
    /// Project and block number.
    private(set) var concurrencies: Set<UInt64> = []

    init(isEverything: Bool) { self.isEverything = isEverything }

    mutating func touch(_ event: Event) {
        if isEverything { return }
        if event.user != 0 {
            users.insert(event.user / UInt32(ViewCodec.usersPerBlock))
            jumpStacks.insert(event.user)
        }
        if event.concurrency != 0 {
            concurrencies.insert(Self.key(event.project, event.concurrency))
        }
        switch event.kind {
        case .opened: if event.outage > 0 { isEverything = true }
        case .projectNamed: projects.insert(event.project)
        case .projectModified:
            // Concurrencies may have come into service.
            isEverything = true
        default: break
        }
    }

    static func key(_ project: ProjectNumber, _ concurrency: ConcurrencyNumber) -> UInt64 {
        UInt64(project) << 32 | UInt64(concurrency / UInt32(ViewCodec.concurrenciesPerBlock))
    }
}
