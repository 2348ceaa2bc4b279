#include "dsl/compile/compile.h"

#include <catch2/catch.hpp>

#include "dsl/syntax/load.h"

using namespace wayleave;
using namespace wayleave::dsl;

namespace {

struct Compiled {
    Sources sources;
    Diagnostics diagnostics;
    std::shared_ptr<const Policy> policy;

    explicit Compiled(const std::string& text) {
        load_text("p.route", text, sources, diagnostics);
        policy = compile(
            sources,
            [](const std::string& path) -> Result<std::string> {
                if (path == "nets") return std::string("10.0.0.0/8   # ours\n\n192.168.1.1\n");
                if (path == "broken") return std::string("10.0.0.0/8\nhello\n");
                if (path == "bits") return std::string("10.0.0.1/8\n300.0.0.1\n10.0.0.0/8\n");
                if (path == "doubled") return std::string("10.0.0.0/8\n# ours\n10.0.0.0/8\n");
                if (path == "empty") return std::string("# none yet\n");
                return failure("No such file or directory");
            },
            diagnostics);
    }
    // "E002 7:12 there is no `usr`", one a line
    std::string summary() {
        diagnostics.sort();
        std::string out;
        for (const Diagnostic& d : diagnostics.all()) {
            const Position at = sources.position(d.primary.span.file, d.primary.span.begin);
            out += std::string(d.id) + " " + std::to_string(at.line) + ":" + std::to_string(at.column) + " " +
                   d.message + "\n";
        }
        return out;
    }
};

const std::string token =
    R"(token session { keys = file "k" from cookie "t" claim sub : string required claim n : int else 0 claim roles : set of string else {} }
)";

// The members stand on line 4.
std::string in_route(const std::string& members) {
    return token + "route r /r/:room/:id(int) {\nauth = session origins = { none }\n" + members + "\n}\n";
}

struct Case {
    std::string text;
    std::string expected;
};

}  // namespace

TEST_CASE("good policies compile without a word") {
    for (const std::string members : {
             "allow connect",
             "allow connect if user.sub == \"a\" and (user.n < 3 or not tls)",
             "allow connect if ip in 10.0.0.0/8 or ip in { 10.0.0.1, 192.168.0.0/16 } or subnet in { "
             "10.0.0.0/8 }",
             "allow connect if ip in blocked let blocked = file \"nets\" of net",
             "let staff = { \"a\", \"b\" } allow connect if staff overlaps user.roles and \"x\" in "
             "user.roles",
             "let grown = user.n > 17 allow connect if grown and room like \"a*\"",
             "let m = { \"a\": 1, \"b\": 2 } allow connect if m[user.sub] else 0 == 1",
             "allow subscribe on room/:x, other/{user.sub}/** if connection.age > 3s",
             "allow publish on room/* if message.size < 1kb",
             "limit bytes to 3kb/s per ip burst 4kb",
             "limit bytes to 3kb/s per ip burst 4096",
             "limit messages to 3/s per connection, user.sub burst 10 limit connects to 5/m per subnet limit "
             "connections to 2 per user.sub",
             "message a.b, c.* { field x : int in { 1, 2 } required field y : list of string else {} strict "
             "= true allow if x == 1 publish to room/{x} if user.n > 1 }",
             "deny message if user.n == 3 message a { allow }",
             "input env : string from query \"env\" else \"prod\" allow connect if env == \"prod\"",
             "errors { forbidden = error \"no\" limited = close 4429 unauthenticated = status 404 slow = "
             "drop }",
             "join user/{user.sub}, room/{room}/{id} if user.n > 0",
             "max_message = 4kb idle_timeout = 10s ping_every = 5s max_fragments = 5 detail = true "
             "subprotocols = { \"x\" }",
             "allow connect if user.sub in { room, \"x\" }",
         }) {
        Compiled made(in_route(members));
        INFO(members);
        CHECK(made.summary() == "");
        CHECK(made.policy);
    }
}

