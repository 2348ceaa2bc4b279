#include "dsl/syntax/parse.h"

#include <catch2/catch.hpp>
#include <deque>
#include <fstream>
#include <iterator>

#include "dsl/syntax/load.h"
#include "show_ast.h"

using namespace wayleave::dsl;

namespace {

struct Parsed {
    Sources sources;
    Diagnostics diagnostics;
    ast::File file;

    explicit Parsed(std::string text) {
        load_text("p.route", std::move(text), sources, diagnostics);
        file = parse(sources, diagnostics);
        INFO(render(diagnostics, sources, false));
        CHECK(diagnostics.errors() == 0);
    }
    template <class T>
    const T& item(size_t i = 0) const {
        REQUIRE(i < file.items.size());
        REQUIRE(std::holds_alternative<T>(file.items[i]));
        return std::get<T>(file.items[i]);
    }
};

// For trees that are looked at piece by piece: their views need the source.
const Parsed& keep(std::string text) {
    static std::deque<Parsed> kept;
    return kept.emplace_back(std::move(text));
}

std::string value_of(const std::string& text) {
    const Parsed parsed("let x = " + text);
    return show(parsed.item<ast::Let>().value);
}

// The first member of a route that has only this one.
template <class T>
T member(const Parsed& parsed) {
    const auto& members = parsed.item<ast::Route>().members;
    REQUIRE(members.size() == 1);
    REQUIRE(std::holds_alternative<T>(members[0]));
    return std::get<T>(members[0]);
}

std::string in_route(const std::string& text) {
    return "route r /r {\n" + text + "\n}\n";
}

template <class T>
T message_member(const Parsed& parsed) {
    const auto message = member<ast::Message>(parsed);
    REQUIRE(message.members.size() == 1);
    REQUIRE(std::holds_alternative<T>(message.members[0]));
    return std::get<T>(message.members[0]);
}

std::string in_message(const std::string& text) {
    return in_route("message m {\n" + text + "\n}");
}

std::string read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    REQUIRE(in.good());
    return {std::istreambuf_iterator<char>(in), {}};
}

struct Case {
    const char* text;
    const char* shown;
};

}  // namespace

TEST_CASE("the complete example of the manual") {
    const Parsed parsed(read_file(std::string(TEST_SOURCE_DIR) + "/complete.route"));
    REQUIRE(parsed.file.items.size() == 12);
    const auto& route = parsed.item<ast::Route>(9);
    CHECK(route.name.text == "realtime");
    CHECK(show(route.urls.at(0)) == "app . example . com / ws / realtime");
    CHECK(route.members.size() == 18);
    const auto& test = parsed.item<ast::Test>(11);
    CHECK(test.title.text == "an outsider cannot edit another company's tasks");
    CHECK(test.items.size() == 5);
    CHECK(parsed.sources.text(route.span).starts_with("route realtime"));
    CHECK(parsed.sources.text(route.span).ends_with("close 4429 }\n}"));
}

TEST_CASE("literals") {
    for (const auto& [text, shown] :
         {Case{"12", "int:12"},
          Case{"-12", "int:-12"},
          Case{"007", "int:7"},
          Case{"1.5", "float:1.5"},
          Case{"-0.25", "float:-0.25"},
          Case{"0b", "size:0"},
          Case{"4kb", "size:4096"},
          Case{"2mb", "size:2097152"},
          Case{"50ms", "time:50"},
          Case{"30s", "time:30000"},
          Case{"5m", "time:300000"},
          Case{"2h", "time:7200000"},
          Case{"7d", "time:604800000"},
          Case{"20/s", "rate:20/s"},
          Case{"3/m", "rate:3/m"},
          Case{"64kb/s", "rate:64kb/s"},
          Case{"1mb/h", "rate:1mb/h"},
          Case{"10b/d", "rate:10b/d"},
          Case{"2027-06-30", "date:20999"},
          Case{"10.0.0.1", "ip:10.0.0.1"},
          Case{"10.0.0.0/8", "net:10.0.0.0/8"},
          Case{"::1", "ip:::1"},
          Case{"2001:db8::/32", "net:2001:db8::/32"},
          Case{"::", "ip:::"},
          Case{"fe80::1", "ip:fe80::1"},
          Case{"::ffff:10.0.0.1", "ip:10.0.0.1"},
          Case{"true", "bool:true"},
          Case{"false", "bool:false"},
          Case{"\"\"", "string:\"\""},
          Case{R"("a \"b\" \\ \n\t \u{e9} é")", "string:\"a \\\"b\\\" \\\\ \\u{0a}\\u{09} é é\""}}) {
        INFO(text);
        CHECK(value_of(text) == shown);
    }
}

