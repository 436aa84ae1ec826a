import CloudAPI
import JSON
import Ledger
import ReconnectionRules

/// The cloud API: a request in, the bytes of an answer out. Knows no HTTP library.
struct CloudEndpoint: Sendable {
    let ledger: Ledger
    let gate: Gate
    let sessionKey: ServerSessionKey

    /// An answer and what the log says of it.
    struct Answer: Sendable {
        var body: [UInt8]
        var action: CloudAction.Name?
        var caller: Caller?
        /// The event's outcome, `ok` for a description, or the error's code.
        var code: String

        static func refusal(_ error: CloudError, _ id: RequestID) -> Answer {
            Answer(
                body: ResponseEncoder.failure(error, requestId: id), code: error.code.rawValue)
        }
    }

    /// What an action that was not refused comes to.
    struct Success {
        var code: String
        var fields: (inout JSONObjectWriter) -> Void
    }

    func answer(
        _ request: WireRequest, id: RequestID, on connection: OpenConnection?
    ) async -> Answer {
        var name: CloudAction.Name?
        var caller: Caller?
        do throws(CloudError) {
            let admitted = try gate.admit(
                request, on: connection, nowSeconds: WallClock.nowSeconds)
            caller = admitted.visitor.caller
            name = CloudAction.Name(rawValue: admitted.call.action)
            let action = try admitted.call.parse()
            let success = try await perform(action, by: admitted.visitor)
            let body = ResponseEncoder.success(requestId: id, success.fields)
            return Answer(body: body, action: name, caller: caller, code: success.code)
        } catch {
            var answer = Answer.refusal(error, id)
            answer.action = name
            answer.caller = caller
            return answer
        }
    }
}