TEST_CASE("each mistake has its place and its words") {
    const std::vector<Case> cases{
        {"allow connect if usr.sub == \"a\"", "E002 4:18 there is no `usr.sub`\n"},
        {"allow connect if user.sbu == \"a\"", "E002 4:18 there is no `user.sbu`\n"},
        {"allow connect if channel == \"a\"", "E004 4:18 `channel` is not known at connect\n"},
        {"allow connect if message.size > 3b", "E004 4:18 `message.size` is not known at connect\n"},
        {"allow subscribe on a if message.size > 3b", "E004 4:25 `message.size` is not known at subscribe\n"},
        {"allow publish on a if message.size > 30s", "E003 4:36 `>` cannot compare these two\n"},
        {"allow connect if user.n == \"3\"", "E003 4:25 `==` cannot compare these two\n"},
        {"allow connect if user.sub", "E003 4:18 a condition is needed here, but this is a string\n"},
        {"allow connect if user.sub < \"b\"", "E003 4:27 `<` cannot compare these two\n"},
        {"allow connect if ip == 10.0.0.0/8", "E003 4:21 `==` cannot compare these two\n"},
        {"allow connect if user.sub in \"abc\"", "E003 4:27 `in` cannot compare these two\n"},
        {"allow connect if user.roles == \"a\"", "E003 4:29 `==` cannot compare these two\n"},
        {"let a = b let b = a allow connect if a == 1", "E010 4:5 `a` is defined by itself\n"},
        {"let ip = 3", ""},  // replaced below
        {"auth = session", "E020 4:1 `auth` is set twice\n"},
        {"max_mesage = 4kb", "E008 4:1 there is no setting `max_mesage` here\n"},
        {"max_message = 4s", "E003 4:15 `max_message` is a size, such as 64kb\n"},
        {"max_message = 1mb idle_timeout = 100d", "E003 4:34 `idle_timeout` is from 0s to 86400s\n"},
        {"allow disconnect", "E001 4:7 `disconnect` belongs to an `api`\n"},
        {"limit messages to 3 per ip", "E003 4:19 this is limited to a rate, such as 20/s\n"},
        {"limit connections to 3/s per ip", "E003 4:22 connections are limited to a number\n"},
        {"limit connections to 0 per ip", "E003 4:22 a limit lets at least one pass\n"},
        {"limit messages to 3/s per user.roles",
         "E003 4:27 a limit counts per single value, this is a set of string\n"},
        {"limit connects to 3/s per connection", "E004 4:27 `connection` is not known at a handshake\n"},
        {"deny publish on a then status 403",
         "E019 4:24 the handshake is over: there is no status to send\n"},
        {"deny connect then close 4000", "E019 4:19 there is no connection yet that could be closed\n"},
        {"allow connect then drop", "E019 4:20 `then` says how to refuse, and this rule allows\n"},
        {"deny connect then status 700", "E014 4:19 a refusal's status is from 400 to 599\n"},
        {"deny publish on a then close 1005",
         "E014 4:24 a close code is 1000-1003, 1007-1014 or 3000-4999\n"},
        {"message a { publish to b }", "E023 4:9 no `allow` lets this message pass\n"},
        {"message a { allow } message a { allow }", "E005 4:29 the message `a` is described twice\n"},
        {"message a { field x : rate required allow }", "E003 4:23 a field cannot be a rate\n"},
        {"message a { field x : int else \"a\" allow }",
         "E003 4:32 the value after `else` is a string, not an int\n"},
        {"message a { field channel : string required allow }",
         "E005 4:19 `channel` means something else already\n"},
        {"message a { field room : string required allow }",
         "E005 4:19 `room` means something else already\n"},
        {"message a { field x : string in { 1 } required allow }",
         "E003 4:33 the values of `x` are a set of string\n"},
        {"message a { allow publish to room/{y} }", "E002 4:36 there is no `y`\n"},
        {"message a { allow publish to room/* }",
         "E001 4:35 one channel is named here, so it has no wildcard\n"},
        {"message a { allow publish to room/{user.roles} }",
         "E003 4:35 a segment is a string or an int, this is a set of string\n"},
        {"message a { set from = user.subb allow }", "E002 4:24 there is no `user.subb`\n"},
        {"message a { set type = \"b\" allow }", "E003 4:17 `type` cannot be set\n"},
        {"message a { set \"$id\" = 1 allow }", "E003 4:17 `$id` cannot be set\n"},
        {"message a { set \"\" = 1 allow }", "E003 4:17 `` cannot be set\n"},
        {"message a { set f = 1 set f = 2 allow }", "E020 4:27 `f` is set twice\n"},
        {"message a { set f = tls == true allow }",
         "E003 4:21 a value is needed here, and this is a condition\n"},
        {"message a { set f = { user.sub, \"b\" } allow }",
         "E003 4:21 a set of values that are not known yet cannot be set\n"},
        {"message a { let m = { \"a\": 1 } set f = m allow }", "E003 4:40 a map cannot be set\n"},
        {"message a { field f : int as \"user.id\" required set user = user.sub allow }",
         "E029 4:53 `user` is the server's word, and a field reads the client's\n"},
        {"message a { set f = channel allow }", "E004 4:21 `channel` is not known at a message\n"},
        {"join room/:x", "E001 4:11 one channel is named here, so it has no wildcard\n"},
        {"join room/{channel}", "E004 4:12 `channel` is not known at connect\n"},
        {"allow subscribe on room/:room", "E005 4:25 `room` means something else already\n"},
        {"allow subscribe on room/:x(foo)", "E002 4:28 a capture cannot be `foo`\n"},
        {"use nothing", "E002 4:5 there is no policy `nothing`\n"},
        {"errors { forbiden = drop }", "E008 4:10 there is no reason `forbiden`\n"},
        {"errors { forbidden = 3 }", "E003 4:22 this is no outcome\n"},
        {"dialect = \"echo\" message a { allow }",
         "E024 2:7 an echo route sends everything back: it has no messages and no channels\n"},
        {"let x = file \"nowhere\" of net allow connect if ip in x",
         "E013 4:14 cannot read nowhere: No such file or directory\n"},
        {"let x = file \"broken\" of net allow connect if ip in x",
         "E013 4:14 broken:2: `hello` is no net\n"},
        {"let x = file \"bits\" of net allow connect if ip in x",
         "E013 4:14 bits:1: `10.0.0.1/8` has bits set behind its length\n"
         "E013 4:14 bits:2: `300.0.0.1` is no net\n"},
        {"let x = file \"doubled\" of net allow connect if ip in x",
         "W109 4:14 doubled:3: this is in the list already, in line 1\n"},
        {"let x = file \"empty\" of net allow connect if ip in x", "W109 4:14 empty holds no value\n"},
        {"limit messages to 3/s per ip burst 4kb", "E003 4:36 a burst is a number of at least 1\n"},
        {"limit bytes to 3kb/s per ip burst 4s",
         "E003 4:35 a burst of bytes is a size such as 4kb, or a number of at least 1\n"},
        {"let m = { \"a\": 1, \"a\": 2 } allow connect if m[user.sub] else 0 == 1",
         "E005 4:9 the key \"a\" stands twice\n"},
        {"let m = { \"a\": 1 } allow connect if m[user.n] else 0 == 1",
         "E003 4:39 the keys of `m` are of type string, this is an int\n"},
        {"allow connect if user.sub like \"abc\"", "W111 4:32 a `like` without `*` is an equality\n"},
    };
    for (const Case& c : cases) {
        if (c.expected.empty()) continue;
        INFO(c.text);
        CHECK(Compiled(in_route(c.text)).summary() == c.expected);
    }
}