TEST_CASE("expressions") {
    for (const auto& [text, shown] :
         {Case{"a", "a"},
          Case{"user.plan", "user.plan"},
          Case{"a == \"x\"", "(== a string:\"x\")"},
          Case{"not a == 1", "(not (== a int:1))"},
          Case{"a and b and c", "(and a b c)"},
          Case{"a or not b", "(or a (not b))"},
          Case{"(a or b) and (c or d)", "(and (or a b) (or c d))"},
          Case{"((a))", "a"},
          Case{"not (a in { 1, 2 })", "(not (in a {int:1 int:2}))"},
          Case{"a!=1 and b<2 and c<=3 and d>4 and e>=5",
               "(and (!= a int:1) (< b int:2) (<= c int:3) (> d int:4) (>= e int:5))"},
          Case{"a like \"x*\" or b overlaps c", "(or (like a string:\"x*\") (overlaps b c))"},
          Case{"{}", "{}"},
          Case{"{ \"a\": 2/s, \"b\": 1/s }", "{string:\"a\": rate:2/s string:\"b\": rate:1/s}"},
          Case{"{ abc: 1, de: 2 }", "{abc: int:1 de: int:2}"},
          Case{"{ ::1: 1, 10.0.0.1: 2 }", "{ip:::1: int:1 ip:10.0.0.1: int:2}"},
          Case{"{{a},b}", "{{a} b}"},
          Case{"m[user.plan] else 1/s", "m[user.plan]|rate:1/s"},
          Case{"m[ \"x\" ] else \"y\" == z", "(== m[string:\"x\"]|string:\"y\" z)"},
          Case{"ip in 10.0.0.0/8", "(in ip net:10.0.0.0/8)"},
          Case{"nothing", "nothing"},
          Case{"order", "order"},
          Case{"a\n  and # why\n  b", "(and a b)"}}) {
        INFO(text);
        CHECK(value_of(text) == shown);
    }
}

TEST_CASE("values of settings") {
    for (const auto& [text, shown] :
         {Case{"file \"a.jwks\"", "file a.jwks"}, Case{"file \"nets\" of net", "file nets of net"},
          Case{"app \"/whoami\"", "call app /whoami"}, Case{"url \"https://x/\"", "call url https://x/"},
          Case{"status 404", "status 404"}, Case{"close 4429", "close 4429"},
          Case{"error \"no\"", "error no"}, Case{"drop", "drop"}, Case{"close", "close"},
          Case{"none", "none"}, Case{"drops", "drops"}, Case{"error", "error"},
          Case{"status == 3", "(== status int:3)"}}) {
        INFO(text);
        CHECK(value_of(text) == shown);
    }
}

