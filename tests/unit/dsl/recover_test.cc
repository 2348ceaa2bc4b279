// What a person is told about broken policies: every line of `told` is one diagnostic, and there are no
// others.
#include "dsl/syntax/recover.h"

#include <catch2/catch.hpp>

#include "dsl/syntax/load.h"
#include "dsl/syntax/parse.h"
#include "tests/support/growth.h"

using namespace wayleave::dsl;

namespace {

struct Broken {
    const char* text;
    const char* told;  // line:column message [| help]
};

std::string told(const std::string& text) {
    Sources sources;
    Diagnostics diagnostics;
    load_text("p", text, sources, diagnostics);
    (void)parse(sources, diagnostics);
    std::string out;
    for (const Diagnostic& one : diagnostics.all()) {
        const Position at = sources.position(0, one.primary.span.begin);
        if (!out.empty()) out += '\n';
        out += std::to_string(at.line) + ":" + std::to_string(at.column) + " " + one.message;
        if (!one.help.empty()) out += " | " + one.help;
    }
    return out;
}

void check(std::initializer_list<Broken> cases, const std::string& before = {},
           const std::string& after = {}) {
    for (const Broken& broken : cases) {
        INFO(broken.text);
        CHECK(told(before + broken.text + after) == broken.told);
    }
}

std::string repeated(const std::string& text, size_t times) {
    std::string out;
    for (size_t i = 0; i < times; ++i) out += text;
    return out;
}

}  // namespace

TEST_CASE("mistakes at the top") {
    check({
        {"let Foo = 1", "1:5 `Foo` is no name | a name has lower-case letters, digits and `_`: `foo`"},
        {"let myName = 1",
         "1:5 `myName` is no name | a name has lower-case letters, digits and `_`: `my_name`"},
        {"let my-name = 1",
         "1:5 `my-name` is no name | a name has lower-case letters, digits and `_`: `my_name`"},
        {"let = 1", "1:5 expected a name after `let`, found `=`"},
        {"let x 1", "1:7 expected `=`, found `1`"},
        {"let x == 1", "1:7 expected `=`, found `==`"},
        {"let x =", "1:8 unexpected end of file: expected a value after `=`"},
        {"let x =\nlet y = 1", "1:8 expected a value after `=`"},
        {"let x = # why\n\n", "1:8 unexpected end of file: expected a value after `=`"},
        {"rute x /x {\n allow connect\n}\nlet y = 1",
         "1:1 there is no statement `rute` | did you mean `route`?"},
        {"Route x /x {}", "1:1 there is no statement `Route` | did you mean `route`?"},
        {"allow connect",
         "1:1 `allow` has no place here | it stands inside `route`, `api`, `policy` or `defaults`"},
        {"claim sub : string required", "1:1 `claim` has no place here | it stands inside `token`"},
        {"timeout = 3s", "1:1 a setting stands inside a block"},
        {"}", "1:1 this `}` closes nothing | remove it"},
        {"policy p {}\n}\nlet x = )",
         "2:1 this `}` closes nothing | remove it\n3:9 expected a value after `=`, found `)`"},
        {"route a /a {\n allow connect\n", "2:15 unexpected end of file: expected `}`"},
        {"include \"x\"",
         "1:1 there is no `include` | all *.route files of the directory are one policy: put the other file "
         "beside this one"},
        {"test x {}", "1:6 expected the test's title in quotes, found `x`"},
        {"policy p", "1:9 unexpected end of file: expected `{`"},
        {"// a comment", "1:1 a comment begins with `#`"},
        {"let x = 1\r", "1:10 a carriage return without a line feed | lines end with LF or CRLF"},
        {"\x01", "1:1 a control character | remove it"},
    });
}

