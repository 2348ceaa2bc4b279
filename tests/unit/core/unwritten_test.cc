#include "daemon/base/unwritten.h"

#include <catch2/catch.hpp>

using namespace wayleave;

TEST_CASE("what is written does not stay, though something always waits behind it") {
    Unwritten out;
    size_t most = 0;
    out.text() = "x";
    for (int i = 0; i < 10'000; ++i) {
        out.text().append(1000, static_cast<char>('a' + i % 26));
        out.written(1000);
        CHECK(out.view().size() == 1);
        most = std::max(most, out.held());
    }
    CHECK(most < 8'000);
    CHECK(out.view() == std::string(1, static_cast<char>('a' + 9'999 % 26)));
    out.written(1);
    CHECK(out.view().empty());
    CHECK(out.held() < 32);
}