TEST_CASE("addresses") {
    for (const auto& [text, shown] :
         {Case{"/", " /  /"}, Case{"/ws", " / ws"}, Case{"/ws/", " / ws /"},
          Case{"example.com/", "example . com /  /"},
          Case{"app.example.com/a/b", "app . example . com / a / b"},
          Case{"*.example.com/x", "* . example . com / x"},
          Case{":tenant.example.com/x", ":tenant . example . com / x"},
          Case{":t(slug).example.com/:id(int)/*", ":t(slug) . example . com / :id(int) / *"},
          Case{"/files/**", " / files / **"}, Case{"/notify.php", " / notify.php"},
          Case{"/A-b_c~@!$&'(+)=.x", " / A-b_c~@!$&'(+)=.x"}, Case{"/Upper/é", " / Upper / é"},
          Case{"/a:b;c=d", " / a:b;c=d"}, Case{"127.0.0.1/x", "127 . 0 . 0 . 1 / x"},
          Case{"localhost/x", "localhost / x"}}) {
        INFO(text);
        const Parsed parsed("route r " + std::string(text) + " {}");
        REQUIRE(parsed.item<ast::Route>().urls.size() == 1);
        CHECK(show(parsed.item<ast::Route>().urls[0]) == shown);
    }
    const Parsed several("route r /a, b.example/c ,/d{}\napi x /api {}");
    CHECK(several.item<ast::Route>().urls.size() == 3);
    CHECK(show(several.item<ast::Api>(1).urls.at(0)) == " / api");
}

TEST_CASE("channels") {
    for (const auto& [text, shown] :
         {Case{"a", "a"}, Case{"user/:id", "user / :id"}, Case{"user/:id(uuid)/x", "user / :id(uuid) / x"},
          Case{"**", "**"}, Case{"cursor/*/**", "cursor / * / **"},
          Case{"a:b/C.d_e-f~g@h/9", "a:b / C.d_e-f~g@h / 9"}, Case{"{to}", "{to}"},
          Case{"x/{user.sub}/y", "x / {user.sub} / y"}}) {
        INFO(text);
        const Parsed parsed(in_route("join " + std::string(text)));
        CHECK(show(member<ast::Join>(parsed).channels) == shown);
    }
    const Parsed block("channel user/:id {\n history = 200\n keep = 7d }");
    CHECK(show(block.item<ast::Channel>().pattern) == "user / :id");
    CHECK(block.item<ast::Channel>().settings.size() == 2);
}

TEST_CASE("rules") {
    const Parsed full(in_route("deny publish, history on a/*, b if x == 1 then status 403 because \"no\""));
    const auto rule = member<ast::Rule>(full);
    CHECK_FALSE(rule.allow);
    REQUIRE(rule.actions.size() == 2);
    CHECK(rule.actions[1].action == Action::history);
    CHECK(full.sources.text(rule.actions[1].span) == "history");
    CHECK(show(rule.tail) == " on a / *, b if (== x int:1) then status 403 because no");
    CHECK(full.sources.text(rule.span).ends_with("because \"no\""));

    const auto message = member<ast::Rule>(keep(in_route("deny message if user.muted")));
    CHECK(message.actions.at(0).action == Action::message);
    const auto bare = message_member<ast::Rule>(keep(in_message("allow if a then drop")));
    CHECK(bare.actions.empty());
    CHECK(show(bare.tail) == " if a then drop");
}

TEST_CASE("limits and bans") {
    const auto limit = member<ast::Limit>(keep(in_route(
        "limit messages to m[user.plan] else 1/s per user.sub, ip burst 3 on a if b then error \"slow\"")));
    CHECK(limit.meter == Meter::messages);
    CHECK(show(limit.to) == "m[user.plan]|rate:1/s");
    CHECK(show(limit.per) == "user.sub, ip");
    CHECK(show(*limit.burst) == "int:3");
    CHECK_FALSE(limit.on_excess);
    CHECK(show(limit.tail) == " on a if b then error slow");

    const auto excess = member<ast::Limit>(
        keep(in_route("limit connections to 1 per user.sub on excess replace_oldest if a")));
    CHECK(excess.on_excess->text == "replace_oldest");
    CHECK(show(excess.tail) == " if a");
    const auto channel = member<ast::Limit>(keep(in_route("limit bytes to 1kb/s per ip on excess/x")));
    CHECK(show(channel.tail) == " on excess / x");

    const auto ban = member<ast::Ban>(
        keep(in_route("ban subnet, ip for 30s up to 1h after 20 refusals per 1m because \"too many\"")));
    CHECK(show(ban.keys) == "subnet, ip");
    CHECK(show(ban.duration) == "time:30000");
    CHECK(show(*ban.up_to) == "time:3600000");
    CHECK(show(ban.after) == "int:20");
    CHECK(ban.counted.text == "refusals");
    CHECK(show(ban.per) == "time:60000");
    CHECK(ban.because->text == "too many");
    CHECK_FALSE(member<ast::Ban>(keep(in_route("ban ip for 1s after 1 errors per 1s"))).up_to);
}

