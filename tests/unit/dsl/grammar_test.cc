// The only test that sees PEGTL: is the grammar sound, and do its tokens take what they should and no more?
#include "dsl/syntax/grammar.h"

#include <catch2/catch.hpp>
#include <tao/pegtl/contrib/analyze.hpp>

using namespace wayleave::dsl;
namespace pegtl = tao::pegtl;

namespace {

struct Raised {};

struct State {
    size_t depth = 0;
};

template <class Rule>
struct Quiet : pegtl::normal<Rule> {
    template <class Input>
    [[noreturn]] static void raise(const Input&, State&) {
        throw Raised{};
    }
};

// Does the rule take the whole text?
template <class Rule>
bool takes(std::string_view text) {
    pegtl::memory_input<pegtl::tracking_mode::lazy, pegtl::eol::lf_crlf, const char*> in(text.data(),
                                                                                         text.size(), "");
    State state;
    try {
        return pegtl::parse<pegtl::seq<Rule, pegtl::eof>, pegtl::nothing, Quiet>(in, state);
    } catch (const Raised&) {
        return false;
    }
}

template <class Rule>
void accept(std::initializer_list<std::string_view> good, std::initializer_list<std::string_view> bad) {
    for (const auto text : good) {
        INFO(text);
        CHECK(takes<Rule>(text));
    }
    for (const auto text : bad) {
        INFO(text);
        CHECK_FALSE(takes<Rule>(text));
    }
}

}  // namespace

TEST_CASE("no rule can loop without progress, no recursion is to the left") {
    CHECK(pegtl::analyze<grammar::file>() == 0);
}

TEST_CASE("tokens") {
    using namespace grammar;
    accept<name>({"a", "ab_1", "on_policy_change", "a  # x"}, {"", "A", "1a", "_a", "aB", "a-b", "é"});
    accept<kw<"allow">>({"allow", "allow \n"}, {"allowed", "allow_x", "allow-x", "Allow", "allo"});
    accept<grammar::string>({R"("")", R"("a\"b")", R"("\\")", "\"#\" "},
                            {"\"", "\"a\nb\"", R"("\")", "'a'", "a"});
    accept<date_node>({"2027-06-30", "1-2-3"}, {"2027-06", "2027-06-30x", "2027-06-30-1"});
    accept<ip_node>({"10.0.0.1", "::", "::1", "2001:db8::1", "1:2:3:4:5:6:7:8", "::ffff:1.2.3.4"},
                    {"10.0.0", "10.0.0.1/8", "abc", "abc:", "a:b", "10.0.0.1.2", ":1"});
    accept<net_node>({"10.0.0.0/8", "::/0", "2001:db8::/32"},
                     {"10.0.0.0", "10.0.0.0/", "10.0/8", "10.0.0.0/8x"});
    accept<rate_node>({"20/s", "64kb/m", "1mb/h", "10b/d"},
                      {"20/x", "20/", "20 /s", "20/sec", "20/ms", "20/s/s"});
    accept<size_node>({"1b", "4kb", "2mb"}, {"4", "4k", "4KB", "4gb", "4kbs", "4.5kb"});
    accept<time_node>({"50ms", "1s", "2m", "3h", "4d"}, {"1", "1w", "1sec", "1s2", "-1s"});
    accept<int_node>({"0", "12", "-3"}, {"", "-", "+1", "1a", "1.", "1_000", "--1"});
    accept<float_node>({"0.5", "-1.25"}, {".5", "1.", "1.2.3", "1.5s", "1e3"});
}

TEST_CASE("addresses and channels") {
    using namespace grammar;
    accept<url>({"/", "/a/b/", "a.b/", "*.b/x", ":t.b/:id(int)/**", "/a;b", "/é"},
                {"", "a", "a.b", "//", "/a//b", "/a?b", "/a#b", "/a%20", "/a*", "/**/a", "A.b/", "a:80/",
                 "/a b", "/:Id", "/a\x01", "/a;", "/\"a\"", "/:", "/a\\b"});
    accept<channel_pat>(
        {"a", "a/b", "{x.y}/**", ":id(uuid)/*", "A.b_c-d~e@f:g"},
        {"", "/a", "a/", "a//b", "**/a", "a*", "x{y}", "{x}y", "{ x}", "{x", ":a b", "a%", "é", "a#"});
    accept<message_type>({"a", "task.update", "call.*", "*", "A-b_1.c2"},
                         {"", ".", "a.", "*.a", "a.*.b", "a..b", "a$"});
}

TEST_CASE("reserved words are no operands, names that begin like them are") {
    using namespace grammar;
    accept<expr>({"order", "inner", "notes", "android", "ifs", "truely"},
                 {"or", "in", "not", "and", "if", "then", "because", "else", "not or", "a and",
                  "a or b and c", "a < b < c"});
}
