/// Progress of what is done in parts, one after the other.
final class PhaseProgress {
    private var phase: String?
    private var progress: Progress?

    func show(_ phase: String, unit: String = "events", _ done: UInt64, of total: UInt64) {
        if phase != self.phase {
            end()
            self.phase = phase
            progress = Progress(phase, unit: unit)
        }
        progress?.show(done, of: total)
    }

    func end() { progress?.end() }
}