TEST_CASE("what the server says in a message") {
    Compiled made(
        in_route("message a { field to : string required set from = user.sub set \"sentAt\" = ip set n = "
                 "{ 1, 2 } set back = to allow publish to b }"));
    CHECK(made.summary() == "");
    const Message& message = *made.policy->routes.front()->message("a");
    REQUIRE(message.stamps.size() == 4);
    CHECK(message.stamps[0].member == "from");
    CHECK(message.stamps[1].member == "sentAt");
    CHECK(message.stamps[2].type == Type{Kind::integer, Shape::set});
    CHECK(
        Compiled("token s { keys = file \"k\" from header \"A\" claim sub : string required claim pin : int "
                 "required secret } route r /r { auth = s origins = { none } message a { set p = user.pin "
                 "allow } }")
            .summary() == "E028 1:166 this would show a secret to all who read the message\n");
}

TEST_CASE("what a message does for its sender") {
    Compiled made(in_route(
        "message \"room:join\", x { field hall : string required allow\n"
        "subscribe to room/{hall}, lobby if message.size < 1kb\nunsubscribe from room/old\n"
        "publish to room/{hall} except self as \"user joined\" priority low\nreply reply \"it's done\" }"));
    CHECK(made.summary() == "");
    const Message& message = *made.policy->routes.front()->message("room:join");
    CHECK(&message == made.policy->routes.front()->message("x"));
    CHECK(message.subscribes.size() == 2);
    CHECK(message.unsubscribes.size() == 1);
    CHECK(message.publish[0].type == "user joined");
    CHECK(message.publish[0].lane == Lane::low);
    REQUIRE(message.replies.size() == 2);
    CHECK(message.replies[0].type.empty());
    CHECK(message.replies[1].type == "it's done");
}

TEST_CASE("what a message cannot do for its sender") {
    for (const Case& c : {
             Case{"message a { allow subscribe to room/* }",
                  "E001 4:37 one channel is named here, so it has no wildcard\n"},
             Case{"message a { allow unsubscribe from room/:x }",
                  "E001 4:41 one channel is named here, so it has no wildcard\n"},
             Case{"message a { allow subscribe to room/{usr.sub} }", "E002 4:38 there is no `usr.sub`\n"},
             Case{"message a { allow subscribe to b if channel == \"x\" }",
                  "E004 4:37 `channel` is not known at a message\n"},
             Case{"message a { allow subscribe to b, b }",
                  "E020 4:35 `b` is named twice for the sender of this message\n"},
             Case{"message a { allow subscribe to b unsubscribe from b }",
                  "E020 4:51 `b` is named twice for the sender of this message\n"},
             Case{"message a { allow subscribe to b if tls unsubscribe from b if not tls }", ""},
             Case{"message a { allow subscribe room }", "E001 4:19 a rule inside `message` has no action\n"},
             Case{"message a { allow unsubscribe to room }",
                  "E001 4:31 expected `from` and a channel, found `to`\n"},
             Case{"subscribe to room", "E001 4:1 `subscribe` has no place here\n"},
             Case{"message a { allow reply b reply b }", "E020 4:27 this reply is sent twice\n"},
             Case{"message a { allow reply reply }", "E020 4:25 this reply is sent twice\n"},
             Case{"message a { allow reply b.* }", "E001 4:25 a reply has one type\n"},
             Case{"message a { allow reply \"b:*\" }", "E001 4:25 a reply has one type\n"},
             Case{"message a { allow reply \"$ok\" }", "E003 4:25 this cannot be the type of a message\n"},
             Case{"message a { allow publish to b as * }", "E001 4:35 what is published has one type\n"},
             Case{"message a { allow publish to b as \"$x\" }",
                  "E003 4:35 this cannot be the type of a message\n"},
             Case{"message \"$a\" { allow publish to b }", "E003 4:9 this cannot be the type of a message\n"},
             Case{"message \"\" { allow publish to b }", "E003 4:9 this cannot be the type of a message\n"},
             Case{"message \"" + std::string(129, 'x') + "\" { allow publish to b }",
                  "E003 4:9 this cannot be the type of a message\n"},
             Case{"message \"a*\" { allow publish to b }", "E003 4:9 this names no types below another\n"},
             Case{"message a, \"a\" { allow publish to b }",
                  "E005 4:12 the message `a` is described twice\n"},
             Case{"message \"a:*\" { allow publish to b } message \"a:*\" { allow publish to b }",
                  "E005 4:46 the message `a:*` is described twice\n"},
         }) {
        INFO(c.text);
        CHECK(Compiled(in_route(c.text)).summary() == c.expected);
    }
}

