// swift-tools-version: 6.2
import PackageDescription

// Holdfast: an event-sourced reconnection ledger on LMDB.
// Arrows between targets run one way, from the end of this list to its beginning.

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let nio: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")

// What the fuzz targets look into.
let fuzzed: [Target.Dependency] = [
    "Audit", "CloudAPI", "EventLog", "JSON", "LMDB", "Ledger", "LedgerServer", "Proofs",
    "ReconnectionRules",
]

let package = Package(
    name: "holdfast",
    platforms: [.macOS(.v26)],
    products: [
        .library(name: "Audit", targets: ["Audit"]),
        .library(name: "Ledger", targets: ["Ledger"]),
        .library(name: "EventLog", targets: ["EventLog"]),
        .library(name: "Proofs", targets: ["Proofs"]),
        .library(name: "ReconnectionRules", targets: ["ReconnectionRules"]),
        .executable(name: "holdfast", targets: ["holdfast"]),
    ],
    dependencies: [
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.20.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        // lmdb.h, nothing else.
        .systemLibrary(
            name: "CLMDB", pkgConfig: "lmdb",
            providers: [.apt(["liblmdb-dev"]), .brew(["lmdb"])]),
        // Typed, noncopyable transactions over LMDB; knows nothing of events.
        .target(
            name: "LMDB", dependencies: ["CLMDB"],
            swiftSettings: strict + [.strictMemorySafety(), .enableExperimentalFeature("Lifetimes")]),
        // A strict reader and a writer of JSON over bytes.
        .target(name: "JSON", swiftSettings: strict),
        // Merkle trees, signed notes, proofs: what checks a log without having it.
        .target(name: "Proofs", dependencies: ["JSON", crypto], swiftSettings: strict),
        // The pure rules: commands are decided into events, views are folded from them.
        .target(name: "ReconnectionRules", swiftSettings: strict),
        // Events in hash-chained batches, one LMDB value each.
        .target(
            name: "EventLog", dependencies: ["LMDB", "ReconnectionRules", crypto],
            swiftSettings: strict + [.enableExperimentalFeature("Lifetimes")]),
        // The engine people embed: one writer thread, group commit, views, feed.
        .target(
            name: "Ledger", dependencies: ["EventLog", "JSON", "LMDB", "ReconnectionRules", crypto],
            swiftSettings: strict),
        // Traces in; history, counts, exports and backups out.
        .target(
            name: "Audit",
            dependencies: ["EventLog", "JSON", "Ledger", "Proofs", "ReconnectionRules", crypto],
            swiftSettings: strict),
        // Reconnect storms and what they measure.
        .target(
            name: "Storm",
            dependencies: [
                "EventLog", "JSON", "Ledger", "ReconnectionRules",
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            swiftSettings: strict),
        // The vendor's wire: signatures, actions, error codes. Knows no engine.
        .target(name: "CloudAPI", dependencies: ["JSON", crypto], swiftSettings: strict),
        // HTTP over Hummingbird.
        .target(
            name: "LedgerServer",
            dependencies: [
                "CloudAPI", "EventLog", "JSON", "Ledger", "ReconnectionRules", crypto, logging,
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOExtras", package: "swift-nio-extras"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "holdfast",
            dependencies: [
                "Audit", "CloudAPI", "EventLog", "JSON", "Ledger", "LedgerServer", "Proofs",
                "ReconnectionRules", "Storm", logging,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),
        // An independent, deliberately simple model of the rules: what tests compare them with.
        .target(
            name: "LedgerModel", dependencies: ["ReconnectionRules"],
            path: "Tests/Support/LedgerModel", swiftSettings: strict),
        .testTarget(
            name: "LMDBTests", dependencies: ["LMDB"], exclude: ["MustNotCompile"],
            swiftSettings: strict + [.enableExperimentalFeature("Lifetimes")]),
        .testTarget(
            name: "CloudAPITests", dependencies: ["CloudAPI", "JSON", crypto],
            swiftSettings: strict),
        // The binary as scripts use it; they run the one that was built beside the tests.
        // Lets a few of the tests that start programs and servers run at a time.
        .target(name: "Turns", path: "Tests/Support/Turns", swiftSettings: strict),
        .testTarget(
            name: "CommandLineTests", dependencies: ["Turns", "holdfast"], swiftSettings: strict),
        .testTarget(name: "JSONTests", dependencies: ["JSON"], swiftSettings: strict),
        // Against an independent implementation in Python.
        .testTarget(
            name: "ProofsTests", dependencies: ["JSON", "LogForge", "Proofs", crypto],
            exclude: ["proof_check.py"], swiftSettings: strict),
        .testTarget(
            name: "LedgerServerTests",
            dependencies: [
                "CFaults", "CloudAPI", "EventLog", "JSON", "Ledger", "LedgerServer", "ReconnectionRules",
                "Turns", crypto, logging,
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ],
            swiftSettings: strict),
        // Writes and rewrites logs byte by byte, knowing nothing of EventLog.
        .target(
            name: "LogForge", dependencies: ["LMDB", crypto], path: "Tests/Support/LogForge",
            swiftSettings: strict),
        // Damages ledgers a flip at a time, and tells what is found and what is served.
        .target(
            name: "BitRot",
            dependencies: [
                "Audit", "EventLog", "JSON", "Ledger", "LogForge", "Proofs", "ReconnectionRules",
            ],
            path: "Tests/Support/BitRot", swiftSettings: strict),
        .executableTarget(
            name: "bit-rot", dependencies: ["BitRot"], path: "Tools/bit-rot",
            swiftSettings: strict),
        // Counts and fails system calls beneath LMDB.
        .target(name: "CFaults", path: "Tests/Support/CFaults"),
        // Records what ledgers do to the disk, and builds what a power cut may leave of it.
        .target(
            name: "PowerCuts",
            dependencies: [
                "Audit", "CFaults", "EventLog", "LMDB", "Ledger", "LedgerModel", "Proofs",
                "ReconnectionRules",
            ],
            path: "Tests/Support/PowerCuts", swiftSettings: strict),
        .executableTarget(
            name: "power-cuts", dependencies: ["JSON", "Ledger", "PowerCuts"], path: "Tools/power-cuts",
            swiftSettings: strict),
        // Counts what a thread asks of the allocator; and the check that looks at the count.
        .target(name: "CAllocations", path: "Tests/Support/CAllocations"),
        .executableTarget(
            name: "allocation-check",
            dependencies: ["CAllocations", "Ledger", "ReconnectionRules"],
            path: "Tools/allocation-check", swiftSettings: strict),
        // Checks a ledger from outside, knowing what was asked of it and nothing of how it decides.
        .target(
            name: "LedgerAuditor", dependencies: ["ReconnectionRules"],
            path: "Tests/Support/LedgerAuditor", swiftSettings: strict),
        // Whole worlds around a ledger, each from one seed; and the command that runs many.
        .target(
            name: "Simulator",
            dependencies: [
                "CFaults", "EventLog", "Ledger", "LedgerAuditor", "LedgerModel",
                "ReconnectionRules",
            ],
            path: "Tests/Support/Simulator", swiftSettings: strict),
        .executableTarget(
            name: "simulate",
            dependencies: [
                "JSON", "LedgerAuditor", "Simulator",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Tools/support/simulate", swiftSettings: strict),
        .testTarget(
            name: "SimulatorTests",
            dependencies: ["LedgerAuditor", "ReconnectionRules", "Simulator"],
            swiftSettings: strict),
        .testTarget(
            name: "EventLogTests",
            dependencies: ["EventLog", "LMDB", "LogForge", "ReconnectionRules", crypto],
            swiftSettings: strict),
        .testTarget(
            name: "LedgerTests",
            dependencies: [
                "Audit", "CFaults", "EventLog", "LMDB", "Ledger", "LedgerModel",
                "LogForge", "PowerCuts", "Proofs", "ReconnectionRules",
            ],
            exclude: ["Golden"], swiftSettings: strict),
        .testTarget(
            name: "AuditTests",
            dependencies: [
                "Audit", "BitRot", "EventLog", "JSON", "LMDB", "Ledger", "LedgerModel", "LogForge",
                "Proofs", "ReconnectionRules", crypto,
            ],
            exclude: ["Approved"], swiftSettings: strict),
        .testTarget(
            name: "ReconnectionRulesTests", dependencies: ["LedgerModel", "ReconnectionRules"],
            swiftSettings: strict),
        // What Tools/fuzz runs for hours, on the kept corpora and a few thousand mutations.
        .testTarget(
            name: "FuzzTests", dependencies: fuzzed + ["LogForge", crypto, nio],
            exclude: ["Driver", "Corpus", "Crashes"],
            swiftSettings: strict + [.enableExperimentalFeature("Lifetimes")]),
    ],
    swiftLanguageModes: [.v6]
)

// For Tools/fuzz alone, which says which sanitizers: the same target functions as a libFuzzer
// program, and the modules they look into built so that it sees which code ran. No test is built.
if let sanitizers = Context.environment["HOLDFAST_FUZZ"] {
    let names = fuzzed.map { if case .byNameItem(let name, _) = $0 { name } else { "" } }
    let fuzzing: [SwiftSetting] = [
        .unsafeFlags(["-sanitize=\(sanitizers)", "-enable-testing", "-assert-config", "Debug"])
    ]
    package.targets.removeAll { $0.type == .test }
    for target in package.targets where names.contains(target.name) {
        target.swiftSettings = (target.swiftSettings ?? []) + fuzzing
    }
    package.targets += [
        .target(name: "CFuzzer", path: "Tests/FuzzTests/Driver/CFuzzer"),
        .executableTarget(
            name: "fuzz", dependencies: fuzzed + ["CFuzzer", "LogForge", crypto, nio],
            path: "Tests/FuzzTests", exclude: ["Driver/CFuzzer", "PromiseTests.swift"],
            sources: ["Targets", "Driver"],
            swiftSettings: strict + fuzzing + [.enableExperimentalFeature("Lifetimes")],
            linkerSettings: [.unsafeFlags(["-sanitize=\(sanitizers)", "-use-ld=lld"])]),
    ]
}
