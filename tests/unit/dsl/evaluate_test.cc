#include "dsl/policy/evaluate.h"

#include <catch2/catch.hpp>

#include "dsl/compile/compile.h"
#include "dsl/syntax/load.h"

using namespace wayleave;
using namespace wayleave::dsl;

namespace {

std::shared_ptr<const Policy> compiled(const std::string& text) {
    Sources sources;
    Diagnostics diagnostics;
    load_text("p.route", text, sources, diagnostics);
    auto policy = compile(
        sources,
        [](const std::string&) {
            return Result<std::string>(std::string("10.1.0.0/16\n10.0.0.0/8\n192.168.1.1\n"));
        },
        diagnostics);
    INFO(render(diagnostics, sources, false));
    REQUIRE(policy);
    return policy;
}

const std::string token = R"(token session { keys = file "k" from query "t"
claim sub : string required claim n : int required claim roles : set of string required claim vip : bool required
claim height : float required claim born : date required }
let plan_rate = { "free": 2/s, "team": 20/s }
let blocked = file "x" of net
)";

struct World {
    std::shared_ptr<const Policy> policy;
    const Route* route;
    Facts facts;
    std::optional<ChannelName> channel;
    Request request;

    explicit World(const std::string& members)
        : policy(compiled(token +
                          "route r app.example.com/r/:room/:id(int) { auth = session origins = { none } " +
                          members + " }")),
          route(policy->routes[0].get()) {
        facts.ip = *parse_address("10.2.3.4");
        facts.host = "app.example.com";
        facts.path = "/r/lobby/7";
        facts.origin = "https://app.example.com";
        facts.shape = route->shape;
        facts.values = {Value(std::string("lobby")),
                        Value(int64_t{7}),
                        Value(std::string("ann")),
                        Value(int64_t{3}),
                        Value(std::vector<Scalar>{std::string("admin"), std::string("dev")}),
                        Value(true),
                        Value(1.5),
                        Value(*parse_date("2000-02-29"))};
        request.facts = &facts;
        request.connection_age_ms = 5000;
        request.message_type = "a.b";
        request.message_size = 100;
    }

    // The rule's place, or "never", by the program as it is and by what folding leaves; they must agree.
    std::string decide(RootId root) {
        const NodeId plain =
            dsl::decide(route->program, route->program.nodes, route->program.roots[root], request);
        const Residual residual = fold(route->program, early_answers(route->program, request));
        CHECK(dsl::decide(route->program, residual.nodes, residual.roots[root], request) == plain);
        CHECK(residual.nodes.size() <= route->program.nodes.size());
        for (const Node& node : residual.nodes) {
            if (node.atom == case_of_switch) continue;
            const bool many = (node.atom & switch_bit) != 0;
            const Stage stage = many ? route->program.switches[node.atom & ~switch_bit].stage
                                     : route->program.atoms[node.atom].stage;
            CHECK(stage > Stage::identity);
        }
        const size_t rule = plain & ~verdict_bit;
        if (rule < 2) return "never";
        return (route->rules[rule - 2].allow ? "allow " : "deny ") + route->rules[rule - 2].because;
    }
    std::string subscribe(const std::string& name) {
        channel = split_channel(name);
        REQUIRE(channel);
        request.channel = &*channel;
        return decide(route->subscribe);
    }
};

bool holds(const std::string& condition) {
    return World("allow connect if " + condition).decide(0) == "allow ";
}

}  // namespace

TEST_CASE("conditions hold or do not") {
    for (const std::string condition : {
             "user.sub == \"ann\"",
             "user.sub != \"bob\"",
             "not (user.sub == \"bob\")",
             "user.n == 3",
             "user.n < 4",
             "user.n <= 3",
             "user.n > 2",
             "user.n >= 3",
             "4 > user.n",
             "user.vip",
             "user.vip == true",
             "not (user.vip == false)",
             "user.height > 1.4",
             "user.born < 2000-03-01",
             "\"admin\" in user.roles",
             "user.sub in { \"x\", \"ann\" }",
             "user.sub in { room, user.sub }",
             "user.roles overlaps { \"dev\", \"ops\" }",
             "ip == 10.2.3.4",
             "ip in 10.0.0.0/8",
             "ip in { 192.168.0.0/16, 10.2.3.4 }",
             "ip in blocked",
             "subnet in { 10.0.0.0/8 }",
             "subnet == 10.2.3.0/24",
             "host == \"app.example.com\"",
             "path like \"/r/*/7\"",
             "origin like \"https://*\"",
             "room == \"lobby\"",
             "id == 7",
             "not tls",
             "user.n == 3 and (user.vip or tls)",
             "(tls or user.vip) and not tls",
             "1kb < 2kb",
             "tls or true",
             "plan_rate[user.sub] else 1/s == 1/s",
         }) {
        INFO(condition);
        CHECK(holds(condition));
        CHECK_FALSE(holds("not (" + condition + ")"));
    }
    CHECK_FALSE(holds("ip in { 11.0.0.0/8 }"));
    CHECK_FALSE(holds("user.sub in {}"));
    CHECK_FALSE(holds("\"ops\" in user.roles"));
}

