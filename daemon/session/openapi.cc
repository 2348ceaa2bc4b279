#include "daemon/session/openapi.h"

namespace wayleave {

// e2e/api_test.py holds every answer against this.
std::string_view openapi_document() {
    static constexpr std::string_view document = R"json({
"openapi":"3.1.0",
"info":{"title":"wayleave","version":"1","description":"What an application's own servers ask of wayleave; see wayleave.route(5), API."},
"security":[{"token":[]}],
"paths":{
"/publish":{"post":{"operationId":"publish","summary":"Publish a message, or several: all are judged first.",
"parameters":[{"name":"Idempotency-Key","in":"header","schema":{"type":"string","maxLength":255}}],
"requestBody":{"required":true,"content":{
"application/json":{"schema":{"oneOf":[{"$ref":"#/components/schemas/Publication"},{"type":"array","minItems":1,"maxItems":1000,"items":{"$ref":"#/components/schemas/Publication"}}]}},
"application/x-ndjson":{"schema":{"type":"string"}}}},
"responses":{"200":{"description":"It is published.","content":{"application/json":{"schema":{"oneOf":[{"$ref":"#/components/schemas/Receipt"},{"$ref":"#/components/schemas/Receipts"}]}}}},
"503":{"description":"The storage does not take it, or took a part of it.","content":{"application/json":{"schema":{"$ref":"#/components/schemas/Receipts"}},"application/problem+json":{"schema":{"$ref":"#/components/schemas/Problem"}}}},
"default":{"$ref":"#/components/responses/Problem"}}}},
"/history":{"get":{"operationId":"history","summary":"What a channel keeps.",
"parameters":[{"$ref":"#/components/parameters/channel"},
{"name":"limit","in":"query","schema":{"type":"integer","minimum":1,"maximum":1000}},
{"name":"since","in":"query","description":"EPOCH:OFFSET: what comes after it.","schema":{"type":"string"}},
{"name":"reverse","in":"query","schema":{"type":"boolean"}}],
"responses":{"200":{"description":"Messages, the oldest first, or with reverse the newest.","content":{"application/json":{"schema":{"type":"object","required":["epoch","offset","more","messages"],"properties":{"epoch":{"type":"string"},"offset":{"type":"integer"},"recovered":{"type":"boolean"},"more":{"type":"boolean"},"messages":{"type":"array","items":{"type":"object"}}}}}}},
"default":{"$ref":"#/components/responses/Problem"}}}},
"/presence":{"get":{"operationId":"presence","summary":"Who is in a channel.",
"parameters":[{"$ref":"#/components/parameters/channel"}],
"responses":{"200":{"description":"Users, by name.","content":{"application/json":{"schema":{"type":"object","required":["users","total","anonymous"],"properties":{"users":{"type":"array","items":{"type":"object","required":["user","connections"],"properties":{"user":{"type":"string"},"connections":{"type":"integer"}}}},"total":{"type":"integer"},"anonymous":{"type":"integer"}}}}}},
"default":{"$ref":"#/components/responses/Problem"}}}},
"/progress":{"get":{"operationId":"progress","summary":"How far a user has come in a channel with acks.",
"parameters":[{"$ref":"#/components/parameters/channel"},{"name":"user","in":"query","required":true,"schema":{"type":"string"}}],
"responses":{"200":{"description":"Offsets.","content":{"application/json":{"schema":{"type":"object","required":["offset","delivered","acknowledged"],"properties":{"epoch":{"type":"string"},"offset":{"type":"integer"},"delivered":{"type":"integer"},"acknowledged":{"type":"integer"}}}}}},
"default":{"$ref":"#/components/responses/Problem"}}}},
"/disconnect":{"post":{"operationId":"disconnect","summary":"End the connections of a user, or of all with a claim, or one session.",
"requestBody":{"required":true,"content":{"application/json":{"schema":{"type":"object","additionalProperties":false,"oneOf":[{"required":["user"]},{"required":["session"]},{"required":["claim"]}],"properties":{"user":{"type":"string"},"session":{"type":"string"},"claim":{"type":"object","additionalProperties":false,"required":["name","value"],"properties":{"name":{"type":"string","minLength":1},"value":{"type":["string","number","boolean"]}}},"code":{"type":"integer"},"because":{"type":"string","maxLength":120},"reconnect":{"type":"boolean"}}}}}},
"responses":{"200":{"description":"So many were there.","content":{"application/json":{"schema":{"type":"object","additionalProperties":false,"required":["sessions"],"properties":{"sessions":{"type":"integer"}}}}}},
"default":{"$ref":"#/components/responses/Problem"}}}},
"/subscribe":{"post":{"operationId":"subscribe","summary":"Put the connections of a user, or one session, into a channel.",
"requestBody":{"required":true,"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Subscription"}}}},
"responses":{"200":{"description":"So many are in it; and so many were refused, if any.","content":{"application/json":{"schema":{"type":"object","additionalProperties":false,"required":["sessions"],"properties":{"sessions":{"type":"integer"},"refused":{"type":"integer"}}}}}},
"default":{"$ref":"#/components/responses/Problem"}}}},
"/unsubscribe":{"post":{"operationId":"unsubscribe","summary":"Take the connections of a user, or one session, out of a channel.",
"requestBody":{"required":true,"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Subscription"}}}},
"responses":{"200":{"description":"So many have left it.","content":{"application/json":{"schema":{"type":"object","additionalProperties":false,"required":["sessions"],"properties":{"sessions":{"type":"integer"}}}}}},
"default":{"$ref":"#/components/responses/Problem"}}}},
"/sessions":{"get":{"operationId":"sessions","summary":"The open connections of a user.",
"parameters":[{"name":"user","in":"query","required":true,"schema":{"type":"string"}}],
"responses":{"200":{"description":"At most 1000 of them, and how many there are.","content":{"application/json":{"schema":{"type":"object","additionalProperties":false,"required":["sessions","total"],"properties":{"sessions":{"type":"array","items":{"type":"object","required":["session","user","route","ip","seconds","channels"],"properties":{"session":{"type":"string"},"user":{"type":"string"},"route":{"type":"string"},"ip":{"type":"string"},"seconds":{"type":"integer"},"channels":{"type":"integer"}}}},"total":{"type":"integer"}}}}}},
"default":{"$ref":"#/components/responses/Problem"}}}},
"/openapi.json":{"get":{"operationId":"openapi","security":[],"responses":{"200":{"description":"This document.","content":{"application/json":{"schema":{"type":"object"}}}}}}}
},
"components":{
"securitySchemes":{"token":{"type":"http","scheme":"bearer"}},
"parameters":{"channel":{"name":"channel","in":"query","required":true,"schema":{"type":"string","maxLength":255}}},
"responses":{"Problem":{"description":"Why it was refused (RFC 9457).","content":{"application/problem+json":{"schema":{"$ref":"#/components/schemas/Problem"}}}}},
"schemas":{
"Publication":{"type":"object","additionalProperties":false,"required":["data"],"oneOf":[{"required":["channel"]},{"required":["channels"]}],"properties":{"channel":{"type":"string","maxLength":255},"channels":{"type":"array","minItems":1,"maxItems":1000,"uniqueItems":true,"items":{"type":"string","maxLength":255}},"data":{"type":"object"},"key":{"type":"string","minLength":1,"maxLength":128},"dedup":{"type":"string","minLength":1,"maxLength":128},"except_session":{"type":"string"},"receivers":{"type":"boolean"}}},
"Subscription":{"type":"object","additionalProperties":false,"required":["channel"],"oneOf":[{"required":["user"]},{"required":["session"]}],"properties":{"user":{"type":"string","minLength":1},"session":{"type":"string"},"channel":{"type":"string","minLength":1,"maxLength":255}}},
"Receipt":{"type":"object","additionalProperties":false,"properties":{"epoch":{"type":"string"},"offset":{"type":"integer"},"duplicate":{"type":"boolean"},"receivers":{"type":"integer"},"error":{"type":"string"},"detail":{"type":"string"}}},
"Receipts":{"type":"object","additionalProperties":false,"required":["results"],"properties":{"results":{"type":"array","items":{"$ref":"#/components/schemas/Receipt"}}}},
"Problem":{"type":"object","required":["type","title","status","error"],"properties":{"type":{"type":"string"},"title":{"type":"string"},"status":{"type":"integer"},"error":{"type":"string"},"detail":{"type":"string"},"rule":{"type":"string"},"decision":{"type":"string"},"retry_after":{"type":"integer"},"errors":{"type":"array","items":{"type":"object","required":["index","error"],"properties":{"index":{"type":"integer"},"error":{"type":"string"},"because":{"type":"string"},"decision":{"type":"string"}}}}}}
}}
}
)json";
    return document;
}

}  // namespace wayleave
