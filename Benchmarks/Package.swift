// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that nobody who builds Holdfast builds its benchmarks or its peers.
let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

let package = Package(
    name: "holdfast-benchmarks",
    platforms: [.macOS(.v26)],
    dependencies: [
        .package(name: "holdfast", path: ".."),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.1", traits: []),
    ],
    targets: [
        .executableTarget(
            name: "holdfast-bench", dependencies: [.product(name: "Ledger", package: "holdfast")],
            swiftSettings: strict),
        // The storm on SQLite through GRDB: a peer that Tools/storm-report measures.
        .executableTarget(
            name: "sqlite-peer",
            dependencies: [
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "GRDBSQLite", package: "GRDB.swift"),
            ],
            swiftSettings: strict),
        // What one step costs: `swift package benchmark`.
        .executableTarget(
            name: "LedgerBenchmarks",
            dependencies: [
                .product(name: "Benchmark", package: "benchmark"),
                .product(name: "EventLog", package: "holdfast"),
                .product(name: "Ledger", package: "holdfast"),
                .product(name: "ReconnectionRules", package: "holdfast"),
            ],
            path: "Benchmarks/LedgerBenchmarks", swiftSettings: strict,
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]),
    ],
    swiftLanguageModes: [.v6]
)