TEST_CASE("streams, aliases, inputs and the rest of a body") {
    const auto stream = member<ast::Stream>(keep(in_route("stream s to app \"/s/\" if a")));
    CHECK(std::string(stream.name.text) + " " + std::string(stream.backend.text) + " " + stream.path.text ==
          "s app /s/");
    CHECK(show(stream.condition) == " if a");

    const auto alias = member<ast::Alias>(
        keep(in_route("alias old.example.com/n/ stream s where a = query \"x\", b = 3 until 2027-06-30")));
    CHECK(show(alias.url) == "old . example . com / n /");
    CHECK(alias.stream->text == "s");
    REQUIRE(alias.where.size() == 2);
    CHECK(show(std::get<ast::Source>(alias.where[0].value)) == "query x");
    CHECK(show(std::get<ast::Literal>(alias.where[1].value)) == "int:3");
    CHECK(show(*alias.until) == "date:20999");
    CHECK_FALSE(member<ast::Alias>(keep(in_route("alias /x"))).until);

    const auto notify = member<ast::Notify>(keep(in_route("notify app \"/e\" on connect, unsubscribe")));
    CHECK(show(notify.events) == "connect, unsubscribe");
    const auto proxy = member<ast::Proxy>(keep(in_route("proxy to app \"/p\" if not a")));
    CHECK(show(proxy.condition) == " if (not a)");
    const auto use = member<ast::Use>(keep(in_route("use a, b")));
    CHECK(show(use.names) == "a, b");
    const auto input =
        member<ast::Input>(keep(in_route("input lang : set of string from header \"X-Lang\" else {}")));
    CHECK(to_string(input.type.type) == "set of string");
    CHECK(show(input.from) == "header X-Lang");
    CHECK(show(input.absent) == "else {}");
    const auto errors = member<ast::Errors>(
        keep(in_route("errors { forbidden = error \"not_yours\"  limited = close 4429 slow = drop }")));
    REQUIRE(errors.reasons.size() == 3);
    CHECK(show(errors.reasons[1].value) == "close 4429");
    const auto let = member<ast::Let>(keep(in_route("let admin = \"admin\" in user.roles")));
    CHECK(show(let.value) == "(in string:\"admin\" user.roles)");
}

