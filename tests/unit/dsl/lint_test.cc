#include "dsl/lint/lint.h"

#include <catch2/catch.hpp>

#include "dsl/syntax/load.h"

using namespace wayleave;
using namespace wayleave::dsl;

namespace {

struct Case {
    std::string text;
    std::string expected;
};

const LintSurroundings nothing{std::nullopt, 20'000};
const LintSurroundings loopback{LintSurroundings::Listeners{true, false}, 20'000};
const LintSurroundings behind_proxy{LintSurroundings::Listeners{true, true}, 20'000};
const LintSurroundings open_door{LintSurroundings::Listeners{false, false}, 20'000};

struct Looked {
    Sources sources;
    Diagnostics diagnostics;
    Linted linted;

    explicit Looked(const std::string& text, const LintSurroundings& surroundings = nothing) {
        load_text("p.route", text, sources, diagnostics);
        const FileReader files = [](const std::string&) -> Result<std::string> { return failure("none"); };
        linted = compile_and_lint(sources, files, surroundings, diagnostics);
        diagnostics.sort();
    }
    // "W101 4:5", one a line
    [[nodiscard]] std::string summary() const {
        std::string out;
        for (const Diagnostic& d : diagnostics.all()) {
            const Position at = sources.position(d.primary.span.file, d.primary.span.begin);
            out += std::string(d.id) + " " + std::to_string(at.line) + ":" + std::to_string(at.column) + "\n";
        }
        return out;
    }
};

const std::string token =
    R"(token session { keys = file "k" from header "T" claim sub : string required claim plan : string else "" }
)";

// The members stand on line 5 and have nothing to complain about around them.
std::string in_route(const std::string& members) {
    return token + "route r /r/:room {\nauth = session origins = { none } allow connect\n" +
           "limit connections to 5 per user.sub limit messages to 5/s per user.sub join room/{room}\n" +
           members + "\n}\n";
}

void check_all(const std::vector<Case>& cases, const LintSurroundings& surroundings = nothing) {
    for (const Case& c : cases) {
        INFO(c.text);
        CHECK(Looked(in_route(c.text), surroundings).summary() == c.expected);
    }
}

}  // namespace

TEST_CASE("names that nobody reads", "[lint]") {
    check_all({
        {"let a = 1", "W101 5:5\n"},
        {"let a = b let b = \"x\"", "W101 5:5\n"},  // one at a time: then nobody reads b
        {"let a = \"x\" allow subscribe on s if user.plan == a", ""},
        {"let m = { \"x\": 1/s } limit messages to m[user.plan] else 1/s per user.sub, ip", ""},
        {"let k = \"x\" message a { let l = \"y\" allow if user.plan in { k, l } publish to b }",
         "N508 5:21\n"},
        {"message a { let l = \"y\" allow publish to b }", "N508 5:9\nW101 5:17\n"},
        {"input q : string from query \"q\" else \"\"", "W101 5:7\n"},
        {"input q : string from query \"q\" required", ""},  // it refuses who does not send it
        {"input q : string from query \"q\" else \"x\" join q/{q}", ""},
        {"input q : string from query \"q\" else \"\" join q/{q}", "W118 5:48\n"},
    });
    CHECK(Looked("let a = 1\n" + in_route("let b = tls allow subscribe on s if b")).summary() ==
          "W101 1:5\n");
    const std::string open = " { auth = session origins = { none } ";
    CHECK(Looked(token + "route r /:x/:id(int)/*" + open + "}").summary() == "W114 2:7\nW101 2:10\n");
    CHECK(Looked(token + "route r :x.example.com/a" + open + "join a/{x} }").summary() == "W114 2:7\n");
    // In defaults, a name is read if it is read in any route.
    CHECK(Looked("defaults { input q : string from query \"q\" else \"x\" }\n" + in_route("join q/{q}") +
                 token.substr(0, 0) + "route s /s { auth = session origins = { none } }")
              .summary() == "W114 8:7\n");
}

TEST_CASE("values that are not what they seem", "[lint]") {
    const auto deny = [](const std::string& condition) {
        return "deny connect if " + condition + " because \"n\"";
    };
    check_all({
        {deny("ip in { 10.1.0.0/16, 10.0.0.0/8, 10.2.3.4 }"), "W109 5:25\nW109 5:50\n"},
        {deny("ip in { 10.0.0.0/8, 11.0.0.0/8, ::1 }"), ""},
        {deny("user.plan in { \"a\", \"b\", \"a\" }"), "W109 5:42\n"},
        {"let m = { \"a\": 1/s } limit messages to m[\"b\"] else 2/s per ip", "W110 5:42\n"},
        {"let m = { \"a\": 1/s } limit messages to m[\"a\"] else 2/s per ip", ""},
        {deny("host == \"A.example.com\""), "W112 5:25\n"},
        {deny("\"https://A.b\" != origin"), "W112 5:17\n"},
        {"let hosts = { \"a.b\", \"C.d\" } " + deny("host in hosts"), "W112 5:22\n"},
        {deny("path == \"/A\" and user.plan == \"A\""), ""},
    });
}

TEST_CASE("texts that look like others", "[lint]") {
    const auto because = [](const std::string& text) {
        return "deny connect if tls because \"" + text + "\"";
    };
    check_all({
        {because("p\u0430ypal"), "W113 5:29\n"},
        {because("\u03B1bc"), "W113 5:29\n"},
        {because("\u043F\u0440\u0438\u0432\u0435\u0442 hello \u03B3\u03B5\u03B9\u03AC"),
         ""},  // words of one script each
        {because("Gr\u00FC\u00DFe, na\u00EFve \u4F60\u597D \U0001F600"), ""},
        {because("a\u200Bb"), "W113 5:29\n"},
        {because("a\u202Eb"), "W113 5:31\n"},
        {"# \u2066 in a comment", "W113 5:3\n"},
        {because("it is \\u{202E} by name"), ""},
    });
}

TEST_CASE("secrets in texts", "[lint]") {
    const auto deny = [](const std::string& text) {
        return "deny connect if user.sub == \"" + text + "\" because \"n\"";
    };
    check_all({
        {deny("eyJhbGciOiJIUzI1NiJ9.e30.c2ln"), "W308 5:29\n"},
        {deny("Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MGFiY2RlZg"), "W308 5:29\n"},
        {deny("-----BEGIN PRIVATE KEY-----"), "W308 5:29\n"},
        {deny("https://app.example.com/a/very/long/address/that/is/no/secret"), ""},
        {deny("the-quick-brown-fox-jumps-over-the-lazy-dog-again"), ""},
        {deny("123e4567-e89b-12d3-a456-426614174000"), ""},
        {deny("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), ""},  // a hash is public
    });
}

TEST_CASE("limits that limit nothing", "[lint]") {
    check_all({
        {"limit messages to 9/s per connection", "W203 5:1\n"},
        {"limit messages to 4/s per connection", ""},
        {"limit messages to 5/s per user.sub", "W203 5:1\n"},      // twice the same: the later
        {"limit messages to 500/m per connection", "W203 5:1\n"},  // 8.3/s
        {"limit messages to 200/m per connection", ""},            // 3.3/s
        {"limit messages to 9/s per ip", ""},                      // two users may share an ip
        {"limit messages to 9/s per user.sub if tls", ""},         // cannot be compared
        {"limit messages to 9/s per user.sub burst 3", "W203 5:42\n"},
        {"message a { allow publish to b limit messages to 9/s per connection }", "N508 5:9\nW203 5:32\n"},
        {"message a { allow publish to b limit messages to 1/s per connection }", "N508 5:9\n"},
        {"limit connects to 60/m per ip burst 2 limit connects to 1/s per subnet", "W203 5:1\n"},
        {"limit connects to 20/m per ip burst 2", ""},
    });
}

TEST_CASE("what is not limited", "[lint]") {
    const auto route = [](const std::string& members) {
        return token + "route r /r {\nauth = session origins = { none }\n" + members + "\n}\n";
    };
    const std::vector<Case> cases{
        {"allow connect", "W202 2:7\n"},
        {"allow publish on a", "W114 2:7\nW201 2:7\n"},
        {"allow connect limit connections to 3 per user.sub message a { allow publish to b }",
         "W201 2:7\nN508 4:59\n"},
        {"allow connect limit connections to 3 per user.sub message a { allow publish to b limit messages to "
         "1/s per ip }",
         "N508 4:59\n"},
        {"allow connect limit connections to 3 per user.sub allow subscribe on a", ""},
    };
    for (const Case& c : cases) {
        INFO(c.text);
        CHECK(Looked(route(c.text)).summary() == c.expected);
    }
}

TEST_CASE("keys that the client makes up", "[lint]") {
    const auto route = [](const std::string& address, const std::string& members) {
        return token + "route r " + address + " {\nauth = session origins = { none } allow connect\n" +
               members + "\n}\n";
    };
    const auto told = [&](const std::string& address, const std::string& members) {
        return Looked(route(address, members)).summary();
    };
    CHECK(told("/:a", "limit connections to 3 per a") == "W204 4:28\n");
    CHECK(told("/:a", "limit connections to 3 per a, user.sub") == "W204 4:28\n");
    CHECK(told("/:a", "limit connections to 3 per a limit connections to 9 per ip").empty());
    CHECK(told("/a", "limit connections to 3 per host") == "W204 4:28\n");
    CHECK(told("x.example.com/a", "limit connections to 3 per host").empty());
    CHECK(told("/a",
               "limit connections to 3 per ip message a { field f : string required allow publish to b limit "
               "messages to 1/s per f }") == "N508 4:39\nW204 4:114\n");
}

TEST_CASE("what depends on the listeners", "[lint]") {
    const std::string per_ip = in_route("limit connects to 9/s per ip");
    CHECK(Looked(per_ip).summary().empty());
    CHECK(Looked(per_ip, loopback).summary() == "W207 5:27\n");
    CHECK(Looked(per_ip, behind_proxy).summary().empty());
    CHECK(Looked(per_ip, open_door).summary().empty());
    CHECK(Looked(in_route("detail = true"), open_door).summary() == "W309 5:1\n");
    CHECK(Looked(in_route("detail = true"), loopback).summary().empty());
    CHECK(looked_for("W201", nothing));
    CHECK_FALSE(looked_for("W207", nothing));
    CHECK(looked_for("W207", loopback));
    CHECK(looked_for("W107", loopback));
    CHECK_FALSE(looked_for("W401", loopback));
    CHECK_FALSE(looked_for("N501", loopback));
}

TEST_CASE("sizes and times", "[lint]") {
    check_all({
        {"max_message = 1mb", ""},
        {"max_message = 2mb", "W205 5:1\n"},
        {"idle_timeout = 0s", "W206 5:1\n"},
        {"idle_timeout = 25s", "W208 5:1\n"},
        {"ping_every = 2m", "W208 5:1\n"},
        {"ping_every = 0s", ""},
    });
}

TEST_CASE("rules that permit too much or nothing", "[lint]") {
    check_all({
        {"allow subscribe", "W306 5:7\n"},
        {"allow subscribe on a/b, **", "W306 5:7\n"},
        {"allow subscribe on ** if user.plan == \"x\"", ""},
        {"allow publish", "W313 5:7\n"},
        {"deny subscribe on a", "W107 5:1\nW402 5:1\n"},
        {"deny subscribe on a because \"x\" message m { allow subscribe to a }", ""},
        {"deny subscribe on a because \"x\" message m { allow unsubscribe from a }", "W107 5:1\n"},
        {"message \"p\u0430y\" { allow reply \"p\u0430y\" }", "W113 5:9\nW113 5:29\n"},
        {"message a { allow deny if tls publish to b }", "N508 5:9\nW402 5:19\n"},
        {"message a { allow }", "W115 5:9\n"},
        {"allow publish on a/* deny publish if tls because \"n\" message b { allow publish to a/b }",
         "W116 5:27\nN508 5:62\n"},
        {"allow publish on a/* deny publish, message if tls because \"n\" message b { allow publish to a/b }",
         "N508 5:71\n"},
        {"allow publish on a/* deny publish if tls because \"n\" message b { allow deny if tls because \"n\" "
         "publish to a }",
         "N508 5:62\n"},
    });
}

TEST_CASE("a published message that says nothing of its sender", "[lint]") {
    check_all({
        {"message a.b, c { allow publish to b }", "N508 5:9\n"},
        {"message a.* { allow publish to b/{user.sub}, b/{user.plan} }", "N508 5:9\n"},
        {"message a { allow publish to b/{user.sub}/x }", ""},
        {"message a { allow set from = user.sub publish to b }", ""},
        {"message a { allow set from = user.plan publish to b }", ""},
        {"message a { allow set from = \"x\" publish to b }", "N508 5:9\n"},
        {"message a { field from : string required allow deny if from != user.plan because \"n\" publish to "
         "b }",
         ""},
        {"message a { field from : string required allow if from == user.sub publish to b }", ""},
        {"message a { field team : string required allow if team == user.plan publish to b }",
         "N508 5:9\nW108 5:42\n"},
    });
    // Where nobody is known, nobody can be named.
    CHECK(Looked("route r /r { auth = none message a { allow publish to b } }").summary().find("N508") ==
          std::string::npos);
}

TEST_CASE("acknowledgements need clients that send them", "[lint]") {
    const std::string rest =
        "# lint: ignore W403 because \"public\"\nroute r /r { auth = none allow connect limit "
        "connections to 2 per ip }";
    CHECK(Looked("channel a { history = 5 keep = 1h acks = user }\n" + rest).summary() == "N509 1:35\n");
    CHECK(Looked("channel a { history = 5 keep = 1h acks = none }\n" + rest).summary().empty());
}

TEST_CASE("origins, refusals and public routes", "[lint]") {
    check_all({
        {"errors { slow = status 503 }", "W117 5:17\n"},
        {"errors { limited = close 4429 }", ""},
        {"errors { limited = status 503 }", ""},
        {"errors { limited = error \"x\" slow = close 4408 bad_message = close 4000 }", ""},
        {"errors { limited = close 4429 limited = status 420 }", ""},
        {"allow subscribe on a deny connect, subscribe if tls then close 4000 because \"n\"", "N505 5:58\n"},
    });
    const auto origins = [](const std::string& set) {
        return Looked(token + "route r /r { auth = session origins = { " + set +
                      " } allow connect limit connections to 1 per ip }")
            .summary();
    };
    CHECK(origins("\"https://a.b\", \"http://a.b\"") == "W302 2:56\n");
    CHECK(origins("\"https://localhost:1\", \"http://localhost:1\"").empty());
    CHECK(origins("\"http://a.b\"").empty());
    CHECK(Looked("route r /r { auth = none allow connect limit connections to 1 per ip limit messages to 1/s "
                 "per ip\n"
                 "allow publish on a\nmessage b { allow publish to c } }")
              .summary() == "W403 1:7\nW307 2:7\nW307 3:19\n");
}

TEST_CASE("what reaches many routes is told once", "[lint]") {
    CHECK(
        Looked(
            token +
            R"(defaults { deny connect if tls allow subscribe max_message = 8mb limit messages to 9/s per ip burst 2 }
policy p { errors { limited = close 4000 } }
route a /a { auth = session origins = { none } use p allow connect limit connections to 1 per ip }
route b /b { auth = session origins = { none } use p allow connect limit connections to 1 per ip })")
            .summary() == "W402 2:12\nW306 2:38\nW205 2:48\nW203 2:101\n");
}

TEST_CASE("addresses that overlap", "[lint]") {
    const std::string open =
        " { auth = session origins = { none } allow connect limit connections to 1 per ip }\n";
    const Looked looked(token + "route all /ws/**" + open + "route chat /ws/chat" + open + "route id /ws/*" +
                        open);
    CHECK(looked.summary() == "N502 2:11\nN502 4:10\n");
    CHECK(looked.diagnostics.all()[0].message == "`/ws/chat` goes to the route `chat`, not to this one");
    CHECK(looked.diagnostics.all()[0].primary.text == "the narrower address wins, and 1 more are narrower");
    CHECK(Looked(token + "route all a.b/**" + open + "route chat /ws/chat" + open).summary().empty());
}

TEST_CASE("aliases that nobody reaches", "[lint]") {
    const auto dead = [](const std::string& routes) {
        const std::string all =
            Looked(routes + "\nroute old /old { auth = none alias /a/** until 2999-12-31 }").summary();
        return all.find("W106") != std::string::npos;
    };
    const std::string rest = " { auth = none }\n";
    CHECK_FALSE(dead(""));
    CHECK_FALSE(dead("route r /a/*" + rest));
    CHECK_FALSE(dead("route r /a/*, /a/*/**" + rest));  // a slash at the end is another address
    CHECK(dead("route r /a/*, /a/*/, /a/*/**" + rest));
    CHECK(dead("route r /a/*, /a/*/, /a/*/*, /a/*/*/, /a/*/*/**" + rest));
    CHECK_FALSE(dead("route r /a/:x(slug), /a/:y(slug)/, /a/*/**" + rest));
    CHECK_FALSE(dead("route r h.example/a/*, h.example/a/*/, h.example/a/*/**" + rest));
}

TEST_CASE("what no test reaches", "[lint]") {
    LintSurroundings tested = nothing;
    tested.coverage = [](const Policy&) { return TestCoverage{{"r"}, {"p.route:2:1", "p.route:4:13"}}; };
    const std::string rules =
        "route r /r { auth = none\nallow connect\ndeny connect if tls because \"n\"\n"
        "message m { allow deny if tls because \"n\" publish to a } }\nroute s /s { auth = none }\n";
    const auto untested = [&](const std::string& text) {
        Looked looked(text, tested);
        std::string out;
        for (const Diagnostic& one : looked.diagnostics.all()) {
            if (one.id == "W401") out += looked.sources.place(one.primary.span) + "\n";
        }
        return out;
    };
    CHECK(untested(rules).empty());  // who writes no tests knows it
    CHECK(untested(rules + "test \"t\" { expect allow connect \"/r\" }") ==
          "p.route:3:1\np.route:4:19\np.route:5:7\n");
    CHECK(looked_for("W401", tested));
}

TEST_CASE("a file that is not in the one style", "[lint]") {
    LintSurroundings styled = nothing;
    styled.style = true;
    const std::string good = "route r /r {\n    auth = none\n    allow connect\n}\n";
    CHECK(Looked(good, styled).summary().find("N501") == std::string::npos);
    CHECK(Looked("# a\n" + good + "\n\n", styled).summary().find("N501 6:1") != std::string::npos);
    CHECK(Looked("route r /r {\n    auth= none\n    allow connect\n}\n", styled).summary().find("N501 2:9") !=
          std::string::npos);
    CHECK(Looked("# lint: ignore N501 because \"old\"\nroute r /r {\n    auth= none\n}\n", styled)
              .summary()
              .find("N50") == std::string::npos);
}

TEST_CASE("what decides at a backend on another machine is signed, whoever asks it") {
    const auto policy = [](const std::string& sign, const std::string& url, const std::string& more) {
        return "backend app { url = \"" + url + "\" " + sign + "}\n" + more;
    };
    const std::string asks =
        "route r /r { auth = none allow connect limit connections to 5 per ip limit messages to 5/s per ip\n"
        "origins = { none } allow subscribe on room/:room by app \"/rooms/{room}\" }\n";
    const std::string checks =
        "token t { check = app \"/whoami\" from cookie \"c\" claim sub : string required }\n"
        "route r /r { auth = t allow connect limit connections to 5 per user.sub\n"
        "origins = { \"https://example.com\" } }\n";
    for (const std::string& more : {asks, checks}) {
        INFO(more);
        const auto warned = [&](const std::string& text) {
            return Looked(text).summary().find("W318 1:9") != std::string::npos;
        };
        CHECK(warned(policy("", "https://app.example.com", more)));
        CHECK_FALSE(warned(policy("", "http://127.0.0.1:8000", more)));
        CHECK_FALSE(warned(policy("", "unix:/run/app.sock", more)));
        CHECK_FALSE(warned(policy("sign = file \"k\" ", "https://app.example.com", more)));
    }
}
