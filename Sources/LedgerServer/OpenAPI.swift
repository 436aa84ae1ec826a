/// What `/v1/openapi.json` answers: the native API for machines. For people: docs/native-api.md.
enum OpenAPI {
    static let document = #"""
        {"openapi":"3.1.0",
        "info":{"title":"Holdfast native API","version":"1","description":
        "Many actions in one request, and events as they become durable. On a server with \#
        credentials, commands and events are signed with TC3-HMAC-SHA256."},
        "paths":{
        "/v1/commands":{"post":{
        "summary":"Performs actions, one JSON object a line, and answers each with a line.",
        "description":"Body and answer are streams. A line that is no action is answered by an \#
        error with its number, and the others proceed. A last line without `line` tells that the \#
        server ended the stream. Signed with X-TC-Content-SHA256: UNSIGNED-PAYLOAD.",
        "requestBody":{"required":true,"content":{"application/x-ndjson":{
        "schema":{"$ref":"#/components/schemas/Command"}}}},
        "responses":{
        "200":{"description":"A line for each line that is not empty, in their order.",
        "content":{"application/x-ndjson":{"schema":{"$ref":"#/components/schemas/Answer"}}}},
        "400":{"$ref":"#/components/responses/Refusal"},
        "401":{"$ref":"#/components/responses/Refusal"},
        "403":{"$ref":"#/components/responses/Refusal"},
        "405":{"$ref":"#/components/responses/Refusal"},
        "429":{"$ref":"#/components/responses/Refusal"},
        "415":{"$ref":"#/components/responses/Refusal"},
        "503":{"$ref":"#/components/responses/Refusal"}}}},
        "/v1/events":{"get":{
        "summary":"Streams events as JSON lines, those so far and those to come.",
        "parameters":[{"name":"after","in":"query","required":false,
        "description":"The last position handled; without it only what is to come.",
        "schema":{"type":"integer","minimum":0}}],
        "responses":{
        "200":{"description":"Events, oldest first.","content":{"application/x-ndjson":{
        "schema":{"$ref":"#/components/schemas/Event"}}}},
        "400":{"$ref":"#/components/responses/Refusal"},
        "401":{"$ref":"#/components/responses/Refusal"},
        "403":{"$ref":"#/components/responses/Refusal"},
        "405":{"$ref":"#/components/responses/Refusal"},
        "429":{"$ref":"#/components/responses/Refusal"}}}},
        "/health":{"get":{
        "summary":"Whether the ledger answers. Needs no signature.",
        "responses":{
        "200":{"description":"It does.","content":{"application/json":{"schema":{
        "type":"object","required":["status","position"],"properties":{
        "status":{"const":"ok"},"position":{"type":"integer"}}}}}},
        "503":{"description":"It does not, or the server is stopping.","content":{
        "application/json":{"schema":{"type":"object","required":["status"],"properties":{
        "status":{"const":"unavailable"}}}}}}}}}},
        "components":{
        "responses":{"Refusal":{"description":"Refused before the first line.","content":{
        "application/json":{"schema":{"type":"object","properties":{"Response":{"type":"object",
        "properties":{"RequestId":{"type":"string"},"Error":{"type":"object","properties":{
        "Code":{"type":"string"},"Message":{"type":"string"}}}}}}}}}}},
        "schemas":{
        "Command":{"type":"object","required":["action","user"],"additionalProperties":false,
        "properties":{
        "action":{"enum":["apply","createSession","disconnect","destroy","repossess",
        "reconnect"]},
        "user":{"type":"string","minLength":1,"maxLength":256},
        "project":{"type":"string","description":"Of apply and reconnect, which need it."},
        "session":{"type":["string","integer"],
        "description":"Of disconnect, destroy and reconnect."},
        "runMode":{"const":"RunWithoutClient","description":"Of createSession."}}},
        "Answer":{"type":"object","properties":{
        "line":{"type":"integer","minimum":1},
        "position":{"type":"integer"},"outcome":{"type":"string"},
        "positions":{"type":"array","items":{"type":"integer"},"minItems":3,"maxItems":3},
        "outcomes":{"type":"array","items":{"type":"string"},"minItems":3,"maxItems":3},
        "state":{"type":["string","null"]},"concurrency":{"type":["string","null"]},
        "session":{"type":["string","null"]},
        "deadline":{"type":["string","null"],"format":"date-time"},
        "error":{"type":"object","required":["code","message"],"properties":{
        "code":{"enum":["invalidLine","lineTooLong","invalidUser","unknownProject","unauthorized",
        "stopping",
        "unavailable","malformedBody"]},"message":{"type":"string"}}}}},
        "Event":{"type":"object","required":["position","time","kind","outcome"],"properties":{
        "position":{"type":"integer"},"time":{"type":"string","format":"date-time"},
        "kind":{"type":"string"},"outcome":{"type":"string"}}}}}}

        """#
}