TEST_CASE("a deny beats every allow, wherever it stands") {
    CHECK(World("allow connect because \"in\"").decide(0) == "allow in");
    CHECK(World("deny connect because \"out\" allow connect").decide(0) == "deny out");
    CHECK(World("allow connect deny connect because \"out\"").decide(0) == "deny out");
    CHECK(World("allow connect deny connect if tls because \"out\"").decide(0) == "allow ");
    CHECK(World("deny connect if tls").decide(0) == "never");
    CHECK(World("").decide(0) == "never");
    // The first that holds speaks: of two allows, the earlier line.
    CHECK(World("allow connect if tls because \"1\" allow connect because \"2\" allow connect because \"3\"")
              .decide(0) == "allow 2");
}

TEST_CASE("of several denies the earlier stage speaks") {
    World world(
        "allow subscribe on ** deny subscribe on room/* because \"channel\" deny subscribe if user.n == 3 "
        "because \"identity\"");
    CHECK(world.subscribe("room/a") == "deny identity");
}

TEST_CASE("rules on channels") {
    World world(
        "allow subscribe on company/{user.sub}, room/:x if true because \"one\" "
        "allow subscribe on pair/:a/:b if a == b because \"pair\" allow subscribe on tree/** because "
        "\"tree\" "
        "allow subscribe on num/:n(int) because \"num\" allow subscribe on id/{id} because \"id\" "
        "deny subscribe on room/secret because \"secret\"");
    CHECK(world.subscribe("company/ann") == "allow one");
    CHECK(world.subscribe("company/bob") == "never");
    CHECK(world.subscribe("company/ann/x") == "never");
    CHECK(world.subscribe("company") == "never");
    CHECK(world.subscribe("room/a") == "allow one");
    CHECK(world.subscribe("room/secret") == "deny secret");
    CHECK(world.subscribe("pair/a/a") == "allow pair");
    CHECK(world.subscribe("pair/a/b") == "never");
    CHECK(world.subscribe("tree/a/b/c") == "allow tree");
    CHECK(world.subscribe("tree") == "never");
    CHECK(world.subscribe("num/12") == "allow num");
    CHECK(world.subscribe("num/1a") == "never");
    CHECK(world.subscribe("id/7") == "allow id");
    // A claim that is a pattern, or reaches over a slash, matches nothing.
    world.facts.values[2] = Value(std::string("*"));
    CHECK(world.subscribe("company/ann") == "never");
    world.facts.values[2] = Value(std::string("a/b"));
    CHECK(world.subscribe("company/a/b") == "never");
    CHECK(world.subscribe("company/a=2Fb") == "allow one");
}

TEST_CASE("templates of channels") {
    World world(
        "message m { field to : string required field k : int required allow publish to user/{to}/{k}/x }");
    const Pattern& pattern = world.route->messages[0].publish[0].channel;
    std::vector<Value> fields{Value(std::string("bob")), Value(int64_t{-4})};
    world.request.fields = fields;
    std::string out;
    CHECK(build_channel(world.route->program, pattern, world.request, out));
    CHECK(out == "user/bob/-4/x");
    fields[0] = Value(std::string("a/b"));
    CHECK(build_channel(world.route->program, pattern, world.request, out));
    CHECK(out == "user/a=2Fb/-4/x");
    fields[0] = Value(std::string());
    CHECK_FALSE(build_channel(world.route->program, pattern, world.request, out));
    fields[0] = Value(std::string(100, '|'));  // 300 bytes in the name
    CHECK_FALSE(build_channel(world.route->program, pattern, world.request, out));
    fields[0] = Value(std::string(300, 'x'));
    CHECK_FALSE(build_channel(world.route->program, pattern, world.request, out));
}

TEST_CASE("rules share their atoms and nodes") {
    World world(
        "deny connect if user.n == 1 allow connect if user.n == 1 or tls allow subscribe on a if user.n == 1 "
        "allow subscribe on b if 1 == user.n");
    size_t equal = 0;
    for (const Atom& atom : world.route->program.atoms) equal += atom.test == Test::equal ? 1 : 0;
    CHECK(equal == 1);
}