TEST_CASE("mistakes in literals") {
    check(
        {
            {"\"abc", "1:9 the string has no closing `\"` | a string ends on its line"},
            {"\"abc\nlet y = )",
             "1:9 the string has no closing `\"` | a string ends on its line\n2:9 expected a value after "
             "`=`, found `)`"},
            {"\"a\\qb\"",
             "1:11 there is no such escape | strings know `\\\"`, `\\\\`, `\\n`, `\\t` and `\\u{…}`"},
            {"\"\\u{d800}\"", "1:10 `\\u{d800}` is no character"},
            {"\"\\u{}\"",
             "1:10 `\\u` is followed by one to six hexadecimal digits in `{}` | like `\\u{e9}` for é"},
            {"\"\\u00e9\"",
             "1:10 `\\u` is followed by one to six hexadecimal digits in `{}` | like `\\u{e9}` for é"},
            {"\"\\u{0}\"", "1:10 a string cannot hold a NUL"},
            {"\"a\tb\"", "1:11 a control character in a string | write it as `\\t`, `\\n` or `\\u{…}`"},
            {"'abc'", "1:9 a string stands in double quotes | write `\"…\"`"},
            {"“abc”", "1:9 a string stands in straight quotes | write `\"…\"`"},
            {"9223372036854775808", "1:9 `9223372036854775808` is too large"},
            {"9999999999999999mb", "1:9 `9999999999999999mb` is too large"},
            {"9999999999999999d", "1:9 `9999999999999999d` is too large"},
            {"99999999999999999999/s", "1:9 `99999999999999999999/s` is too large"},
            {"1 kb",
             "1:9 a number and its unit stand together | write it without a blank, like `1kb`, `30s` or "
             "`20/s`"},
            {"20 / s",
             "1:9 a number and its unit stand together | write it without a blank, like `1kb`, `30s` or "
             "`20/s`"},
            {"1MB",
             "1:9 units are written in lower case, and stand with their number | write it like `1mb`, `30s` "
             "or `20/s`"},
            {"1 MB",
             "1:9 units are written in lower case, and stand with their number | write it like `1mb`, `30s` "
             "or `20/s`"},
            {"20/S",
             "1:9 units are written in lower case, and stand with their number | write it like `1mb`, `30s` "
             "or `20/s`"},
            {"$HOME",
             "1:9 environment variables are not read | write the value, or make the file with a program such "
             "as envsubst"},
            {"5sec",
             "1:9 this is no number, size, time, rate, date or address | units are b kb mb and ms s m h d; a "
             "rate is "
             "`20/s`, a date `2027-06-30`, a net `10.0.0.0/8`"},
            {"2027-02-30", "1:9 `2027-02-30` is no day of the calendar"},
            {"2027-6-3", "1:9 `2027-6-3` is no date | a date is written `2027-06-30`"},
            {"10.0.0.256", "1:9 `10.0.0.256` is no IP address"},
            {"1:2::3::4", "1:9 `1:2::3::4` is no IP address"},
            {"10.0.0.0/33",
             "1:9 `10.0.0.0/33` is no net | a net is an address and a length: at most `/32` for IPv4, `/128` "
             "for IPv6"},
            {"10.1.2.3/8",
             "1:9 `10.1.2.3/8` has bits set behind its length | write `10.0.0.0/8`, or `10.1.2.3` for the "
             "one address"},
            {"2001:db8::1/32",
             "1:9 `2001:db8::1/32` has bits set behind its length | write `2001:db8::/32`, or `2001:db8::1` "
             "for the one "
             "address"},
            {"https://example.com", "1:9 a URL stands in quotes | write `\"https://…\"`"},
            {"error not_yours", "1:9 the name of an error stands in quotes | write `error \"…\"`"},
            {"file keys/x.jwks", "1:9 the path of a file stands in quotes | write `file \"…\"`"},
        },
        "let x = ");
}

TEST_CASE("host bits have an id of their own") {
    Sources sources;
    Diagnostics diagnostics;
    load_text("p", "let x = { 10.0.0.1/8 }", sources, diagnostics);
    const ast::File file = parse(sources, diagnostics);
    REQUIRE(diagnostics.errors() == 1);
    CHECK(diagnostics.all()[0].id == "E003");
    CHECK(file.items.size() == 1);
}

