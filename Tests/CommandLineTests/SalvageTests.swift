import Foundation
import Testing

/// `holdfast salvage` as an operator uses it.
@Suite struct SalvageTests {
    @Test func aDamagedLedgerIsSalvagedAndServesOn() async throws {
        try await Scratch.with { scratch in
            try await scratch.done("project", "set", "p1", "--concurrencies", "3")
            for user in ["ann", "bob", "eve"] {
                try await scratch.done("apply", user, "--project", "p1")
            }
            let new = scratch.path + "/new"
            let whole = try await scratch.done("salvage", "--to", new + "-whole", "--json").only
            #expect(try object(whole)["isComplete"] as? Bool == true)

            // Both meta pages are gone: nothing opens it any more.
            let log = scratch.data + "/log/data.mdb"
            let file = try #require(FileHandle(forUpdatingAtPath: log))
            try file.write(contentsOf: Data(count: 8192))
            try file.close()
            try await scratch.refused("state")
            let text = try await scratch.done("salvage", "--to", new).joined(separator: "\n")
            #expect(text.contains("kept: ") && text.contains("a new epoch begins at position "))
            let state = try await scratch.run(["state", "ann", "--data", new])
            #expect(state.status == 0 && state.output.contains("p1"))
            let verify = try await scratch.run(["verify", "--data", new])
            #expect(verify.status == 0 && verify.output.contains("sound: "))
            let again = try await scratch.run(["salvage", "--to", new, "--data", scratch.data])
            again.expectOneError(status: 1)
            #expect(again.errors.contains("takes a new or an empty directory"))
        }
    }

    @Test func whatIsLostIsSaidAndIsNoSuccess() async throws {
        try await Scratch.with { scratch in
            try await scratch.done("project", "set", "p1", "--concurrencies", "3")
            for user in ["ann", "bob", "eve"] {
                try await scratch.done("apply", user, "--project", "p1")
            }
            // The third batch of several, wherever it stands.
            let log = scratch.data + "/log/data.mdb"
            var bytes = try Data(contentsOf: URL(filePath: log))
            let mark = Data("HFLB".utf8)
            var searched = bytes.startIndex
            while let found = bytes.range(of: mark, in: searched ..< bytes.endIndex) {
                if bytes[found.lowerBound + 8] == 4 { bytes[found.lowerBound + 110] ^= 1 }
                searched = found.upperBound
            }
            try bytes.write(to: URL(filePath: log))
            let new = scratch.path + "/new"
            let ending = try await scratch.run(["salvage", "--to", new, "--data", scratch.data])
            #expect(ending.status == 1)
            #expect(ending.errors.contains("not everything could be kept: see \(new)/salvage.json"))
            #expect(ending.output.contains("lost: positions 4 to "))
            #expect(ending.output.contains("in salvaged.jsonl: positions "))
        }
    }
}
