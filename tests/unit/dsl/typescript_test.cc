// What a policy says as types of TypeScript. That they are right for a compiler is for
// tests/e2e/types_test.py.
#include "dsl/policy/typescript.h"

#include <catch2/catch.hpp>

#include "tests/unit/dsl/compiled.h"

using namespace wayleave::dsl;
using Catch::Matchers::Contains;

namespace {

const std::string policy = R"(
token session { keys = file "k"  from query "token"  claim sub : string required }
backend app { url = "http://127.0.0.1:9" }
route chat /chat/:tenant {
    auth = session  origins = none
    allow connect
    join user/{user.sub}
    allow subscribe on room/:room(int), dollar/*
    allow subscribe on plain, deep/** if user.sub != "x"
    deny  subscribe on hidden/*
    stream tasks to app "/ws"
    errors { limited = error "slow_down" }
    message task.update {
        strict = true
        field id    : int as "task.id" required
        field state : string as "task.state" in { "open", "done" } else "open"
        field tags  : list of string else {}
        field due   : date required
        set by = user.sub
        allow
        deny if id < 0 then error "no_such_task"
        publish to room/{id}
        publish to user/{user.sub} as task.mine
    }
    message call.* { allow  reply "call ok" }
    message call.end { strict = true  allow  publish to user/{user.sub} }
    message ping { strict = true  allow  forward to app "/ping" }
}
)";

std::string types(const std::string& text) {
    Compiled compiled(text);
    INFO(compiled.summary());
    REQUIRE(compiled.policy);
    return typescript(*compiled.policy->route("chat"));
}

}  // namespace

TEST_CASE("the types of a route") {
    CHECK(types(policy) == R"TS(// By `wayleave types`, from the route chat. Change the policy instead.

// What the policy lets arrive. What your servers publish, a file of yours adds, where this one is ./wire:
// import "./wire"; declare module "./wire" { interface WireIn { paid: { order: number } } }
export interface WireIn {
  "call ok": { [other: string]: unknown };
  "call.end": {};
  "task.mine": { by: string; due: string; tags?: string[]; task: { id: number; state?: "done" | "open"; [other: string]: unknown }; };
  "task.update": { by: string; due: string; tags?: string[]; task: { id: number; state?: "done" | "open"; [other: string]: unknown }; };
}

export interface Wire {
  out: {
    "call.end": Record<string, never>;
    "ping": Record<string, never>;
    "task.update": { due: string; tags?: string[]; task: { id: number; state?: "done" | "open"; [other: string]: unknown }; };
    [type: `call.${string}`]: Record<string, never> | { [other: string]: unknown };
  };
  in: WireIn;
  channel: "plain" | `deep/${string}` | `dollar/${string}` | `room/${number}` | `user/${string}`;
  stream: "tasks";
  reason: "bad_message" | "banned" | "expired" | "forbidden" | "limited" | "no_such_task" | "policy_changed" | "slow" | "slow_down" | "too_big" | "unauthenticated" | "unavailable" | "unknown_message" | (string & {});
}
)TS");
}

TEST_CASE("channels that no pattern names are any text") {
    const auto with = [](const std::string& rule) {
        return types("route chat /c { auth = none  origins = none  allow connect  " + rule + " }");
    };
    CHECK_THAT(with("allow subscribe"), Contains("  channel: string;\n"));
    CHECK_THAT(with("allow subscribe on a/*  allow subscribe if channel like \"b*\""),
               Contains("  channel: string;\n"));
    CHECK_THAT(with("allow subscribe on a, b/* if connection.age > 5s or tls"),
               Contains("  channel: \"a\" | `b/${string}`;\n"));
    CHECK_THAT(with("allow publish on a"), Contains("  channel: never;\n"));
    CHECK_THAT(with("allow subscribe on a  message b { allow  subscribe to c }"), Contains("\"a\" | \"c\";"));
}

TEST_CASE("types that begin alike fit their index") {
    const std::string text = types(
        "route chat /c { auth = none  origins = none  allow connect  message * { allow }  message a.* { "
        "strict = true "
        "field n : int required  allow }  message a.b { strict = true  field t : bool required  allow } "
        "message \"say \\\"`${x}\" { strict = true  allow } }");
    CHECK_THAT(text, Contains("    [type: `a.${string}`]: { n: number; } | { t: boolean; };\n"));
    CHECK_THAT(
        text,
        Contains(
            "    [type: string]: Record<string, never> | { [other: string]: unknown } | { n: number; } | "
            "{ t: boolean; };\n"));
    CHECK_THAT(text, Contains("    \"say \\\"\\`\\${x}\": Record<string, never>;\n"));
}

TEST_CASE("no text of a policy leaves its literal") {
    const std::string out = types(
        "route chat /chat { auth = none  allow connect\n"
        "message m { field a : string in { \"x\\u{a}declare global {}\", \"y\\u{2028}z\", \"\\u{7f}\" } "
        "required  allow  reply ok }\n}\n");
    INFO(out);
    CHECK(out.find(R"("x\u000adeclare global {}")") != std::string::npos);
    CHECK(out.find(R"("y\u2028z")") != std::string::npos);
    CHECK(out.find(R"("\u007f")") != std::string::npos);
    CHECK(out.find("\u2028") == std::string::npos);
}