TEST_CASE("mistakes in conditions") {
    check(
        {
            {"", "2:16 expected a condition after `if`"},
            {"a = \"x\"", "2:19 `=` gives a value to a setting | to compare, write `==`"},
            {"(a = 1)", "2:20 `=` gives a value to a setting | to compare, write `==`"},
            {"a && b", "2:19 `&&` is no operator | write `and`"},
            {"a || b", "2:19 `||` is no operator | write `or`"},
            {"!a", "2:17 `!` is no operator | write `not`"},
            {"a => 3", "2:19 `=>` is no operator | write `>=`"},
            {"a =~ \"x\"",
             "2:19 there are no regular expressions | `like` matches a whole text with `*` for any part of "
             "it"},
            {"a and b or c",
             "2:25 `and` and `or` are mixed without parentheses | write parentheses: `(a and b) or …`"},
            {"a or b and c",
             "2:24 `and` and `or` are mixed without parentheses | write parentheses: `(a or b) and …`"},
            {"x and (a or b and c)",
             "2:31 `and` and `or` are mixed without parentheses | write parentheses: `(a or b) and …`"},
            {"a < b < c", "2:23 comparisons do not chain | join two comparisons with `and`"},
            {"a not in { 1 }", "2:19 `not` stands before the whole comparison | write `not a in b`"},
            {"not not a", "2:21 expected a condition after `not`, found `not`"},
            {"a and", "2:22 expected a condition after `and`"},
            {"a ==", "2:21 expected a value to compare with"},
            {"(a", "2:19 expected `)`"},
            {"a in { 1, }", "2:27 expected a value after `,`, found `}`"},
            {"a in { 1 2 }", "2:26 expected `,` or `}`, found `2`"},
            {"m[a]", "2:21 expected `else` and the value for a key that is not in the map"},
            {"m[a] else b", "2:27 expected a literal after `else`, found `b`"},
            {"user.Plan == 1",
             "2:22 `Plan` is no name | a name has lower-case letters, digits and `_`: `plan`"},
            {"user. == 1", "2:22 expected a name after `.`, found a blank"},
            {"f(a)", "2:18 unexpected `(` | there are no functions; parentheses stand around a condition"},
            {"a contains \"x\"",
             "2:19 there is no `contains` | a member of a set is found with `in`: `\"x\" in user.roles`"},
            {"a \"why\"", "2:19 a string alone says nothing | write `because` before a reason"},
            {"a because", "2:26 expected a reason in quotes after `because`"},
            {"a because no", "2:27 expected a reason in quotes after `because`, found `no`"},
            {"a then 403",
             "2:24 expected `status N`, `close N`, `error \"name\"` or `drop` after `then`, found `403`"},
            {"a because \"x\" if b",
             "2:31 `if` continues nothing here | a rule is written in the order `on … with … by … if … then "
             "… "
             "because "
             "…`, each at most "
             "once"},
        },
        "policy p {\ndeny connect if ", "\n}\nlet y = 1");
}