TEST_CASE("messages") {
    const Parsed parsed(in_route(R"(message task.update, call.*, *, chat-Message_2 {
        strict = true
        field user_id : int as "userId" required
        field tags : list of string in { "a", "b" } else {}
        field n : float else -1.5
        allow
        deny if not x because "no"
        publish to a/{user.sub}, b except self priority urgent if n > 1.0
        forward to app "/f" if x
        reply task.updated
        limit messages to 1/s per user.sub burst 3
        let x = 1
    })"));
    const auto message = member<ast::Message>(parsed);
    REQUIRE(message.types.size() == 4);
    CHECK(message.types[1].text == "call.*");
    CHECK(message.types[3].text == "chat-Message_2");
    REQUIRE(message.members.size() == 11);
    const auto& id = std::get<ast::Field>(message.members[1]);
    CHECK(id.as->text == "userId");
    CHECK(show(id.absent) == "required");
    const auto& tags = std::get<ast::Field>(message.members[2]);
    CHECK(to_string(tags.type.type) == "list of string");
    CHECK(show(*tags.in) == "{string:\"a\" string:\"b\"}");
    CHECK(show(tags.absent) == "else {}");
    CHECK(show(std::get<ast::Field>(message.members[3]).absent) == "else float:-1.5");
    const auto& publish = std::get<ast::PublishTo>(message.members[6]);
    CHECK(show(publish.channels) == "a / {user.sub}, b");
    CHECK(publish.except_self);
    CHECK(publish.priority->text == "urgent");
    CHECK(show(publish.condition) == " if (> n float:1)");
    CHECK(std::get<ast::Reply>(message.members[8]).type->text == "task.updated");
    CHECK(std::holds_alternative<ast::Let>(message.members[10]));
}

TEST_CASE("behind a reply without a type there may be any statement") {
    for (const std::string next :
         {"reply", "publish to a", "subscribe to a", "unsubscribe from a", "allow", "deny", "strict = true",
          "set a = 1", "let a = 1", "limit messages to 1/s per ip", "field a : int required",
          "forward to app \"/x\""}) {
        INFO(next);
        const auto message = member<ast::Message>(keep(in_route("message a { reply " + next + " }")));
        REQUIRE(message.members.size() == 2);
        CHECK_FALSE(std::get<ast::Reply>(message.members[0]).type);
    }
    for (const std::string type : {"replying", "publish.done", "if-so", "\"reply\"", "strict"}) {
        INFO(type);
        const auto message = member<ast::Message>(keep(in_route("message a { reply " + type + " }")));
        REQUIRE(message.members.size() == 1);
        CHECK(std::get<ast::Reply>(message.members[0]).type);
    }
}

TEST_CASE("a type in quotes, and what becomes of the sender") {
    const Parsed parsed(in_route(R"(message "user \"x\" joined", FRIEND_REQUEST, "room:*" {
        allow
        subscribe to a/{user.sub}, b if n > 1
        unsubscribe from c
        publish to d except self as "x y" priority low if x
        publish to e priority urgent as f
        reply
        strict = true
        reply if x
        reply "x y" if y
        subscribe to g
    })"));
    const auto message = member<ast::Message>(parsed);
    REQUIRE(message.types.size() == 3);
    CHECK(message.types[0].text == "user \"x\" joined");
    CHECK(message.types[1].text == "FRIEND_REQUEST");
    CHECK(message.types[2].text == "room:*");
    REQUIRE(message.members.size() == 10);
    const auto& enters = std::get<ast::SubscribeTo>(message.members[1]);
    CHECK(show(enters.channels) == "a / {user.sub}, b");
    CHECK_FALSE(enters.leave);
    CHECK(show(enters.condition) == " if (> n int:1)");
    CHECK(std::get<ast::SubscribeTo>(message.members[2]).leave);
    const auto& publish = std::get<ast::PublishTo>(message.members[3]);
    CHECK(publish.as->text == "x y");
    CHECK(publish.except_self);
    CHECK(publish.priority->text == "low");
    CHECK(std::get<ast::PublishTo>(message.members[4]).as->text == "f");
    CHECK(std::get<ast::PublishTo>(message.members[4]).priority->text == "urgent");
    CHECK_FALSE(std::get<ast::Reply>(message.members[5]).type);
    CHECK(std::holds_alternative<ast::Setting>(message.members[6]));
    CHECK_FALSE(std::get<ast::Reply>(message.members[7]).type);
    CHECK(std::get<ast::Reply>(message.members[7]).condition);
    CHECK(std::get<ast::Reply>(message.members[8]).type->text == "x y");
    CHECK(std::holds_alternative<ast::SubscribeTo>(message.members[9]));
}

TEST_CASE("tokens and backends") {
    const Parsed parsed(R"(token t {
        keys = url "https://x/jwks"
        from header "Authorization" from query "token"
        from certificate
        claim sub : string required
        claim role : string as "https://example.com/role" else "" secret
        claim nets : set of net else { 10.0.0.0/8 }
        claim scope : set of string as "scp" split " " required secret
    }
    backend b { url = "http://127.0.0.1:8000" timeout = 3s sign = file "k" })");
    const auto& token = parsed.item<ast::Token>();
    REQUIRE(token.claims.size() == 4);
    CHECK_FALSE(token.claims[2].split);
    CHECK(token.claims[3].as->text == "scp");
    CHECK(token.claims[3].split->text == " ");
    CHECK(token.claims[3].secret);
    CHECK(token.claims[1].as->text == "https://example.com/role");
    CHECK(token.claims[1].secret);
    CHECK_FALSE(token.claims[0].secret);
    CHECK(show(token.claims[2].absent) == "else {net:10.0.0.0/8}");
    REQUIRE(token.from.size() == 3);
    CHECK(show(token.from[1]) == "query token");
    CHECK(show(token.from[2]) == "certificate");
    CHECK(show(token.settings.at(0).value) == "call url https://x/jwks");
    CHECK(parsed.item<ast::Backend>(1).settings.size() == 3);
}

