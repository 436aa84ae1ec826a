// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that nobody who builds Holdfast builds its benchmarks.
let package = Package(
    name: "holdfast-benchmarks",
    platforms: [.macOS(.v26)],
    dependencies: [
        .package(name: "holdfast", path: ".."),
        // For hello-server.
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
    ],
    targets: [
        // The same HTTP library, answering always the same: what signed calls are compared with.
        .executableTarget(
            name: "hello-server",
            dependencies: [
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]),
        .executableTarget(
            name: "holdfast-bench", dependencies: [.product(name: "Ledger", package: "holdfast")],
            swiftSettings: [
                .enableUpcomingFeature("ExistentialAny"),
                .enableUpcomingFeature("InternalImportsByDefault"),
            ])
    ],
    swiftLanguageModes: [.v6]
)