TEST_CASE("a definition that nobody reads is checked") {
    const std::vector<Case> cases{
        {"let x = message.size > 30s", "E003 4:22 `>` cannot compare these two\n"},
        {"let x = { 1, \"a\" }", "E003 4:14 this is a string in a set of int\n"},
        {"let x = file \"broken\" of net", "E013 4:14 broken:2: `hello` is no net\n"},
        {"let x = id == \"a\"", "E003 4:12 `==` cannot compare these two\n"},
        {"let x = user.sub in user.n", "E003 4:18 `in` cannot compare these two\n"},
        {"message m { let y = tls == 1 allow }", "E003 4:25 `==` cannot compare these two\n"},
        // What another one may know, as a capture of a channel, is no mistake here.
        {"let x = owner == user.sub let y = file \"nets\" of net", ""},
        // Read and wrong: told once.
        {"let x = user.n == \"3\" allow connect if x", "E003 4:16 `==` cannot compare these two\n"},
    };
    for (const Case& c : cases) {
        INFO(c.text);
        CHECK(Compiled(in_route(c.text)).summary() == c.expected);
    }
    CHECK(Compiled("let x = ip == \"a\"").summary() == "E003 1:12 `==` cannot compare these two\n");
    // What is an int here and a string there is known to nobody else.
    CHECK(Compiled("let x = id == 3\nroute a /a/:id(int) { auth = none }\nroute b /b/:id { auth = none }")
              .summary()
              .empty());
}

