import Dispatch
import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What is done and what is next in a scan, shared by its threads. All of it under one lock, taken
/// twice a segment: that is what makes it safe to share.
final class ScanWork: @unchecked Sendable {
    private enum Task {
        case check(Int)
        case fold(Int, segment: Int)
    }

    /// How far checking runs ahead of the slowest fold, in segments: what is in cache stays there,
    /// and no thread waits for want of checked batches.
    private static let aheadMax = 8

    private let log: EventLog
    private let segments: [LogSegment]
    private let folds: [any BatchFold]
    private let keys: PersonalKeys?
    /// By segment, from its check until every fold has it.
    private var names: [OpenedNames?]
    private let progress: (Position) -> Void
    private let lock = Lock()
    private var nextCheck = 0
    private var isChecked: [Bool]
    /// The segment each fold takes next.
    private var nextFold: [Int]
    private var isFolding: [Bool]
    private var runningCount = 0
    /// The lowest position at fault so far; everything before it is still looked at.
    private var faultPosition = Position.max
    private var fault: (any Error)?
    private(set) var checkSeconds = 0.0
    private(set) var foldSeconds: [Double]

    init(
        _ log: EventLog, _ segments: [LogSegment], _ folds: [any BatchFold],
        _ keys: PersonalKeys?, _ progress: @escaping (Position) -> Void
    ) {
        self.log = log
        self.progress = progress
        self.segments = segments
        self.folds = folds
        self.keys = keys
        names = Array(repeating: nil, count: segments.count)
        isChecked = Array(repeating: false, count: segments.count)
        nextFold = folds.map { _ in 0 }
        isFolding = folds.map { _ in false }
        foldSeconds = folds.map { _ in 0 }
    }

    /// Does it all, on this thread and `threadCount` − 1 others.
    func run(threadCount: Int) throws {
        if threadCount == 1 {
            loop()
        } else {
            DispatchQueue.concurrentPerform(iterations: threadCount) { _ in loop() }
        }
        if let fault { throw fault }
    }

    /// One thread's share. It ends when nothing is left that could be done, now or later.
    private func loop() {
        lock.lock()
        while true {
            if let task = next() {
                runningCount += 1
                let limit = faultPosition
                let names = opened(for: task)
                lock.unlock()
                let start = Self.now()
                let result = Result { try perform(task, before: limit, names) }
                let seconds = Self.now() - start
                lock.lock()
                runningCount -= 1
                finish(task, result, seconds)
                if let position = reached(by: task) { progress(position) }
                lock.broadcast()
            } else if runningCount == 0 {
                break
            } else {
                lock.wait()
            }
        }
        lock.broadcast()
        lock.unlock()
    }

    /// Takes the next thing to do. Folds come first: they are what is waited for in the end.
    private func next() -> Task? {
        var foldMin = folds.isEmpty ? nextCheck : Int.max
        var lowest: Int?
        for index in folds.indices {
            let segment = nextFold[index]
            if isWanted(segment) { foldMin = min(foldMin, segment) }
            guard isWanted(segment), !isFolding[index], isChecked[segment] else { continue }
            if lowest.map({ segment < nextFold[$0] }) ?? true { lowest = index }
        }
        if let lowest {
            isFolding[lowest] = true
            return .fold(lowest, segment: nextFold[lowest])
        }
        guard isWanted(nextCheck), nextCheck - min(foldMin, nextCheck) < Self.aheadMax else {
            return nil
        }
        nextCheck += 1
        return .check(nextCheck - 1)
    }

    /// Whether the segment is there and begins before the lowest fault.
    private func isWanted(_ segment: Int) -> Bool {
        segment < segments.count && segments[segment].first < faultPosition
    }

    /// The names that were opened for a fold's next segment.
    private func opened(for task: Task) -> OpenedNames? {
        if case .fold(_, let segment) = task { names[segment] } else { nil }
    }

    /// Returns the names that a check opened.
    private func perform(
        _ task: Task, before limit: Position, _ names: OpenedNames?
    ) throws -> OpenedNames? {
        switch task {
        case .check(let segment):
            try log.check(segments[segment])
            return try keys.map { try log.openNames(in: segments[segment], $0) }
        case .fold(let fold, let segment):
            if let names { folds[fold].prepare(names) }
            try log.fold(segments[segment], before: limit, into: folds[fold])
            return nil
        }
    }

    private func finish(
        _ task: Task, _ result: Result<OpenedNames?, any Error>, _ seconds: Double
    ) {
        switch task {
        case .check(let segment):
            isChecked[segment] = true
            names[segment] = (try? result.get()) ?? nil
            checkSeconds += seconds
        case .fold(let fold, let segment):
            isFolding[fold] = false
            foldSeconds[fold] += seconds
            nextFold[fold] = segment + 1
            if nextFold.allSatisfy({ $0 > segment }) { names[segment] = nil }
        }
        guard case .failure(let error) = result else { return }
        if case .fold(let fold, _) = task { nextFold[fold] = segments.count }
        let position = Self.position(of: error)
        if position < faultPosition || fault == nil {
            faultPosition = position
            fault = error
        }
    }

    /// The last position of a segment that all folds have, if this task was the last to reach it.
    private func reached(by task: Task) -> Position? {
        switch task {
        case .check(let segment): return folds.isEmpty ? countedEnd(segment) : nil
        case .fold(_, let segment):
            guard fault == nil, nextFold.allSatisfy({ $0 > segment }) else { return nil }
            return countedEnd(segment)
        }
    }

    private func countedEnd(_ segment: Int) -> Position {
        segments[segment].end - 1 - segments[segment].skippedCount
    }

    /// Anything but damage at a position ends the scan at once.
    private static func position(of error: any Error) -> Position {
        if case .corrupt(let position) = (error as? LogError)?.code { position } else { 0 }
    }

    /// Seconds this thread ran.
    private static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

/// A lock with something to wait for.
private final class Lock {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    init() {
        mutex.initialize(to: pthread_mutex_t())
        condition.initialize(to: pthread_cond_t())
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    func lock() { pthread_mutex_lock(mutex) }
    func unlock() { pthread_mutex_unlock(mutex) }
    func wait() { pthread_cond_wait(condition, mutex) }
    func broadcast() { pthread_cond_broadcast(condition) }
}