TEST_CASE("message types find their block") {
    World world(
        "message task.update { allow } message task.* { allow } message task.sub.* { allow } message * { "
        "allow }");
    const auto number = [&](std::string_view type) {
        return world.route->message(type) - world.route->messages.data();
    };
    CHECK(number("task.update") == 0);
    CHECK(number("task.delete") == 1);
    CHECK(number("task.sub.x") == 2);
    CHECK(number("task.sub") == 1);
    CHECK(number("task.") == 3);
    CHECK(number("other") == 3);
}

TEST_CASE("facts follow a new policy by name and type") {
    World old("allow connect");
    const auto rebound = [&](const std::string& claims, Facts& facts) {
        const auto next = compiled("token session { keys = file \"k\" from query \"t\" " + claims +
                                   " } route r app.example.com/r/:id(int)/:room { auth = session origins = { "
                                   "none } allow connect }");
        facts = old.facts;
        return rebind(facts, next->routes[0]->shape);
    };
    Facts facts;
    REQUIRE(rebound("claim sub : string required", facts));
    CHECK(facts.values ==
          std::vector<Value>{Value(int64_t{7}), Value(std::string("lobby")), Value(std::string("ann"))});
    CHECK_FALSE(rebound("claim sub : int required", facts));
    // What the token said about it is not known any more: `else` may be a lie.
    CHECK_FALSE(rebound("claim sub : string required claim banned : bool else false", facts));
}

TEST_CASE("an address in a set of nets lies within one of them, also where not all of it is constant") {
    CHECK(holds("subnet in { 10.0.0.0/8, 192.0.2.0/24 }"));
    CHECK(holds("subnet in { 10.0.0.0/8, subnet }"));
    CHECK(World("allow connect if ip in { 192.0.2.0/24, subnet }").decide(0) == "allow ");
    CHECK(World("deny connect if subnet in { 10.0.0.0/8, subnet } allow connect").decide(0) == "deny ");
    CHECK(World("allow connect if not (subnet in { subnet, 10.0.0.0/8 })").decide(0) == "never");
    CHECK_FALSE(holds("ip in { 192.0.2.0/24, 10.2.3.5 }"));
}

TEST_CASE("rules that differ by a constant become the cases of a switch, and the same rule decides") {
    std::string members = "deny connect if user.sub == \"ann\" and user.n == 4 because \"first\"\n";
    for (int i = 0; i < 50; ++i) {
        const std::string n = std::to_string(i);
        members += "deny subscribe on room" + n + "/:p if p == \"x\" or user.n == " + n + " because \"d" + n +
                   "\"\nallow subscribe on room" + n + "/**, {user.sub}/" + n + " because \"" + n + "\"\n";
    }
    members += "allow subscribe on room7/seven because \"late\"\n";
    World world(members + "allow subscribe on */* if channel == \"free/1\" because \"free\"");
    CHECK_FALSE(world.route->program.switches.empty());
    CHECK(world.subscribe("room7/seven") == "allow 7");
    CHECK(world.subscribe("room7/x") == "deny d7");
    CHECK(world.subscribe("room3/seven") == "deny d3");
    CHECK(world.subscribe("room7") == "never");
    CHECK(world.subscribe("room50/a") == "never");
    CHECK(world.subscribe("ann/49") == "allow 49");
    CHECK(world.subscribe("free/1") == "allow free");
    world.facts.values[3] = Value(int64_t{12});
    CHECK(world.subscribe("room3/seven") == "allow 3");
    CHECK(world.subscribe("room12/seven") == "deny d12");
}

TEST_CASE("a switch on what is known at connect is gone for the connection") {
    std::string members;
    for (int i = 0; i < 40; ++i) {
        const std::string n = std::to_string(i);
        members += "allow subscribe on a/" + n + " if user.n == " + n + " because \"" + n + "\"\n";
        members += "allow publish on a/* if user.sub == \"u" + n + "\" because \"" + n + "\"\n";
    }
    World world(members);
    CHECK(world.subscribe("a/3") == "allow 3");
    CHECK(world.subscribe("a/4") == "never");
    const Program& program = world.route->program;
    const AtomBits answers = early_answers(program, world.request);
    CHECK(fold(program, answers).nodes.size() < program.nodes.size() / 10);
    world.facts.values[3] = Value(int64_t{4});
    CHECK(early_answers(program, world.request) != answers);  // no residual is shared by mistake
    CHECK(world.subscribe("a/4") == "allow 4");
}