// Of every kind, in one file: all are told, and nothing that follows from them.
TEST_CASE("mistakes of the syntax hide no others") {
    CHECK(Compiled(R"(let office = { 10.0.0.0/8, 192.168.0.0/16
let rate = 5 / s
token session {
    keys = file "k"
    from header "Authorization"
    claim sub : string required
    claim plan string required
}
channel cursor/* { conflate = 50ms }
channel user/:id { history = 3 keep = }
backend app { url = "127.0.0.1" }
route chat app.example.com/ws?x {
    auth = session
    origins = { "https://app.example.com" }
    max_mesage = 4kb
    alow connect
    deny connect if not (ip in office) because "not from there"
    deny connect if user.plan = "free"
    allow subscribe on room/:room if user.plan == "team" and user.sub == 3
    limit messages to rate per user.sub
    join user/:user.sub
    message say {
        field text string required
        allow if text != "spam" && true
        publish to room/{rom}
    }
    errors { forbiden = drop }
}
test "t" at "app.example.com/ws" {
    as session { sub = "1"  plan = "team" }
    expect allow connect
    expect allow subscribe "room/a"
    as sesion { }
    expect deny message "say" { text = "spam" }
}
)")
              .summary() == R"(E001 1:42 expected `,` or `}`
E001 2:12 a number and its unit stand together
E001 7:16 expected `:` and a type, found `string`
E027 9:20 `conflate` needs `key = required` or `key = none` beside it
E001 10:39 expected a value after `=`, found `}`
E003 11:15 `127.0.0.1` is not the address of a server
E001 12:30 an address has no query
E008 15:5 there is no setting `max_mesage` here
E001 16:5 there is no statement `alow`
E001 18:31 `=` gives a value to a setting
E003 19:71 `==` cannot compare these two
E001 21:20 `:name` catches a segment; a value is inserted otherwise
E001 23:20 expected `:` and a type, found `string`
E001 24:33 `&&` is no operator
E002 25:26 there is no `rom`
E008 27:14 there is no reason `forbiden`
E001 31:25 expected the channel, address, message type or stream in quotes
E002 33:8 there is no token `sesion`
)");
}

// One mistake of the syntax in what is otherwise good.
TEST_CASE("nothing follows from a mistake of the syntax") {
    const std::string good =
        "token t { keys = file \"k\" from header \"A\" claim sub : string required\n"
        " claim roles : set of string else {}\n"
        "}\n"
        "let staff = { \"x\" }\n"
        "policy p { limit connects to 1/s per ip }\n"
        "defaults { origins = { none } }\n"
        "route r /r/:room {\n"
        " auth = t\n"
        " use p\n"
        " let mods = \"mods\" in user.roles\n"
        " allow connect if not (user.sub in staff)\n"
        " message a {\n"
        "  field f : string required\n"
        "  allow if mods and f != room\n"
        "  publish to b/{f}\n"
        " }\n"
        " message c { allow if mods publish to b }\n"
        "}\n"
        "test \"t\" at \"/r/x\" {\n"
        " as t { sub = \"1\" roles = { \"mods\" } }\n"
        " expect allow message \"a\" { f = \"x\" }\n"
        "}\n";
    REQUIRE(Compiled(good).summary().empty());
    const std::vector<std::pair<std::string, std::string>> mistakes{
        {"token t {", "token {"},
        {"token t {", "tokn t {"},
        {"token t {", "token t {;"},
        {"claim roles :", "claim roles"},
        {"claim roles :", "roles :"},
        {"let staff =", "let staff"},
        {"let staff =", "let ="},
        {"policy p {", "policy {"},
        {"policy p {", "polcy p {"},
        {"defaults {", "default {"},
        {"origins = {", "origins {"},
        {"route r /r/:room {", "route r /r/:room? {"},
        {"route r /r/:room {", "rute r /r/:room {"},
        {"auth = t\n", "auth = \n"},
        {"auth = t\n", "= t\n"},
        {"use p", "use"},
        {"let mods =", "let mods == "},
        {"allow connect if", "allow conect if"},
        {"message a {", "mesage a {"},
        {"message a {", "a {"},
        {"message a {", "message {"},
        {"field f :", "field f"},
        {"allow if mods and f", "allow if mods && f"},
        {"allow if mods publish", "alow if mods publish"},
        {"as t {", "as {"},
        {"expect allow message", "expect alow message"},
    };
    for (const auto& [from, to] : mistakes) {
        std::string broken = good;
        broken.replace(broken.find(from), from.size(), to);
        INFO(from + " -> " + to);
        const std::string summary = Compiled(broken).summary();
        CHECK(summary.find("E0", 1) == std::string::npos);
        CHECK(summary.substr(0, 4) == "E001");
    }
    // A mistake in a definition that several blocks read is told once, and nothing about their allows.
    Compiled twice(in_route("let m = user.subb == \"x\" message a { allow if m } message b { allow if m }"));
    CHECK(twice.summary() == "E002 4:9 there is no `user.subb`\n");
}

TEST_CASE("one mistake is told once") {
    CHECK(Compiled(in_route("message a { allow if user.subb == \"x\" publish to x }")).summary() ==
          "E002 4:22 there is no `user.subb`\n");
}

TEST_CASE("origins by host, and those of nobody") {
    const auto route = [](const std::string& from, const std::string& address, const std::string& origins) {
        return "token s { keys = file \"k\" from " + from +
               " \"sid\" claim sub : string required }\nroute r " + address +
               " { auth = s origins = " + origins + " allow connect }\n";
    };
    CHECK(Compiled(route("header", "app.example.com/x", "{ same_host, none }")).summary().empty());
    CHECK_THAT(
        Compiled(route("header", "app.example.com/x, /x", "{ same_host }")).summary(),
        Catch::Matchers::Contains("E003") && Catch::Matchers::Contains("`same_host` needs to know the host"));
    CHECK_THAT(Compiled(route("cookie", "/x", "{ null }")).summary(), Catch::Matchers::Contains("E015"));
    CHECK_THAT(Compiled(route("header", "/x", "{ null }")).summary(), Catch::Matchers::Contains("W301"));
    Origins origins;
    origins.same_host = true;
    for (const auto& [origin, host] : std::vector<std::pair<std::string, std::string>>{
             {"https://app.example.com", "app.example.com"},
             {"https://app.example.com", "APP.example.com:443"},
             {"http://app.example.com:80", "app.example.com"},
             {"http://app.example.com:8080", "app.example.com:8080"},
             {"https://[::1]:8443", "[::1]:8443"}}) {
        INFO(origin << " " << host);
        CHECK(origins.allow(origin, true, host));
    }
    for (const auto& [origin, host] : std::vector<std::pair<std::string, std::string>>{
             {"https://app.example.com", "app.example.com:80"},
             {"http://app.example.com", "app.example.com:443"},
             {"https://app.example.com.evil.com", "app.example.com"},
             {"https://evil.com", "app.example.com"},
             {"ftp://app.example.com", "app.example.com"},
             {"https://app.example.com/", "app.example.com"},
             {"https://u@app.example.com", "app.example.com"},
             {"https://", ""},
             {"null", "null"},
             {"", ""},
             {"https://app.example.com:8443", "app.example.com"}}) {
        INFO(origin << " " << host);
        CHECK_FALSE(origins.allow(origin, true, host));
    }
    CHECK_FALSE(origins.allow("", false, "app.example.com"));
}

TEST_CASE("limits and bans of every kind are executed") {
    for (const char* text :
         {"ban ip, subnet for 3s up to 1h after 3 refusals per 1s because \"x\"",
          "limit bytes to 3kb/s per ip", "limit subscriptions to 3 per connection if channel like \"a*\"",
          "limit connections to 1 per user.sub on excess replace_oldest", "errors { banned = drop }"}) {
        INFO(text);
        CHECK(Compiled(in_route(text)).summary().empty());
    }
}

TEST_CASE("an api has a status for each refusal") {
    Compiled made(token +
                  "api a /a { auth = session allow publish on ** deny publish on b then status 404 "
                  "limit messages to 1/s per user.sub then status 418 errors { bad_message = status 422 } }");
    CHECK(made.summary() == "");
    CHECK(made.policy != nullptr);
}

TEST_CASE("an api is executed, with all of its actions") {
    Compiled made(token +
                  "api a /a { auth = session allow publish, subscribe, presence, history on ** "
                  "allow disconnect if user.n == 3 }");
    CHECK(made.summary() == "");
    CHECK(made.policy != nullptr);
}

TEST_CASE("what a channel block says, and the narrowest says it") {
    Compiled made(R"(
channel room/**     { history = 3  keep = 1h }
channel room/:x/in  { history = 7  keep = 2d  acks = user  priority = urgent  dedup = 1m  batch = 5ms
                      presence = true  join_leave = true  presence_grace = 9s  slow = newest
                      max_message = 2kb  max_subscribers = 8 }
channel cursor/*    { conflate = 50ms  key = required  priority = low }
channel seat/*      { conflate = 50ms  key = none }
)");
    CHECK(made.summary() == "");
    const Policy& policy = *made.policy;
    CHECK(policy.channel_rules("hall") == ChannelRules{});
    CHECK(policy.channel_rules("room/a").history == 3);
    CHECK(policy.channel_rules("room/a/b/c").keep_ms == 3'600'000);
    const ChannelRules& in = policy.channel_rules("room/a/in");
    CHECK(in.history == 7);
    CHECK(in.keep_ms == 172'800'000);
    CHECK(in.acks);
    CHECK(in.lane == Lane::urgent);
    CHECK(in.dedup_ms == 60'000);
    CHECK(in.batch_ms == 5);
    CHECK((in.presence && in.join_leave));
    CHECK(in.presence_grace_ms == 9000);
    CHECK(in.slow == SlowConsumer::newest);
    CHECK(in.max_message == 2048);
    CHECK(in.max_subscribers == 8);
    CHECK(policy.channel_rules("cursor/a").conflate_ms == 50);
    CHECK(policy.channel_rules("cursor/a").needs_key);
    CHECK_FALSE(policy.channel_rules("seat/a").needs_key);
    CHECK(policy.channel_rules("cursor/a/b") == ChannelRules{});

    for (const Case& c : {
             Case{"channel a { history = 3 }", "`history` needs `keep`"},
             Case{"channel a { keep = 3s }", "`keep` needs `history`"},
             Case{"channel a { acks = user }", "`acks` needs `history`"},
             Case{"channel a { join_leave = true }", "`join_leave` needs `presence = true`"},
             Case{"channel a { presence_grace = 1s }", "`presence_grace` needs `presence = true`"},
             Case{"channel a { history = 3 keep = 1h conflate = 1s key = none }", "exclude each other"},
             Case{"channel a { batch = 1s conflate = 1s key = none }", "exclude each other"},
             Case{"channel a { conflate = 1s }", "`conflate` needs `key = required` or `key = none`"},
             Case{"channel a { key = required }", "`key` needs `conflate`"},
         }) {
        INFO(c.text);
        CHECK(Compiled(c.text).summary().find("E027 ") == 0);
        CHECK(Compiled(c.text).summary().find(c.expected) != std::string::npos);
    }
    // One mistake, one complaint.
    CHECK(Compiled("channel a { history = 30000000 keep = 1h }").summary().find("E027") == std::string::npos);
}

TEST_CASE("what a token block says") {
    Compiled made(R"(backend app { url = "http://app" sign = file "app.hmac" }
token a { keys = url "http://127.0.0.1:8080/jwks" algorithms = { "ES256" } from header "Authorization" max_age = 5m
    single_use = true claim sub : string required }
token b { check = app "/whoami" cache = 30s recheck = 5m from cookie "sid" claim sub : string required }
token c { keys = url "http://[::1]/k" algorithms = "EdDSA" from cookie "c" claim sub : string required }
token d { keys = url "http://localhost:1/k?x=1" algorithms = "EdDSA" from cookie "d" claim sub : string required }
route r /r { auth = { a, b, c, d } origins = { none } allow connect })");
    REQUIRE(made.policy);
    const auto& tokens = made.policy->tokens;
    CHECK(tokens[0].keys_url == "http://127.0.0.1:8080/jwks");
    CHECK(tokens[0].max_age_ms == 300'000);
    CHECK(tokens[0].single_use);
    CHECK(tokens[1].cache_ms == 30'000);
    REQUIRE(tokens[1].check);
    CHECK(tokens[1].check->path == "/whoami");
    CHECK(made.policy->backends[0].sign_path.ends_with("app.hmac"));
}

TEST_CASE("mistakes around settings, backends and channels") {
    const std::string backend = "backend app { url = \"http://127.0.0.1:8000\" }";
    for (const Case& c : {
             Case{"stream a to ap \"/x\"", "E012 4:13 there is no backend `ap`\n"},
             Case{"proxy to app \"x\"", "E003 4:14 `x` is not a path\n"},
             Case{"ban user.roles for 3s after 3 refusals per 1s",
                  "E003 4:5 a ban is about a single value, this is a set of string\n"},
             Case{"ban ip for 10ms after 3 refusals per 1s", "E003 4:12 this is from 1s to 30d\n"},
             Case{"ban ip for 10s up to 5s after 3 refusals per 1s",
                  "E003 4:22 the bound is less than the first ban\n"},
             Case{"limit bytes to 3/s per ip", "E003 4:16 bytes are limited to a rate such as 64kb/s\n"},
             Case{"limit messages to 3kb/s per ip", "E003 4:19 `messages` are counted, not weighed\n"},
             Case{"limit messages to 3/s per ip on excess refuse",
                  "E001 4:40 `on excess` is `refuse` or `replace_oldest`\n"},
             Case{"alias /x",
                  "E007 4:7 this address does not say what `room` is\n"
                  "E007 4:7 this address does not say what `id` is\n"},
             Case{"alias /x/:room where id = query \"i\", room = \"a\"",
                  "E005 4:1 `room` is caught and bound\n"},
             Case{"alias /x/:room where id = \"a\"", "E003 4:27 `id` is an int, not a string\n"},
             Case{"alias /x/:room/:id(int)/:other", "E007 4:26 the route has no capture `other`\n"},
             Case{"alias /r/:room/:id(int)", "E006 4:7 this address is taken already\n"},
             Case{"max_lifetime = 400d", "E003 4:16 `max_lifetime` is from 0s to 2592000s\n"},
             Case{"on_policy_change = shrug", "E003 4:20 `on_policy_change` cannot be `shrug`\n"},
             Case{"dialect = \"smoke\"", "E003 4:11 `dialect` cannot be `\"smoke\"`\n"},
             Case{"allow disconnect", "E001 4:7 `disconnect` belongs to an `api`\n"},
         }) {
        INFO(c.text);
        const std::string got = Compiled(in_route(c.text) + backend).summary();
        if (got.find(c.expected) == std::string::npos) CHECK(got == c.expected);
    }
    for (const Case& c : {
             Case{"backend b { }", "E022 1:9 the backend `b` has no `url`\n"},
             Case{"backend b { url = \"ftp://x\" }", "E003 1:13 `ftp://x` is not the address of a server\n"},
             Case{"backend b { url = \"http://x:99999\" }", "E003 1:13 `http://x:99999` is not the"},
             Case{"backend b { url = \"http://x:0\" }", "E003 1:13 `http://x:0` is not the"},
             Case{"backend b { url = \"http://x:\" }", "E003 1:13 `http://x:` is not the"},
             Case{"backend b { url = \"http://[::1]:x\" }", "E003 1:13 `http://[::1]:x` is not the"},
             Case{"backend b { url = \"http://x/a/../b\" }", "E003 1:13 `http://x/a/../b` is not the"},
             Case{"backend b { url = \"http://[::1]:80/a\" retries = 11 }", "E003 1:49 `retries`"},
             Case{"backend b { url = \"http://u@x\" retries = 11 }", "E003 1:42 `retries` is from 0 to 10\n"},
             Case{"backend file { url = \"http://x\" }", "E005 1:9 `file` means something else already\n"},
             Case{"backend b { tiemout = 3s }", "E008 1:13 there is no setting `tiemout` here\n"},
             Case{"channel a/{b} { }", "E001 1:11 a `channel` block has no `{…}`\n"},
             Case{"channel a/* { } channel */b { }",
                  "E006 1:25 both patterns match `a/b`, and neither is narrower\n"},
             Case{"channel a { history = 3 }", "E027 1:13 `history` needs `keep` beside it\n"},
             Case{"channel a { join_leave = true }",
                  "E027 1:13 `join_leave` needs `presence = true` beside it\n"},
             Case{"channel a { acks = group }", "E003 1:20 `acks` cannot be `group`\n"},
             Case{"api a /a { auth = none }", "E011 1:5 the api `a` is open to everybody\n"},
             Case{"api a /a { allow connect }", "E001 1:18 `connect` belongs to a route\n"},
             Case{"api a /a { allow message }", "E001 1:18 `message` belongs to a route\n"},
             Case{"api a /a { auth = none join x }",
                  "E001 1:24 `join` belongs to a route, not to an `api`\n"},
             Case{"api a /a { auth = none idle_timeout = 3s }",
                  "E008 1:24 `idle_timeout` has no meaning in an `api`\n"},
             Case{"token t { keys = url \"http://x\" from cookie \"c\" }",
                  "E003 1:18 `keys` is a file, or a URL that begins with https://\n"},
             Case{"token t { keys = url \"https://u:p@x/k\" from cookie \"c\" }",
                  "E003 1:18 `keys` is a file, or a URL that begins with https://\n"},
             Case{"token t { keys = url \"http://127.evil.example/k\" from cookie \"c\" }",
                  "E003 1:18 `keys` is a file, or a URL that begins with https://\n"},
             Case{"token t { keys = url \"http://localhost.evil.example/k\" from cookie \"c\" }",
                  "E003 1:18 `keys` is a file, or a URL that begins with https://\n"},
             Case{"token t { keys = url \"https://x/k\" from cookie \"c\" }",
                  "E022 1:18 keys from a URL need `algorithms` beside them\n"},
             Case{"token t { keys = url \"https://x/k\" algorithms = { \"HS256\" } from cookie \"c\" }",
                  "E016 1:49 HS256 needs a secret, and a URL has none\n"},
             Case{"token t { keys = file \"k\" from cookie \"c\" claim s : string split \" \" required }",
                  "W101 1:7 no route uses the token `t`\nE003 1:66 `split` makes a set or list of string\n"},
             Case{"token t { keys = file \"k\" from cookie \"c\" claim s : set of int split \",\" required }",
                  "W101 1:7 no route uses the token `t`\nE003 1:70 `split` makes a set or list of string\n"},
             Case{"token t { keys = file \"k\" from cookie \"c\" claim s : set of string split \"\" required "
                  "}",
                  "W101 1:7 no route uses the token `t`\nE003 1:73 the separator is empty\n"},
             Case{"backend b { url = \"http://b\" } token t { check = b \"/w\" single_use = true from cookie "
                  "\"c\" }",
                  "E022 1:57 `single_use` is for signed tokens; `check` asks a backend\n"},
             Case{"backend b { url = \"http://b\" } token t { check = b \"/w\" from query \"c\" }",
                  "E022 1:62 `check` hands on a cookie or a header, and nothing else\n"},
             Case{"token t { cache = 3s keys = file \"k\" from cookie \"c\" }",
                  "E022 1:7 `cache` needs `check` beside it\n"},
             Case{"token t { recheck = 5m keys = file \"k\" from cookie \"c\" }",
                  "E022 1:7 `recheck` needs `check` beside it\n"},
             Case{"backend b { url = \"http://b\" } token t { check = b \"/w\" recheck = 999ms from cookie "
                  "\"c\" }",
                  "1:67 `recheck`"},
         }) {
        INFO(c.text);
        const std::string got = Compiled(c.text).summary();
        if (got.find(c.expected) == std::string::npos) CHECK(got == c.expected);
    }
}