TEST_CASE("mistakes in the members of a route") {
    check(
        {
            {"message a { alow }", "2:13 unexpected `alow` | did you mean `allow`?"},
            {"alow connect", "2:1 there is no statement `alow` | did you mean `allow`?"},
            {"Allow connect", "2:1 there is no statement `Allow` | did you mean `allow`?"},
            {"allow pubish on a", "2:7 expected an action, found `pubish` | did you mean `publish`?"},
            {"allow if a",
             "2:7 expected an action, found `if` | one of connect, subscribe, publish, presence, history, "
             "disconnect, "
             "message"},
            {"allow connect;", "2:14 `;` has no place here | a statement ends by itself: remove it"},
            {"allow connect presence", "2:15 unexpected `presence`"},
            {"allow connect subscribe", "2:15 `subscribe` has no place here | it stands inside `message`"},
            {"deny connect becuase \"x\"", "2:14 unexpected `becuase` | did you mean `because`?"},
            {"allow subscribe on /a", "2:20 a channel does not begin with `/`"},
            {"allow subscribe on \"a\"", "2:20 a channel stands without quotes"},
            {"allow subscribe on a//b", "2:21 a channel has no empty segment, and does not end in `/`"},
            {"allow subscribe on a-{b}",
             "2:22 an insert fills a whole segment | before a block write a blank"},
            {"join user/:user.sub",
             "2:16 `:name` catches a segment; a value is inserted otherwise | write `{user.sub}`"},
            {"allow subscribe on {b}c", "2:23 captures, wildcards and inserts fill a whole segment"},
            {"allow subscribe on a*", "2:21 a wildcard fills a whole segment"},
            {"allow subscribe on **/a", "2:22 `**` stands at the end alone | use `*` for one segment"},
            {"allow subscribe on {a",
             "2:22 expected `}` directly behind the name, found the end of the line"},
            {"allow subscribe on a%",
             "2:21 `%` cannot stand in a channel | a channel has letters, digits and `._-~@`, and `:` but "
             "not first"},
            {"allow subscribe on", "2:19 expected a channel after `on`"},
            {"limit messages to 10/s", "2:23 expected `per` and what is counted, like `per user.sub`"},
            {"limit mesages to 10/s per ip",
             "2:7 expected a meter, found `mesages` | did you mean `messages`?"},
            {"limit messages 10/s per ip", "2:16 expected `to`, found `10`"},
            {"limit connections to 1 per ip on excess", "2:40 expected `refuse` or `replace_oldest`"},
            {"ban ip for 30 after 2 refusals per 1m",
             "2:12 expected a time after `for`, like `30s`, found `30`"},
            {"ban ip for 1s after 2 refusal per 1m",
             "2:23 expected what is counted: refusals, limits or errors, found `refusal` | did you mean "
             "`refusals`?"},
            {"use", "2:4 expected the name of a policy"},
            {"join", "2:5 expected a channel after `join`"},
            {"join user/{ user.sub }", "2:12 expected a name in `{}`, without blanks, found a blank"},
            {"stream s app \"/x\"", "2:10 expected `to` and a backend, found `app`"},
            {"stream s to app", "2:16 expected a path in quotes"},
            {"alias /x until tomorrow",
             "2:16 expected a date after `until`, like `2027-06-30`, found `tomorrow`"},
            {"alias /x where a = b", "2:20 expected a source or a literal, found `b`"},
            {"notify app \"/x\" on conect",
             "2:20 expected an event, found `conect` | did you mean `connect`?"},
            {"input x : int from hedder \"X\" else 0",
             "2:20 expected query, header, cookie, subprotocol or certificate, found `hedder` | did "
             "you mean "
             "`header`?"},
            {"input x : int from header \"X\"",
             "2:30 expected `required`, or `else` and the value if it is absent"},
            {"input x : list of int from header \"X\" else {}",
             "2:11 only a field of a message can be a list | write `set of`"},
            {"input x : strng from header \"X\" else {}",
             "2:11 expected a type, found `strng` | did you mean `string`?"},
            {"origin: \"x\"", "2:1 expected `=` after `origin` | a setting is written `name = value`"},
            {"max == 3", "2:1 expected `=` after `max` | a setting is written `name = value`"},
            {"timeout 3s", "2:1 there is no statement `timeout` | a setting is written `timeout = value`"},
            {"maxSize = 3",
             "2:1 `maxSize` is no name | a name has lower-case letters, digits and `_`: `max_size`"},
            {"auth =", "2:7 expected a value after `=`"},
            {"origins = { \"a\", \"b\"", "2:21 expected `,` or `}`"},
            {"let x = { 1, \"a\": 2 }",
             "2:14 a set and a map are mixed | every entry of a map is `key: value`"},
            {"field x : int required", "2:1 `field` has no place here | it stands inside `message`"},
            {"  route b /b {}",
             "2:3 `route` has no place here | it stands at the top, outside of every block"},
            {"errors { a = error b }", "2:14 the name of an error stands in quotes | write `error \"…\"`"},
            {"if a",
             "2:1 `if` continues nothing here | a rule is written in the order `on … with … by … if … then … "
             "because …`, "
             "each "
             "at most once"},
        },
        "policy p {\n", "\nallow connect\n}\nlet y = 1");
}