TEST_CASE("tests") {
    const Parsed parsed(R"(test "t" at "a.example/x" {
        origin = "https://a.example"
        as session { sub = "u1"  roles = { "a" } s = 1 }
        expect deny message "task.update" { id = 7 s = 2 "userId" = 3 a = { b = { "c d" = true } e = {} } f = {1, 2} }
            at "/api" times 3 because "no"
        expect limit publish "c/d" times 10
        expect allow message "x"
    }
    test "u" { at "b" }
    test "v" { at = "c" })");
    const auto& test = parsed.item<ast::Test>();
    CHECK(test.at->text == "a.example/x");
    REQUIRE(test.items.size() == 5);
    CHECK(std::get<ast::As>(test.items[1]).claims.size() == 3);
    const auto& expect = std::get<ast::Expect>(test.items[2]);
    CHECK(expect.verdict.text == "deny");
    CHECK(expect.action.text == "message");
    CHECK(expect.target.text == "task.update");
    CHECK(expect.at->text == "/api");
    CHECK(show(*expect.times) == "int:3");
    CHECK(expect.because->text == "no");
    REQUIRE(expect.members.size() == 5);
    CHECK(expect.members[2].name.text == "userId");
    const auto& a = std::get<std::vector<ast::TestMember>>(expect.members[3].value);
    const auto& b = std::get<std::vector<ast::TestMember>>(a.at(0).value);
    CHECK(b.at(0).name.text == "c d");
    CHECK(show(std::get<ast::Expr>(a.at(1).value)) == "{}");
    CHECK(show(std::get<ast::Expr>(expect.members[4].value)) == "{int:1 int:2}");
    CHECK(std::get<ast::Expect>(test.items[3]).verdict.text == "limit");
    CHECK(parsed.item<ast::Test>(1).at->text == "b");
    CHECK(parsed.item<ast::Test>(2).at->text == "c");
    CHECK(parsed.item<ast::Test>(2).items.empty());
}

TEST_CASE("names may be keywords where nothing else can stand") {
    const Parsed parsed(R"(let limit = 1
let route = limit
token from { keys = none  claim = x  from = 3  claim claim : int required }
backend backend { url = "x" }
policy policy { allow = 1  on_policy_change = keep  message = 3  use = a  errors = drop }
route route /route {
    input message : string from query "m" else ""
    input stream : bool from query "s" else false
    deny connect if message == "x" and stream
    deny connect if route and
        stream and
        message == "y"
    deny connect if message.size > 3
        and channel like "a*"
    use policy
    join {message}
    message message {
        field to : string required
        field allow : bool required
        limit messages to 1/s per to
        publish to {to} if to == "x"
        deny if stream
        allow
    }
    errors = { message, stream }
    to = 1 in = 2 and = 3 not = 4
}
)");
    CHECK(parsed.file.items.size() == 6);
    CHECK(parsed.item<ast::Route>(5).members.size() == 13);
}