TEST_CASE("mistakes of whole files") {
    const std::vector<Case> cases{
        {"route r /r { allow connect }", "E011 1:7 the route `r` has no `auth`\n"},
        {token + "route r /r { auth = session }", "E021 2:7 the route `r` has no `origins`\n"},
        {token + "route r /r { auth = { session, none } origins = { none } }",
         "E003 2:32 `none` beside a token would let everybody in\n"},
        {token + "route r /r { auth = sesion origins = { none } allow connect if user.sub == \"a\" join "
                 "x/{user.n} }",
         "E002 2:21 there is no token `sesion`\n"},  // and nothing about what it would have said
        {"route r /r { auth = none } route r /s { auth = none }",
         "E005 1:34 the route `r` is defined twice\n"},
        {"route a /a/:x { auth = none } route b /:y/b { auth = none }",
         "E006 1:39 both addresses match `/a/b`, and neither is narrower\n"},
        {"route a /a/:x { auth = none } route b /a/* { auth = none }",
         "E006 1:39 this address is taken already\n"},
        {"route a /a/:x, /b { auth = none }", "E007 1:16 every address of a route catches the same names\n"},
        {"policy p { use q } policy q { }",
         "W101 1:8 no route uses the policy `p`\nE001 1:12 policies do not use policies\nW101 1:27 no route "
         "uses the policy `q`\n"},
        {"policy p { max_message = 1kb } policy q { max_message = 2kb } route r /r { auth = none use p, q }",
         "E009 1:43 `max_message` is set to two values\n"},
        {"let a = a", "E010 1:5 `a` is defined by itself\n"},
        // One error a circle, and none for what only leads there.
        {"let c = a let a = b let b = a let d = c", "E010 1:15 `a` is defined by itself\n"},
        {"token t { from cookie \"c\" }",
         "E022 1:7 the token `t` has no `keys`\nW101 1:7 no route uses the token `t`\n"},
        {"token t { keys = file \"k\" }",
         "E022 1:7 the token `t` says not where it is looked for\nW101 1:7 no route uses the token `t`\n"},
        {"token t { keys = file \"k\" algorithms = { \"none\" } from cookie \"c\" } route r /r { auth = t "
         "origins = any }",
         "E016 1:40 `none` is not an algorithm that is accepted\nE015 1:101 `origins = any` with a token "
         "from a cookie lets every page act for its visitors\n"},
        {"defaults { deny connect if user.sub == \"a\" } route r /r { auth = none } route s /s { auth = none "
         "}",
         "E002 1:28 there is no `user.sub`\n"},
    };
    for (const Case& c : cases) {
        INFO(c.text);
        CHECK(Compiled(c.text).summary() == c.expected);
    }
}