TEST_CASE("mistakes in messages") {
    check(
        {
            {"allow publish",
             "3:7 a rule inside `message` has no action | leave the word out: here `allow` and `deny` are "
             "about the sending "
             "of this message"},
            {"deny connect if a",
             "3:6 a rule inside `message` has no action | leave the word out: here `allow` and `deny` are "
             "about the sending "
             "of this message"},
            {"field a.b : int required",
             "3:8 this name has no dots | give it a plain name and the dotted path in quotes, like `id : int "
             "as "
             "\"user.id\"`"},
            {"field x : int", "3:14 expected `required`, or `else` and the value if it is absent"},
            {"field x : set int required", "3:15 expected `of` and a type, found `int`"},
            {"field x int required", "3:9 expected `:` and a type, found `int`"},
            {"publish user/{x}", "3:9 expected `to` and a channel, found `user`"},
            {"publish to x except me", "3:21 expected `self` after `except`, found `me`"},
            {"  use fair",
             "3:3 `use` has no place here | it stands inside `route`, `api`, `policy` or `defaults`"},
        },
        "policy p {\nmessage m {\n", "\nallow\n}\n}\nlet y = 1");
}

TEST_CASE("mistakes in addresses") {
    check(
        {
            {"https://Chat.Example.com:8080/x", "1:9 an address has no scheme | write `chat.example.com/x`"},
            {"wss://a.example", "1:9 an address has no scheme | write `a.example/`"},
            {"Chat.example.com/X", "1:9 host names are written in lower case | write `chat.example.com/X`"},
            {"example.com:443/x",
             "1:9 an address has no port | write `example.com/x`: ports belong to the listeners"},
            {"example.com", "1:9 this address has no path | write `example.com/`"},
            {"\"/x\"", "1:9 an address stands without quotes"},
            {"/a?b=c",
             "1:11 an address has no query | read a value of the query with `input … from query \"…\"`"},
            {"/a#b", "1:11 `#` cannot stand in an address | before a comment write a blank"},
            {"/a%20b",
             "1:11 `%` cannot stand in an address | write the character itself: paths are decoded before "
             "they are "
             "compared"},
            {"/a//b", "1:12 an address has no empty segment | write one `/`"},
            {"/a*", "1:11 a wildcard fills a whole segment"},
            {"/**/a", "1:12 `**` stands at the end alone | use `*` for one segment"},
            {"/a/{id}",
             "1:12 `{…}` cannot stand in an address | an address catches a segment with `:name`; a channel "
             "uses it with "
             "`{name}`"},
            {"/a/:Id", "1:13 `Id` is no name | a name has lower-case letters, digits and `_`: `id`"},
            {"/a/../b",
             "1:12 `..` cannot stand in an address | addresses that clients send are refused with it"},
            {"/a;", "1:11 `;` has no place here | a statement ends by itself: remove it"},
            {"-a.example/", "1:9 a part of a host name does not begin or end with `-`"},
            {"/a,", "1:13 expected an address after `,`, found `{`"},
            {"/:id(int", "1:17 expected `)`, found a blank"},
        },
        "route r ", " {\n    allow connect\n}\nlet y = 1");
}

