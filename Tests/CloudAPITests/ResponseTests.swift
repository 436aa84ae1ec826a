import JSON
import Testing

@testable import CloudAPI

@Suite("Responses")
struct ResponseTests {
    @Test("answers have the vendor's envelope")
    func envelope() throws {
        let id = RequestID()
        let success = try JSONValue.parse(
            ResponseEncoder.success(requestId: id) { $0.unsigned("Total", UInt32(10)) })
        #expect(success["Response"]?["Total"] == .unsigned(10))
        #expect(success["Response"]?["RequestId"] == .string(id.description))
        #expect(
            String(decoding: ResponseEncoder.success(requestId: id), as: UTF8.self)
                == #"{"Response":{"RequestId":"\#(id)"}}"#)
        let failure = ResponseEncoder.failure(
            CloudError(.resourceNotFoundNoIdle, #"none "idle""#), requestId: id)
        #expect(
            String(decoding: failure, as: UTF8.self)
                == #"{"Response":{"Error":{"Code":"ResourceNotFound.NoIdle","#
                + #""Message":"none \"idle\""},"RequestId":"\#(id)"}}"#)
        #expect(ResponseEncoder.contentType == "application/json")
        #expect(ResponseEncoder.httpStatus == 200)
    }

    @Test("request ids are UUIDs of version 4, each another")
    func requestIds() {
        var seen: Set<RequestID> = []
        for _ in 0..<1000 {
            let id = RequestID()
            let text = Array(id.description.utf8)
            #expect(text.count == 36)
            #expect(text[14] == UInt8(ascii: "4"))
            #expect("89ab".utf8.contains(text[19]))
            for index in [8, 13, 18, 23] { #expect(text[index] == UInt8(ascii: "-")) }
            seen.insert(id)
        }
        #expect(seen.count == 1000)
        var fixed = SplitMix64(state: 0)
        #expect(RequestID(using: &fixed).description == "e220a839-7b1d-4daf-ae78-9e6aa1b965f4")
    }
}