TEST_CASE("claims that differ between tokens cannot be read") {
    const std::string two =
        R"(token a { keys = file "k" from cookie "a" claim x : int required claim y : string required }
token b { keys = file "k" from cookie "b" claim x : string required }
route r /r { auth = { a, b } origins = { none } allow connect if )";
    CHECK(Compiled(two + "user.x == 1 }").summary() ==
          "E018 3:66 `user.x` is not the same in all tokens of this route\n");
    CHECK(Compiled(two + "user.y == \"\" }").summary() ==
          "E018 3:66 `user.y` is not the same in all tokens of this route\n");
}

TEST_CASE("own settings beat used ones, and those beat defaults") {
    Compiled made(R"(defaults { max_message = 1kb ping_every = 1s idle_timeout = 11s }
policy p { ping_every = 2s idle_timeout = 12s }
route r /r { auth = none use p idle_timeout = 13s })");
    REQUIRE(made.policy);
    const Route& route = *made.policy->routes[0];
    CHECK(route.max_message == 1024);
    CHECK(route.ping_every_ms == 2000);
    CHECK(route.idle_timeout_ms == 13000);
}

TEST_CASE("limits that count the same count apart") {
    Compiled made(
        "defaults { limit messages to 9/s per ip } route r /r { auth = none limit messages to 3/s per ip "
        "limit messages to 1/s per ip if message.size > 1kb }");
    REQUIRE(made.policy);
    const auto& limits = made.policy->routes[0]->limits;
    REQUIRE(limits.size() == 3);
    CHECK(limits[0].identity != limits[1].identity);
    CHECK(limits[1].identity != limits[2].identity);
}

