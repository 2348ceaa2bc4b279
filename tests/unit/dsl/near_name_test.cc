#include "dsl/text/near_name.h"

#include <catch2/catch.hpp>

#include <array>
#include <string>

using namespace wayleave;

TEST_CASE("a mistyped name finds its neighbour") {
    constexpr std::array<std::string_view, 5> known = {"publish", "subscribe", "policy.directory", "if",
                                                       "allow"};
    struct Case {
        const char* given;
        const char* nearest;
    };
    for (const auto& [given, nearest] :
         {Case{"publsih", "publish"}, Case{"subscrbe", "subscribe"},
          Case{"polcy.directory", "policy.directory"}, Case{"alow", "allow"}, Case{"allow", "allow"},
          Case{"fi", ""}, Case{"", ""}, Case{"xyzzy", ""}}) {
        INFO(given);
        CHECK(near_name(given, known) == nearest);
    }
    CHECK(near_name(std::string(1000, 'a'), known).empty());
    CHECK(near_name("publish", {}).empty());
}
