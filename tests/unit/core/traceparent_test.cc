#include "daemon/protocol/traceparent.h"

#include <catch2/catch.hpp>

using namespace wayleave;

namespace {

const std::string id = "4bf92f3577b34da6a3ce929d0e0e4736";
const std::string known = "00-" + id + "-00f067aa0ba902b7-01";

std::string changed(size_t at, char c) {
    std::string out = known;
    out[at] = c;
    return out;
}

}  // namespace

TEST_CASE("a trace that was begun goes on with another parent") {
    std::mt19937_64 random(1);
    const auto trace = parse_traceparent(known);
    REQUIRE(trace);
    CHECK(trace->sampled);
    const std::string next = traceparent(&*trace, random);
    CHECK(next.substr(0, 36) == known.substr(0, 36));
    CHECK(next.substr(36, 16) != known.substr(36, 16));
    CHECK(next.substr(52) == "-01");
    CHECK(parse_traceparent(next) == trace);
    CHECK(traceparent(&*trace, random) != next);
    const auto quiet = parse_traceparent(changed(54, '0'));
    REQUIRE(quiet);
    CHECK(traceparent(&*quiet, random).ends_with("-00"));
    // Flags that we do not know are not passed on.
    const auto flagged = parse_traceparent(changed(53, 'f'));
    REQUIRE(flagged);
    CHECK(traceparent(&*flagged, random).ends_with("-01"));
}

TEST_CASE("what is none that the recommendation knows begins nothing") {
    CHECK(parse_traceparent("cc-" + known.substr(3)));
    CHECK(parse_traceparent("cc-" + known.substr(3) + "-more"));
    for (const std::string& value :
         {std::string(), known.substr(0, 54), known + "0", known + "-more", "cc-" + known.substr(3) + "x",
          "ff-" + known.substr(3), "00-" + std::string(32, '0') + known.substr(35),
          known.substr(0, 36) + std::string(16, '0') + "-01", changed(3, 'A'), changed(20, 'g'),
          changed(40, ' '), changed(2, '_'), changed(35, '_'), changed(52, '_'), changed(0, 'x'),
          changed(54, '\0'), " " + known}) {
        INFO(value);
        CHECK_FALSE(parse_traceparent(value));
    }
}

TEST_CASE("where nobody has begun a trace one begins") {
    std::mt19937_64 random(1);
    const std::string one = traceparent(nullptr, random);
    const std::string two = traceparent(nullptr, random);
    REQUIRE(parse_traceparent(one));
    CHECK(parse_traceparent(one) != parse_traceparent(two));
}