TEST_CASE("every amount of a map lets something pass") {
    const std::string map = "let m = { \"a\": 0/s } ";
    CHECK(Compiled(in_route(map + "limit messages to m[user.sub] else 1/s per ip")).summary() ==
          "E003 4:40 a limit lets at least one pass\n");
    CHECK(Compiled(in_route("let m = { \"a\": 1/s } limit messages to m[user.sub] else 0/s per ip"))
              .summary() == "E003 4:40 a limit lets at least one pass\n");
}

TEST_CASE("definitions that grow without end are an error") {
    std::string text = "let a0 = tls and not tls\n";
    for (int i = 1; i <= 30; ++i) {
        const std::string before = "a" + std::to_string(i - 1);
        text +=
            "let a" + std::to_string(i) + " = " + before + " or (" + before + " and not " + before + ")\n";
    }
    Compiled made(text + "route r /r { auth = none allow connect if a30 }");
    CHECK(made.summary().starts_with("E026 "));
}

TEST_CASE("a block's definitions are seen by its settings") {
    Compiled made(
        "route r /r { let o = { \"https://a.example\" } auth = none origins = o let m = 3kb max_message = m "
        "}");
    CHECK(made.summary() == "");
    REQUIRE(made.policy);
    CHECK(made.policy->routes[0]->max_message == 3072);
}

TEST_CASE("a route's own setting settles a conflict of what it uses") {
    Compiled made(
        "policy a { idle_timeout = 5s } policy b { idle_timeout = 6s } route r /r { auth = none use a, b "
        "idle_timeout = 7s }");
    CHECK(made.summary() == "");
}

TEST_CASE("a limit's identity is what it counts") {
    const auto identity = [](const std::string& limit) {
        return Compiled("route r /r { auth = none " + limit + " }").policy->routes[0]->limits[0].identity;
    };
    CHECK(identity("limit messages to 3/s per ip") ==
          identity("allow connect limit messages to 4/s per ip burst 9"));
    CHECK(identity("limit messages to 3/s per ip") != identity("limit messages to 3/s per subnet"));
    CHECK(identity("limit messages to 3/s per ip") != identity("limit connects to 3/s per ip"));
}

TEST_CASE("a burst of bytes may be a size") {
    const Compiled compiled(in_route("limit bytes to 3kb/s per ip burst 4kb"));
    REQUIRE(compiled.policy);
    CHECK(compiled.policy->routes[0]->limits[0].burst == 4096);
}
