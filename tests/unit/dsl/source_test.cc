#include "dsl/text/source.h"

#include <catch2/catch.hpp>

using namespace wayleave::dsl;

TEST_CASE("places are counted in lines and characters") {
    Sources sources;
    const uint32_t file = sources.add("a.route", "one\ntwö x\r\n\nlast");
    struct Case {
        uint32_t offset, line, column;
    };
    for (const auto& [offset, line, column] :
         {Case{0, 1, 1}, Case{3, 1, 4}, Case{4, 2, 1}, Case{8, 2, 4}, Case{9, 2, 5}, Case{12, 3, 1},
          Case{13, 4, 1}, Case{17, 4, 5}, Case{99, 4, 5}}) {
        INFO(offset);
        const Position at = sources.position(file, offset);
        CHECK(at.line == line);
        CHECK(at.column == column);
    }
    CHECK(sources.place({file, 9, 10}) == "a.route:2:5");
    CHECK(sources.text({file, 4, 8}) == "twö");
    CHECK(sources.line(file, 1) == "one");
    CHECK(sources.line(file, 2) == "twö x");  // without \r
    CHECK(sources.line(file, 3).empty());
    CHECK(sources.line(file, 4) == "last");
    CHECK(sources.line(file, 5).empty());
    CHECK(sources.line(file, 0).empty());
}

TEST_CASE("places in a long line are counted in characters") {
    std::string text = "x\n";
    for (int i = 0; i < 10'000; ++i) text += "a\u00E9";
    Sources sources;
    const uint32_t file = sources.add("a", text);
    for (const uint32_t pairs : {0U, 1U, 1365U, 1366U, 4096U, 10'000U}) {
        INFO(pairs);
        CHECK(sources.position(file, 2 + 3 * pairs).line == 2);
        CHECK(sources.position(file, 2 + 3 * pairs).column == 1 + 2 * pairs);
    }
    for (const size_t size : {4095U, 4096U, 4097U}) {
        const uint32_t full = sources.add("b", std::string(size, 'x'));
        CHECK(sources.position(full, static_cast<uint32_t>(size)).column == size + 1);
    }
}

TEST_CASE("text stays where it is when files are added") {
    Sources sources;
    const uint32_t first = sources.add("a", "short");
    const std::string_view view = sources.text({first, 0, 5});
    for (int i = 0; i < 100; ++i) sources.add("b", "x");
    CHECK(view == "short");
    CHECK(view.data() == sources.file(first).text.data());
    CHECK(sources.size() == 101);
}