TEST_CASE("white space, comments and line ends mean nothing") {
    const std::string plain = "route r /a {\n allow connect if a == \"b\" # c\n# d\n use x\n}\n#";
    std::string windows;
    for (const char c : plain) windows += c == '\n' ? std::string("\r\n") : std::string(1, c);
    for (const std::string& text :
         {plain, windows, std::string("#x\n\n\troute r/a{allow connect if(a==\"b\")use x}"),
          std::string("route #\n r #\n /a #\n { #\n allow #\n connect #\n if #\n a #\n == #\n \"b\" #\n use "
                      "#\n x #\n } #")}) {
        INFO(text);
        const Parsed parsed(text);
        const auto& members = parsed.item<ast::Route>().members;
        REQUIRE(members.size() == 2);
        CHECK(show(std::get<ast::Rule>(members[0]).tail) == " if (== a string:\"b\")");
    }
    CHECK(Parsed("").file.items.empty());
    CHECK(Parsed("# only a comment").file.items.empty());
    CHECK(Parsed("let\nx\n=\n1").item<ast::Let>().name.text == "x");
}

TEST_CASE("spans cover what they name and no blanks") {
    const Parsed parsed("let a = ( b  or c ) # x\n  let d = not ( e ) \n");
    const auto& first = parsed.item<ast::Let>();
    CHECK(parsed.sources.text(first.span) == "let a = ( b  or c )");
    CHECK(parsed.sources.text(first.name.span) == "a");
    CHECK(parsed.sources.text(ast::span_of(first.value)) == "( b  or c )");
    CHECK(parsed.sources.text(std::get<ast::Expr>(first.value).args[0].span) == "b");
    CHECK(parsed.sources.text(ast::span_of(parsed.item<ast::Let>(1).value)) == "not ( e )");

    const Parsed limit(in_route("limit messages to 10/s per user.sub , ip   # c\n\n"));
    const auto found = member<ast::Limit>(limit);
    CHECK(limit.sources.text(found.span) == "limit messages to 10/s per user.sub , ip");
    CHECK(limit.sources.text(found.meter_span) == "messages");
    CHECK(limit.sources.text(found.to.span) == "10/s");
    CHECK(limit.sources.text(found.per[0].span) == "user.sub");
    CHECK(limit.sources.text(ast::span_of(limit.item<ast::Route>().members[0])) ==
          limit.sources.text(found.span));
}

TEST_CASE("all files of a policy are one tree") {
    Sources sources;
    Diagnostics diagnostics;
    load_text("a", "let x = 1", sources, diagnostics);
    load_text("b", "let y = )", sources, diagnostics);
    load_text("c", "let z = 3\n", sources, diagnostics);
    const ast::File file = parse(sources, diagnostics);
    REQUIRE(file.items.size() == 2);
    CHECK(std::get<ast::Let>(file.items[1]).span.file == 2);
    REQUIRE(diagnostics.errors() == 1);
    CHECK(sources.place(diagnostics.all()[0].primary.span) == "b:1:9");
}

TEST_CASE("what is no text is not parsed, a byte order mark is skipped") {
    for (const auto& [text, items] : {std::pair{std::string("\xEF\xBB\xBFlet x = 1"), size_t{1}},
                                      std::pair{std::string("let x = 1\nlet y = \xFF !"), size_t{0}}}) {
        Sources sources;
        Diagnostics diagnostics;
        load_text("x", text, sources, diagnostics);
        CHECK(parse(sources, diagnostics).items.size() == items);
        CHECK(diagnostics.errors() == 1);
    }
}
