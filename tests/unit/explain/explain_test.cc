// explain and test, against policies in text: the same door and the same authorization as the gateway's.
#include <catch2/catch.hpp>

#include <set>

#include "daemon/decision/limits.h"
#include "daemon/explain/explained_decision.h"
#include "daemon/explain/simulate.h"
#include "daemon/explain/test_run.h"
#include "dsl/compile/compile.h"
#include "dsl/policy/canonical.h"
#include "dsl/policy/difference.h"
#include "dsl/syntax/load.h"

using namespace wayleave;
using Catch::Matchers::Contains;

namespace {

class NoKeys final : public TokenVerifier {
    Proof verify(const Credential&, Now) const override { return Proof::refused("the signature is wrong"); }
};

const Now now{1'000'000, 1'800'000'000'000};

Runtime runtime_of(const std::string& text, const std::string& name = "p.route") {
    dsl::Sources sources;
    dsl::Diagnostics diagnostics;
    dsl::load_text(name, text, sources, diagnostics);
    Runtime runtime;
    runtime.policy = dsl::compile(
        sources, [](const std::string&) { return failure("no files"); }, diagnostics);
    INFO(dsl::render(diagnostics, sources, false));
    REQUIRE(runtime.policy);
    runtime.verifier = std::make_shared<NoKeys>();
    return runtime;
}

const std::string policy = R"(
token session {
    keys = file "k"
    issuer = "i"  audience = "a"
    from header "Authorization"
    claim sub   : string required
    claim plan  : string as "billing.plan" else "free"
    claim pin   : int else 0 secret
    claim roles : set of string else {}
}
route chat app.example.com/chat/:room {
    auth    = session
    origins = { "https://app.example.com" }
    input env : string from query "env" else "prod"
    allow connect
    deny  connect if ip in 10.6.0.0/16 then status 451 because "not from there"
    deny  connect if env == "test"
    limit connections to 2 per user.sub
    join user/{user.sub}
    allow subscribe on room/{room}/* if "member" in user.roles and user.plan != "free"
    allow subscribe on pins/* if user.pin == 1234
    limit messages to 5/s per user.sub
    message say {
        field text : string required
        allow if message.size < 1kb
        deny  if text == "spam" because "no spam"
        set from = user.sub
        publish to room/{room}/all except self
    }
    errors { forbidden = error "not_yours" }
}
)";

Explanation connect(const Runtime& runtime, ClientSpec sketch) {
    LimitTable limits(4096);
    const auto admission = simulate(runtime, sketch, AdmissionKind::route, limits, now);
    REQUIRE(admission);
    return explain_admission(*runtime.policy, *admission, sketch.address, limits, now, true).explanation;
}

ClientSpec client(const std::string& claims) {
    ClientSpec sketch;
    sketch.ip = *dsl::parse_address("192.0.2.1");
    sketch.address = "app.example.com/chat/lobby";
    sketch.token = "session";
    sketch.claims = claims;
    return sketch;
}

Explanation ask(const Runtime& runtime, const ClientSpec& sketch, const Question& question) {
    LimitTable limits(4096);
    const auto admission = simulate(runtime, sketch, AdmissionKind::route, limits, now);
    REQUIRE(admission);
    const auto& admitted = std::get<Admitted>(*admission);
    const dsl::Residual residual = dsl::fold(admitted.route->program, admitted.answers);
    return explain(opened(*runtime.policy, admitted, residual), question, limits, now, true).explanation;
}

}  // namespace

TEST_CASE("explain: who comes in, and what keeps the others out") {
    const Runtime runtime = runtime_of(policy);
    SECTION("allowed") {
        const Explanation e = connect(runtime, client(R"({"sub":"u1"})"));
        CHECK(e.verdict == Verdict::allow);
        CHECK(e.place == "p.route:15:5");
        CHECK(e.decision == dsl::hash_text(runtime.policy->hash).substr(0, 12) + "/p.route:15");
        CHECK(e.effects == std::vector<std::string>{"joins user/u1"});
        REQUIRE(e.rules.size() == 3);
        CHECK(e.rules[0].why == std::vector<std::string>{"ip in 10.6.0.0/16: ip is 192.0.2.1"});
        CHECK(e.rules[1].why == std::vector<std::string>{"env == \"test\": env is \"prod\""});
        CHECK(e.rules[2].decided);
        REQUIRE(e.limits.size() == 1);
        CHECK(e.limits[0].left == 1);
        CHECK(e.limits[0].most == 2);
    }
    SECTION("a rule denies, in its own words and with its own status") {
        ClientSpec sketch = client(R"({"sub":"u1"})");
        sketch.ip = *dsl::parse_address("10.6.1.2");
        const Explanation e = connect(runtime, sketch);
        CHECK(e.verdict == Verdict::deny);
        CHECK(e.because == "not from there");
        CHECK(e.client == "HTTP 451 forbidden");
        CHECK(e.place == "p.route:16:5");
    }
    SECTION("an input, a foreign page, no token, a wrong claim, no route") {
        ClientSpec sketch = client(R"({"sub":"u1"})");
        sketch.inputs = {{"env", "test"}};
        CHECK(connect(runtime, sketch).place == "p.route:17:5");
        sketch = client(R"({"sub":"u1"})");
        sketch.origin = "https://evil.example";
        CHECK(connect(runtime, sketch).because == "pages of this origin may not connect here");
        sketch = client("");
        sketch.token.clear();
        CHECK(connect(runtime, sketch).because == "no token was sent");
        CHECK(connect(runtime, client("{}")).because == "the token has no claim sub");
        CHECK(connect(runtime, client(R"({"sub":7})")).because == "the token's claim sub is no string");
        CHECK(connect(runtime, client(R"({"sub":"u","iss":"other"})")).because ==
              "the token is from another issuer");
        LimitTable counters(64);
        for (const char* claims : {"nonsense", "", "null", "[1]", "{\"sub\":"})
            CHECK(simulate(runtime, client(claims), AdmissionKind::route, counters, now).error() ==
                  "the claims of `session` are no JSON object");
        sketch = client(R"({"sub":"u1"})");
        sketch.address = "/nowhere";
        CHECK(connect(runtime, sketch).reason == "unknown_route");
        sketch.address = "/a b";
        LimitTable limits(4096);
        CHECK_FALSE(simulate(runtime, sketch, AdmissionKind::route, limits, now));
        sketch = client(R"({"sub":"u1"})");
        sketch.headers = {{"X-A", "b\r\nEvil: 1"}};
        CHECK(connect(runtime, sketch).verdict == Verdict::allow);  // as two headers: nothing is hidden by it
    }
}

TEST_CASE("explain: what a client may say") {
    const Runtime runtime = runtime_of(policy);
    const ClientSpec free = client(R"({"sub":"u1","roles":["member"]})");
    const ClientSpec team = client(R"({"sub":"u1","roles":["member"],"billing":{"plan":"team"}})");
    using dsl::Action;

    CHECK(ask(runtime, team, {Action::subscribe, "room/lobby/x", ""}).verdict == Verdict::allow);
    CHECK(ask(runtime, team, {Action::subscribe, "room/lobby/x", ""}).rules[0].text ==
          "allow subscribe on room/{room}/* if \"member\" in user.roles and not (user.plan == \"free\")");
    const Explanation no = ask(runtime, free, {Action::subscribe, "room/lobby/x", ""});
    CHECK(no.verdict == Verdict::deny);
    CHECK(no.because == "no rule allows this");
    CHECK(no.client == "$error not_yours");
    REQUIRE(no.rules.size() == 2);
    CHECK(no.rules[0].why == std::vector<std::string>{"not user.plan == \"free\": user.plan is \"free\""});
    CHECK(ask(runtime, team, {Action::subscribe, "room/other/x", ""}).rules[0].why ==
          std::vector<std::string>{
              "channel is room/{room}/*: the channel is \"room/other/x\", room is \"lobby\""});
    CHECK(ask(runtime, team, {Action::subscribe, "room//x", ""}).reason == "bad_message");
    // A secret claim is used and not shown.
    const Explanation pin = ask(runtime, team, {Action::subscribe, "pins/1", ""});
    CHECK(pin.rules[1].why == std::vector<std::string>{"user.pin == 1234: user.pin is (secret)"});
    CHECK_THAT(text_of(pin), Contains("user.pin is (secret)"));
    const Runtime hub = runtime_of(
        "token t { keys = file \"k\" from header \"A\" claim pin : string required secret }"
        "route r /r { auth = t origins = { none } allow connect join user/{user.pin}/x }");
    ClientSpec holder = client(R"({"pin":"hush"})");
    holder.token = "t";
    holder.address = "/r";
    holder.no_origin = true;
    CHECK(connect(hub, holder).effects == std::vector<std::string>{"joins user/(secret)/x"});

    const Explanation said = ask(runtime, team, {Action::message, "say", R"({"text":"hi"})"});
    CHECK(said.verdict == Verdict::allow);
    CHECK(said.effects ==
          std::vector<std::string>{"publishes to room/lobby/all except self", "sets from to \"u1\""});
    CHECK(said.limits.at(0).left == 4);
    CHECK(ask(runtime, team, {Action::message, "say", R"({"text":"spam"})"}).because == "no spam");
    CHECK(ask(runtime, team, {Action::message, "say", "{}"}).reason == "bad_message");
    CHECK(ask(runtime, team, {Action::message, "say", "{"}).reason == "bad_message");
    CHECK(ask(runtime, team, {Action::message, "say", "[]"}).reason == "bad_message");
    CHECK(ask(runtime, team, {Action::message, "shout", "{}"}).reason == "unknown_message");
    CHECK_THAT(json_of(said), Contains(R"("verdict":"allow")") && Contains(R"("left":4)"));
}

TEST_CASE("explain and tests: what a message does for its sender") {
    const std::string text = R"(
token t { keys = file "k" from header "A"  claim sub : string required  claim pin : string else "p" secret }
channel few/* { max_subscribers = 1 }
route r /r {
    auth = t  origins = { none }  max_subscriptions = 3
    limit subscriptions to 2 per user.sub
    allow connect
    deny subscribe on closed/* because "closed"
    message "room:join" { field room : string required  allow
                          subscribe to room/{room}, {user.pin}/x if room != "closed" and room != "few"
                          subscribe to closed/a if room == "closed"
                          subscribe to few/a if room == "few"
                          unsubscribe from room/old
                          publish to room/{room} except self as "user joined" priority low
                          reply
                          reply "x y" if room == "few" }
}
test "rooms" {
    as t { sub = "u" }
    expect allow message "room:join" { room = "a" }
    expect limit message "room:join" { room = "a" } times 2
    expect deny  message "room:join" { room = "closed" } because "closed"
    expect limit message "room:join" { room = "few" } times 2 because "the channel has as many subscribers as it takes"
    expect deny  message "user joined"
}
)";
    const Runtime runtime = runtime_of(text);
    const TestRun run = run_tests(runtime, runtime.policy->tests, now);
    for (const TestFailure& failure : run.results.at(0).failures) CHECK(failure.text == "");
    ClientSpec client;
    client.ip = *dsl::parse_address("192.0.2.1");
    client.address = "/r";
    client.token = "t";
    client.claims = R"({"sub":"u"})";
    client.no_origin = true;
    using dsl::Action;
    const Explanation yes = ask(runtime, client, {Action::message, "room:join", R"({"room":"b"})"});
    CHECK(yes.effects ==
          std::vector<std::string>{"publishes to room/b except self as `user joined` with priority low",
                                   "unsubscribes from room/old", "subscribes to room/b",
                                   "subscribes to (secret)/x", "replies with `room:join`"});
    REQUIRE(yes.limits.size() == 1);
    CHECK(yes.limits[0].left == 0);
    CHECK(ask(runtime, client, {Action::message, "room:join", R"({"room":"closed"})"}).place ==
          "p.route:8:5");
    const auto in = [](std::string_view channel) {
        return channel == "few/a" ? std::optional(std::vector<std::string>{}) : std::nullopt;
    };
    Question again{Action::message, "room:join", R"({"room":"few"})"};
    again.keys_of = in;
    LimitTable taken(64);
    CHECK(taken.enter("subscribers few/a", 1));
    const auto admission = simulate(runtime, client, AdmissionKind::route, taken, now);
    REQUIRE(admission);
    const auto& admitted = std::get<Admitted>(*admission);
    const dsl::Residual residual = dsl::fold(admitted.route->program, admitted.answers);
    const ConnectionView view = opened(*runtime.policy, admitted, residual);
    CHECK(explain(view, again, taken, now, false).explanation.verdict == Verdict::allow);
    again.keys_of = nullptr;
    CHECK(explain(view, again, taken, now, false).explanation.verdict == Verdict::limit);
}

TEST_CASE("a test asks what an api may subscribe") {
    const Runtime runtime = runtime_of(R"(
token t { keys = file "k" from header "A"  claim sub : string required }
api a /api { auth = t  allow subscribe on room/*  deny subscribe on room/x because "no" }
test "api" {
    as t { sub = "app" }
    expect allow subscribe "room/a" at "/api" times 200
    expect deny  subscribe "room/x" at "/api" because "no"
    expect deny  subscribe "other" at "/api"
}
)");
    const TestRun run = run_tests(runtime, runtime.policy->tests, now);
    for (const TestFailure& failure : run.results.at(0).failures) CHECK(failure.text == "");
}

TEST_CASE("explain: what only the daemon knows is named, not passed over") {
    const Runtime runtime = runtime_of(
        "route r /r { auth = none origins = { none } min_tls = \"1.3\" allow connect "
        "ban ip for 30s after 3 refusals per 1m }");
    ClientSpec sketch = client("{}");
    sketch.token = "";
    sketch.address = "/r";
    sketch.no_origin = true;
    sketch.tls = true;
    const Explanation said = connect(runtime, sketch);
    CHECK(said.verdict == Verdict::allow);
    CHECK(said.notes.size() == 2);
    CHECK_THAT(text_of(said), Contains("not asked:") && Contains("`wayleave bans` lists whom it keeps out") &&
                                  Contains("the version of TLS must be 1.3"));
    CHECK_THAT(json_of(said), Contains("\"notes\":[\"the ban at p.route:1:"));
    sketch.tls = false;
    CHECK(connect(runtime, sketch).because == "this address needs TLS 1.3");
}

TEST_CASE("test blocks: what holds, what fails, and which rules decided") {
    const std::string tests = R"(
test "good" {
    as session { sub = "u1" plan = "team" roles = { "member" } }
    expect allow connect "app.example.com/chat/lobby?x=1"
    expect allow subscribe "room/lobby/a"
    expect deny  subscribe "room/other/a" because "no rule allows this"
    expect deny  message "say" { text = "spam" } because "no spam"
    expect allow message "say" { text = "hi" } times 5
    expect limit message "say" { text = "hi" } times 6
    expect limit connect "app.example.com/chat/lobby" times 3
    ip = 10.6.1.1
    expect deny connect "app.example.com/chat/lobby" because "not from there"
}
test "bad" at "app.example.com/chat/lobby" {
    as session { sub = "u1" }
    expect allow subscribe "room/lobby/a"
    expect limit message "say" { text = "hi" } times 5
    expect deny message "say" { text = "spam" } because "other words"
    origin = "https://evil.example"
    expect deny subscribe "room/lobby/a"
    as none { }
    origin = none
    expect deny connect "app.example.com/chat/lobby"
}
)";
    const Runtime runtime = runtime_of(policy + tests);
    const TestRun run = run_tests(runtime, runtime.policy->tests, now);
    REQUIRE(run.results.size() == 2);
    for (const TestFailure& failure : run.results[0].failures) FAIL_CHECK(failure.place + failure.text);
    REQUIRE(run.results[1].failures.size() == 4);
    CHECK(run.results[1].failures[0].text ==
          "expected allow subscribe `room/lobby/a`, but it is denied because `no rule allows this` "
          "(forbidden), "
          "p.route:11:7");
    CHECK_THAT(run.results[1].failures[1].text,
               Contains("expected limit message `say` (number 5 of 5), but it is allowed by p.route:25:9"));
    CHECK_THAT(run.results[1].failures[2].text,
               Contains("because `other words`, but it is denied because `no spam`"));
    CHECK_THAT(run.results[1].failures[3].text, Contains("the client cannot even connect"));
    CHECK(run.failed() == 1);
    CHECK(run.rules.size() == 7);
    CHECK(run.uncovered() == 2);  // env == "test"; pins
    REQUIRE(run.rules.size() == 7);
    CHECK(run.rules.front().place == "p.route:15:5");
    CHECK(run.rules.back().place == "p.route:26:9");
    std::string many = "route r /r { auth = none allow connect\n";
    for (int i = 0; i < 10; ++i) many += "deny connect if ip == 10.0.0." + std::to_string(i) + "\n";
    const Runtime lines = runtime_of(many + "}\ntest \"t\" { expect allow connect \"/r\" }");
    const TestRun sorted = run_tests(lines, lines.policy->tests, now);
    REQUIRE(sorted.rules.size() == 11);
    CHECK(sorted.rules[1].place == "p.route:2:1");
    CHECK(sorted.rules[10].place == "p.route:11:1");
    CHECK_THAT(junit_of(run), Contains("tests=\"2\" failures=\"1\""));
}

TEST_CASE("a publication in a test has data, and rules ask about its size") {
    const std::string sizes = R"(
route r /r {
    auth = none
    allow connect
    allow publish on user/* if message.size <= 13b
    message say { allow if message.size < 30b }
}
test "sizes" at "/r" {
    expect allow publish "user/bob" { text = "hi" }
    expect deny  publish "user/bob" { text = "hi!" }
    expect allow publish "user/bob"
    expect allow message "say" { a = 1 }
    expect deny  message "say" { a = "a text of some length" }
}
)";
    const Runtime runtime = runtime_of(sizes);
    const TestRun run = run_tests(runtime, runtime.policy->tests, now);
    for (const TestFailure& failure : run.results[0].failures) FAIL_CHECK(failure.place + " " + failure.text);
}

TEST_CASE("a test says what a name means") {
    const std::string text = R"(
let blocked = { 192.0.2.0/24 }
let most = 3
route r /r {
    auth = none
    let night = ip == 10.0.0.1
    allow connect
    deny connect if ip in blocked because "blocked"
    deny connect if night because "at night"
    limit connections to most per ip
}
test "as it is" { ip = 192.0.2.1 expect deny connect "/r" because "blocked" }
test "otherwise" {
    let blocked = { 198.51.100.0/24 }
    let night   = ip == 10.0.0.2
    let most    = 1
    ip = 192.0.2.1    expect allow connect "/r"
    ip = 198.51.100.7 expect deny connect "/r" because "blocked"
    ip = 10.0.0.2     expect deny connect "/r" because "at night"
    ip = 10.0.0.1     expect limit connect "/r" times 2
}
)";
    const Runtime runtime = runtime_of(text);
    const TestRun run = run_tests(runtime, runtime.policy->tests, now);
    for (const TestResult& result : run.results) {
        for (const TestFailure& failure : result.failures) FAIL_CHECK(failure.place + " " + failure.text);
    }
    CHECK(run.uncovered() == 0);
    // What a test says changes no meaning.
    CHECK(runtime_of(text.substr(0, text.find("test"))).policy->hash == runtime.policy->hash);
}

TEST_CASE("explain names the values that decided") {
    const Runtime runtime = runtime_of(policy);
    const auto lines = [](const Explanation& said) {
        std::vector<std::string> out;
        for (const RuleNote& rule : said.rules) {
            if (!rule.decided) continue;
            out.push_back(rule.place + ": " + rule.text);
            out.insert(out.end(), rule.why.begin(), rule.why.end());
        }
        return out;
    };
    using Lines = std::vector<std::string>;
    using dsl::Action;
    ClientSpec sketch = client(R"({"sub":"u1","roles":["member"],"billing":{"plan":"team"}})");
    CHECK(lines(ask(runtime, sketch, {Action::subscribe, "room/lobby/x", ""})) ==
          Lines{"p.route:20:5: allow subscribe on room/{room}/* if \"member\" in user.roles and not "
                "(user.plan == "
                "\"free\")",
                "channel is room/{room}/*: the channel is \"room/lobby/x\", room is \"lobby\"",
                "\"member\" in user.roles: user.roles is { \"member\" }",
                "not user.plan == \"free\": user.plan is \"team\""});
    CHECK(lines(ask(runtime, sketch, {Action::message, "say", R"({"text":"spam"})"})) ==
          Lines{"p.route:26:9: deny if text == \"spam\" because \"no spam\"",
                "text == \"spam\": text is \"spam\""});
    // By the names of the rule's own pattern, where it has any.
    const Runtime rooms = runtime_of(
        "route r /r { auth = none allow connect allow subscribe on room/:room/:id(int), hall/:room if room "
        "!= \"x\" "
        "deny subscribe on hall/:a, room/:a/* if a == \"y\" }"
        "test \"t\" { expect allow subscribe \"room/a/7\" }");
    CHECK(run_tests(rooms, rooms.policy->tests, now).failed() == 0);
    ClientSpec anybody = client("{}");
    anybody.token = "";
    anybody.address = "/r";
    anybody.no_origin = true;
    CHECK(
        lines(ask(rooms, anybody, {Action::subscribe, "room/a/7", ""})) ==
        Lines{
            "p.route:1:40: allow subscribe if (channel is hall/:room and not (room == \"x\")) or (channel is "
            "room/:room/:id(int) and not (room == \"x\"))",
            "channel is room/:room/:id(int): the channel is \"room/a/7\"",
            "not room == \"x\": room is \"a\""});
    const Explanation bad = ask(runtime, sketch, {Action::message, "say", R"({"text":{"a": 7}})"});
    CHECK(bad.place == "p.route:24:9");
    CHECK(lines(bad) == Lines{"p.route:24:9: field text : string required", "text is `{\"a\":7}`"});
    CHECK(lines(ask(runtime, sketch, {Action::message, "say", "{}"})) ==
          Lines{"p.route:24:9: field text : string required", "text is `not there`"});
    sketch.ip = *dsl::parse_address("10.6.0.7");
    CHECK(lines(connect(runtime, sketch)) ==
          Lines{"p.route:16:5: deny connect if ip in 10.6.0.0/16 then status 451 because \"not from there\"",
                "ip in 10.6.0.0/16: ip is 10.6.0.7"});
    sketch.origin = "https://evil.example";
    const Explanation foreign = connect(runtime, sketch);
    CHECK(foreign.place == "p.route:13:5");
    CHECK(lines(foreign) == Lines{"p.route:13:5: origins = { \"https://app.example.com\" }",
                                  "origin is \"https://evil.example\""});
    CHECK_THAT(text_of(foreign), Contains("ip is 10.6.0.7") && Contains("tls is false"));
    const Runtime safe =
        runtime_of("route r /r { auth = none origins = { none } min_tls = \"1.2\" allow connect }");
    ClientSpec plain = client("{}");
    plain.token = "";
    plain.address = "/r";
    plain.no_origin = true;
    CHECK(lines(connect(safe, plain)) == Lines{"p.route:1:45: min_tls = \"1.2\"", "tls is false"});
}

TEST_CASE("mistakes in tests are told when the policy is compiled") {
    const auto complaint = [](const std::string& test) {
        dsl::Sources sources;
        dsl::Diagnostics diagnostics;
        dsl::load_text("p.route", policy + test, sources, diagnostics);
        (void)dsl::compile(
            sources, [](const std::string&) { return failure("no files"); }, diagnostics);
        return diagnostics.all().empty()
                   ? ""
                   : std::string(diagnostics.all()[0].id) + " " + diagnostics.all()[0].message;
    };
    CHECK(complaint("test \"t\" { as sesion { sub = \"u\" } expect allow connect \"/\" }") ==
          "E002 there is no token `sesion`");
    CHECK(complaint("test \"t\" { as session { sub = 3 } expect allow connect \"/\" }") ==
          "E003 `sub` is a string, not an int");
    CHECK(complaint("test \"t\" { as session { sub = \"u\" rools = {} } expect allow connect \"/\" }") ==
          "E002 `session` has no claim `rools`");
    CHECK(complaint("test \"t\" { as session { } expect allow connect \"/\" }") ==
          "E022 the claim `sub` is required");
    CHECK(complaint("test \"t\" { colour = \"red\" expect allow connect \"/\" }") ==
          "E008 a client has no `colour`");
    CHECK(complaint("test \"t\" { expect allow subscribe \"a\" { x = 1 } }") ==
          "E001 only a message, a publication and what is said to a stream bring data");
    CHECK(complaint("test \"t\" { let blocked = 3 expect allow connect \"/\" }") ==
          "E002 the policy has no `let blocked`");
    CHECK(complaint("let a = \"x\"\ntest \"t\" { let a = 1 let a = 2 expect allow connect \"/\" }") ==
          "E005 `a` is defined twice in this test");
    CHECK(complaint(
              "let a = \"x\"\nroute q /q { auth = none deny connect if host == a }\ntest \"t\" { let a = 1 "
              "expect allow connect \"/\" }") ==
          "E003 with this definition the policy has a mistake: `==` cannot compare these two");
    CHECK(complaint("test \"t\" { }") == "E022 this test expects nothing");
    CHECK(complaint("test \"t\" { expect limit connect \"/\" times 0 }") == "E003 this is from 1 to 10000");
    CHECK(complaint("test \"t\" { expect allow connect \"/\" because \"x\" }") ==
          "E003 what is allowed has no `because`");
}

TEST_CASE("the hash knows meaning: not order, layout, names of let or files") {
    const auto hash = [](const std::string& text, const std::string& name = "p.route") {
        return runtime_of(text, name).policy->hash;
    };
    const std::string head = "route r /r { auth = none allow connect ";
    const std::string base =
        head + "deny connect if ip in 10.0.0.0/8 and not tls deny connect if host == \"x\" }";
    CHECK(hash(base) == hash(base + "\n# words\n"));
    CHECK(hash(base) == hash(base, "other.route"));
    CHECK(hash(base) == hash("let home = 10.0.0.0/8\n" + head +
                             "deny connect if host == \"x\" deny connect if not tls and ip in home }"));
    CHECK(hash(base) == hash(base + "test \"t\" { expect allow connect \"/r\" }"));
    for (const std::string& other : {
             head + "deny connect if ip in 10.0.0.0/9 and not tls deny connect if host == \"x\" }",
             head + "deny connect if ip in 10.0.0.0/8 or not tls deny connect if host == \"x\" }",
             head +
                 "deny connect if ip in 10.0.0.0/8 and not tls because \"b\" deny connect if host == \"x\" }",
             head + "deny connect if ip in 10.0.0.0/8 and not tls deny connect if host == \"x\" idle_timeout "
                    "= 3s }",
             head + "deny connect if ip in 10.0.0.0/8 and not tls deny connect if host == \"x\" join a }",
         }) {
        INFO(other);
        CHECK(hash(base) != hash(other));
    }
}

TEST_CASE("each thing that a message does is part of what its route means") {
    const auto made = [](const std::string& type, const std::string& rest) {
        return runtime_of("route r /r { auth = none allow connect\nmessage " + type + " { allow " + rest +
                          " } }");
    };
    const std::string plain = "subscribe to a unsubscribe from b publish to c reply";
    const Runtime base = made("m", plain);
    const std::vector<std::pair<std::string, std::string>> others{
        {"m", "unsubscribe from b publish to c reply"},
        {"m", "subscribe to a publish to c reply"},
        {"m", "subscribe to a, d unsubscribe from b publish to c reply"},
        {"m", "subscribe to a if tls unsubscribe from b publish to c reply"},
        {"m", "subscribe to b unsubscribe from a publish to c reply"},
        {"m", "subscribe to a unsubscribe from b publish to c as x reply"},
        {"m", "subscribe to a unsubscribe from b publish to c priority low reply"},
        {"m", "subscribe to a unsubscribe from b publish to c reply x"},
        {"m", "subscribe to a unsubscribe from b publish to c reply if tls"},
        {"m", "subscribe to a unsubscribe from b publish to c"},
        {"\"m:*\"", plain},
        {"\"m,n\"", plain}};
    std::set<uint64_t> hashes{base.policy->routes.front()->hash};
    for (const auto& [type, rest] : others) hashes.insert(made(type, rest).policy->routes.front()->hash);
    CHECK(hashes.size() == others.size() + 1);
    CHECK(base.policy->routes.front()->hash == made("\"m\"", plain).policy->routes.front()->hash);
    CHECK(made("m, n", plain).policy->hash != made("\"m,n\"", plain).policy->hash);
    const Runtime other = made("m", R"(publish to c as "x y" priority low reply "done it")");
    CHECK(
        dsl::text_of(dsl::difference(*base.policy, *other.policy)) ==
        "~ route r\n    - message m: publish to c\n    - message m: reply\n    - message m: subscribe to a\n"
        "    - message m: unsubscribe from b\n    + message m: publish to c as \"x y\" priority low\n"
        "    + message m: reply \"done it\"\n");
}

TEST_CASE("diff names what was taken out and what came in, with its line") {
    const Runtime before =
        runtime_of("let a = 3/s\nroute r /r { auth = none allow connect limit connects to a per ip }");
    const Runtime after = runtime_of(
        "route r /r, /s { auth = none\nlimit connects to 4/s per ip\nallow connect }\nroute n /n { auth = "
        "none }");
    CHECK(dsl::difference(*before.policy, *before.policy).empty());
    const std::string text = dsl::text_of(dsl::difference(*before.policy, *after.policy));
    CHECK(text ==
          "+ route n\n    + address /n\n    + auth = none\n    + origins = any\n"
          "~ route r\n    - limit connects to 3/s per ip    # p.route:2:40\n    + address /s\n"
          "    + limit connects to 4/s per ip    # p.route:2:1\n");
}
