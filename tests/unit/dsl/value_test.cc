#include "dsl/policy/value.h"

#include <catch2/catch.hpp>

using namespace wayleave::dsl;

TEST_CASE("addresses are read and printed in their shortest form") {
    struct Case {
        const char* text;
        const char* printed;
        bool v4;
    };
    for (const auto& [text, printed, v4] :
         {Case{"10.0.0.1", "10.0.0.1", true}, Case{"::ffff:10.0.0.1", "10.0.0.1", true},
          Case{"::FFFF:0A00:0001", "10.0.0.1", true}, Case{"0.0.0.0", "0.0.0.0", true},
          Case{"::1", "::1", false}, Case{"2001:DB8:0:0:0:0:0:1", "2001:db8::1", false},
          Case{"::", "::", false},
          Case{"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
               false}}) {
        INFO(text);
        const auto address = parse_address(text);
        REQUIRE(address);
        CHECK(address->text() == printed);
        CHECK(address->is_v4() == v4);
        CHECK(parse_address(printed) == address);
    }
    for (const char* text :
         {"", "10.0.0", "10.0.0.256", "10.0.0.01", "1.2.3.4.5", " 1.2.3.4", "1.2.3.4 ", ":", ":::", "1:2",
          "12345::", "::1%eth0", "::g", "10.0.0.1/8", "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255.255"}) {
        INFO(text);
        CHECK_FALSE(parse_address(text));
    }
    CHECK_FALSE(parse_address(std::string_view("::1\0", 4)));
}

TEST_CASE("nets contain what shares their bits") {
    struct Case {
        const char* net;
        const char* first;
        const char* last;
        const char* outside;
    };
    for (const auto& [text, first, last, outside] :
         {Case{"10.0.0.0/8", "10.0.0.0", "10.255.255.255", "11.0.0.0"},
          Case{"192.168.4.0/22", "192.168.4.0", "192.168.7.255", "192.168.8.0"},
          Case{"10.0.0.1/32", "10.0.0.1", "10.0.0.1", "10.0.0.2"},
          Case{"0.0.0.0/0", "0.0.0.0", "255.255.255.255", "::1"},
          Case{"2001:db8::/32", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::"},
          Case{"::1/128", "::1", "::1", "::2"}}) {
        INFO(text);
        const auto net = parse_net(text);
        REQUIRE(net);
        CHECK(net->text() == text);
        CHECK(net->contains(*parse_address(first)));
        CHECK(net->contains(*parse_address(last)));
        CHECK_FALSE(net->contains(*parse_address(outside)));
        CHECK(net->last() == *parse_address(last));
        CHECK(canonical(*net) == *net);
    }
    CHECK(parse_net("::/0")->contains(*parse_address("10.0.0.1")));
    CHECK(parse_net("10.0.0.1") == parse_net("10.0.0.1/32"));
    CHECK(parse_net("::ffff:10.0.0.0/104") == parse_net("10.0.0.0/8"));
    CHECK(parse_net("::ffff:0.0.0.0/90")->text() == "::ffff:0.0.0.0/90");
    CHECK(canonical(*parse_net("10.1.2.3/8")).text() == "10.0.0.0/8");
    CHECK(canonical(*parse_net("2001:db8::1/33")).text() == "2001:db8::/33");
    for (const char* text : {"", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "::/129",
                             "10.0.0.0/8/8", "10.0.0.0/ 8", "10.0.0.0/99999999999"}) {
        INFO(text);
        CHECK_FALSE(parse_net(text));
    }
}

TEST_CASE("dates are days of the calendar") {
    CHECK(parse_date("1970-01-01") == 0);
    CHECK(parse_date("1969-12-31") == -1);
    CHECK(parse_date("2024-02-29") == 19782);
    CHECK(parse_date("2027-06-30") == 20999);
    for (const char* text :
         {"", "2023-02-29", "2027-02-30", "2027-13-01", "2027-00-10", "2027-01-00", "2027-1-01", "27-01-01",
          "2027/01/01", "2027-01-011", "+027-01-01", "2027-0a-01"}) {
        INFO(text);
        CHECK_FALSE(parse_date(text));
    }
}

TEST_CASE("integers fill 64 bits and no more") {
    CHECK(parse_integer("0") == 0);
    CHECK(parse_integer("-7") == -7);
    CHECK(parse_integer("9223372036854775807") == INT64_MAX);
    CHECK(parse_integer("-9223372036854775808") == INT64_MIN);
    for (const char* text : {"", "-", "+1", "1 ", " 1", "1.0", "0x1", "9223372036854775808"}) {
        INFO(text);
        CHECK_FALSE(parse_integer(text));
    }
}

TEST_CASE("values are printed for people") {
    using Set = std::vector<Scalar>;
    CHECK(print(true) == "true");
    CHECK(print(int64_t{-3}) == "-3");
    CHECK(print(0.1) == "0.1");
    CHECK(print(std::string("a \"b\" \\ \x1b[31m\n")) == R"("a \"b\" \\ \u{1b}[31m\u{0a}")");
    CHECK(print(*parse_address("10.0.0.1")) == "10.0.0.1");
    CHECK(print(*parse_net("10.0.0.0/8")) == "10.0.0.0/8");
    CHECK(print(Rate{20, 1000, false}) == "20/s");
    CHECK(print(Rate{65536, 60'000, true}) == "64kb/m");
    CHECK(print(Rate{1 << 20, 3'600'000, true}) == "1mb/h");
    CHECK(print(Rate{100, 86'400'000, true}) == "100b/d");
    CHECK(print(Rate{0, 250, true}) == "0b/250ms");
    CHECK(print(Set{}) == "{}");
    CHECK(print(Set{std::string("a"), std::string("b")}) == R"({ "a", "b" })");
    CHECK(to_value(Scalar(int64_t{4})) == Value(int64_t{4}));
    CHECK(to_value(Scalar(std::string("x"))) == Value(std::string("x")));
}

TEST_CASE("types are named as in a policy") {
    CHECK(to_string({Kind::boolean, Shape::one}) == "bool");
    CHECK(to_string({Kind::floating, Shape::one}) == "float");
    CHECK(to_string({Kind::string, Shape::set}) == "set of string");
    CHECK(to_string({Kind::integer, Shape::list}) == "list of int");
    CHECK(to_string({Kind::rate, Shape::map}) == "map of rate");
    CHECK(to_string({Kind::date, Shape::one}) == "date");
}
