// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that nobody who builds Holdfast builds its benchmarks.
let package = Package(
    name: "holdfast-benchmarks",
    platforms: [.macOS(.v26)],
    dependencies: [.package(name: "holdfast", path: "..")],
    targets: [
        .executableTarget(
            name: "holdfast-bench", dependencies: [.product(name: "Ledger", package: "holdfast")],
            swiftSettings: [
                .enableUpcomingFeature("ExistentialAny"),
                .enableUpcomingFeature("InternalImportsByDefault"),
            ])
    ],
    swiftLanguageModes: [.v6]
)