TEST_CASE("mistakes in tests and tokens") {
    check(
        {
            {"expect alow connect \"x\"",
             "2:8 expected allow, deny or limit after `expect`, found `alow` | did you mean `allow`?"},
            {"expect allow conect \"x\"",
             "2:14 expected an action, found `conect` | did you mean `connect`?"},
            {"expect allow connect", "2:21 expected the channel, address, message type or stream in quotes"},
            {"expect allow message \"x\" { a = 1, b = 2 }",
             "2:33 `,` has no place here | statements and members stand side by side, without commas"},
            {"expect allow message \"x\" { a = 1 c }", "2:36 expected `=`, found `}`"},
            {"as session", "2:11 expected `{`"},
            {"as session { sub \"x\" }", "2:14 unexpected `sub`"},
            {"at \"/x\" at \"/y\"", "2:12 this test already has an address | a test is about one connection"},
            {"allow connect",
             "2:1 `allow` has no place here | it stands inside `route`, `api`, `policy` or `defaults`"},
        },
        "test \"t\" {\n", "\nexpect deny connect \"y\"\n}\nlet y = 1");
    check(
        {
            {"claim sub : string", "2:19 expected `required`, or `else` and the value if it is absent"},
            {"fron header \"x\"", "2:1 there is no statement `fron` | did you mean `from`?"},
            {"from header", "2:12 expected a name in quotes"},
        },
        "token t {\n", "\nclaim b : int required\n}\nlet y = 1");
}

