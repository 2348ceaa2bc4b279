#include "dsl/policy/list_change.h"

#include <catch2/catch.hpp>

using namespace wayleave::dsl;

namespace {

std::string line_with(int first, int last, const std::string& more = "") {
    std::string list;
    for (int i = first; i <= last; ++i) list += (list.empty() ? "" : ", ") + std::to_string(i);
    return "deny connect if n in { " + list + " }" + more;
}

}  // namespace

TEST_CASE("a long list is shown by its number of values") {
    CHECK(shortened("deny connect") == "deny connect");
    CHECK(shortened(line_with(1, 3)) == line_with(1, 3));
    CHECK(shortened(line_with(1, 100, " because \"{ 1, 2 }\"")) ==
          "deny connect if n in { 100 values } because \"{ 1, 2 }\"");
    CHECK(shortened("publish to room/{room}") == "publish to room/{room}");
    CHECK(shortened("not { closed") == "not { closed");
}

TEST_CASE("what differs within long lists is told as that") {
    CHECK(with_list_changes(line_with(1, 100), line_with(2, 102)) ==
          "deny connect if n in { +2 -1 values: + 101, 102 - 1 }");
    CHECK(with_list_changes(line_with(1, 100), line_with(1, 100)).empty());
    CHECK(with_list_changes(line_with(1, 3), line_with(1, 4)).empty());
    CHECK(with_list_changes(line_with(1, 100), line_with(2, 102, " and x")).empty());
    const std::string all = with_list_changes(line_with(1, 100), line_with(201, 300));
    CHECK(all.size() < 150);
    CHECK(all.find("+100 -100 values:") != std::string::npos);
    // A brace and a comma within a text are no list's.
    CHECK(with_list_changes(R"(x in { "a,b}", 2, 3, 4, 5, 6, 7, 8, 9 })",
                            R"(x in { "a,b}", 2, 3, 4, 5, 6, 7, 8 })") == "x in { +0 -1 values: - 9 }");
}