TEST_CASE("twenty mistakes in twenty-seven lines are twenty diagnostics") {
    CHECK(told(R"(let Rate = 2/s
let support = { "support" "admin" }
backend app {
    url = "http://127.0.0.1
    timeout: 3s
}
token session {
    claim sub : strin required
    claim plan : string
    from heder "Authorization"
}
route chat Example.com/ws {
    auth = { session
    alow connect
    allow conect
    deny connect if a and b or c
    deny connect if user.plan = "free" because "no"
    limit messages to 10/s
    message task {
        allow publish
        field id int required
        publish to /x
    }
    alias /old until 2027-02-30
    join user/{user.sub
}
rout x /x { allow connect })") ==
          "1:5 `Rate` is no name | a name has lower-case letters, digits and `_`: `rate`\n"
          "2:27 expected `,` or `}`, found `\"admin\"`\n"
          "4:11 the string has no closing `\"` | a string ends on its line\n"
          "5:5 expected `=` after `timeout` | a setting is written `name = value`\n"
          "8:17 expected a type, found `strin` | did you mean `string`?\n"
          "9:24 expected `required`, or `else` and the value if it is absent\n"
          "10:10 expected query, header, cookie, subprotocol or certificate, found `heder` | did "
          "you mean "
          "`header`?\n"
          "12:12 host names are written in lower case | write `example.com/ws`\n"
          "13:21 expected `,` or `}`\n"
          "14:5 there is no statement `alow` | did you mean `allow`?\n"
          "15:11 expected an action, found `conect` | did you mean `connect`?\n"
          "16:29 `and` and `or` are mixed without parentheses | write parentheses: `(a and b) or …`\n"
          "17:31 `=` gives a value to a setting | to compare, write `==`\n"
          "18:27 expected `per` and what is counted, like `per user.sub`\n"
          "20:15 a rule inside `message` has no action | leave the word out: here `allow` and `deny` are "
          "about the "
          "sending of this message\n"
          "21:18 expected `:` and a type, found `int`\n"
          "22:20 a channel does not begin with `/`\n"
          "24:22 `2027-02-30` is no day of the calendar\n"
          "25:24 expected `}` directly behind the name, found the end of the line\n"
          "27:1 there is no statement `rout` | did you mean `route`?");
}

TEST_CASE("a brace that is missing is told once, where it belongs") {
    Sources sources;
    Diagnostics diagnostics;
    load_text("p", "route a /a {\n    message x {\n        allow\n}\nroute b /b {\n    allow connect\n}\n",
              sources, diagnostics);
    (void)parse(sources, diagnostics);
    CHECK(render(diagnostics, sources, false) ==
          "error[E001]: expected `}` before `route`\n"
          "  --> p:5:1\n"
          "   |\n"
          " 5 | route b /b {\n"
          "   | ^^^^^\n"
          "  ::: p:2:15\n"
          "   |\n"
          " 2 |     message x {\n"
          "   |               - this `{` is not closed\n"
          "\n"
          "1 error, 0 warnings\n");
    check({
        {"route a /a {\n    message x {\n        allow\n    message y {\n        allow\n    }\n}\nlet x = 1",
         "4:5 expected `}` before `message`"},
        {"route a /a {\n    allow connect\nroute b /b {\n    allow connect\n}\n",
         "3:1 expected `}` before `route`"},
        {"route a /a\n    allow connect\n}\nlet x = 1", "1:11 expected `{`"},
        {"policy a {\n    allow connect\nlet x = 1\n}\n", ""},
        {"channel a { keep = 3d\nlet x = 1", "2:1 expected `}` before `let`"},
        {"route a /a {\n    message x\n        allow\n    }\n    allow connect\n}\n", "2:14 expected `{`"},
        {"route a /a {\n    }\n    allow connect\n}\nlet x = )",
         "3:5 `allow` has no place here | it stands inside `route`, `api`, `policy` or `defaults`\n"
         "5:9 expected a value after `=`, found `)`"},
    });
}

TEST_CASE("no input takes the parser's stack") {
    const size_t many = 100'000;
    const std::string deep = "nested deeper than 64 levels | name the inner parts with `let`";
    CHECK(told("let x = " + repeated("(", 64) + "a" + repeated(")", 64)).empty());
    CHECK(told("let x = " + repeated("(", 65) + "a" + repeated(")", 65)) == "1:74 " + deep);
    CHECK(told("let x = " + repeated("(", many)) == "1:74 " + deep);
    CHECK(told("let x = " + repeated("{", many)) == "1:74 " + deep);
    CHECK(told("let x = " + repeated("m[", many)) == "1:139 " + deep);
    CHECK(told("let x = " + repeated("not ", many)) == "1:13 expected a condition after `not`, found `not`");
    CHECK(told("let x = a" + repeated(" and a", many)).empty());
    const std::string test = "test \"t\" { expect allow message \"m\" ";
    CHECK(told(test + repeated("{a=", many) + "1" + repeated("}", many) + "}") == "1:230 " + deep);
    CHECK(told(test + repeated("{", many) + repeated("}", many + 1)) ==
          "1:38 expected a member like `id = 7`, or `}`, found `{`");
}

TEST_CASE("the work grows with the text, not with its square") {
    const size_t some = 2'000;
    for (const char* line :
         {"let x = \"\n", ";", "}", "route\n", "route a /a {\n", "route a a {\n", "let x = 1 "}) {
        INFO(line);
        CHECK(growth([&](size_t many) { (void)told(repeated(line, many)); }, some) < most_growth);
    }
    for (const char* line :
         {"alow x\n", "message x {\n", "message {\n", "deny connect if a and b or c\n", "; ", "\n #"}) {
        INFO(line);
        const auto work = [&](size_t many) { (void)told("route a /a {\n" + repeated(line, many)); };
        CHECK(growth(work, some) < most_growth);
    }
}

TEST_CASE("skipping always moves on") {
    for (const std::string_view text :
         {"a", "\"", "{", "}", ";", ",", "\xC3", "#", "\n", "((", "é", "route"}) {
        INFO(text);
        CHECK(next_statement(text, 0, keywords::body) > 0);
        CHECK(next_item(text, 0) > 0);
        CHECK(token_end(text, 0) > 0);
    }
    CHECK(token_end("", 0) == 0);
    CHECK(blank_end(" # x\n\t y", 0) == 7);
    CHECK(previous_token_end("a b # c\n d", 0, 9) == 3);
    CHECK(token_end("\"a\\\"b\" c", 0) == 6);
    CHECK(token_end("\"a\nb\"", 0) == 2);
    CHECK(block_brace("message x { # why\n", 0) == 10);
    CHECK(block_brace("join a/{b}\n{", 0) == std::string_view::npos);
}
