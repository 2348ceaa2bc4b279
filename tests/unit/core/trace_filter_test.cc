#include "daemon/session/trace_filter.h"

#include <catch2/catch.hpp>

using namespace wayleave;

TEST_CASE("a trace fits by what it names, all of it") {
    const TraceFilter::Subject ann{"ann", "chat", 0xab01, "/etc/wayleave/routes.d/chat.route:12:5"};
    CHECK(TraceFilter{}.fits(ann));
    CHECK(TraceFilter{.who = "ann"}.fits(ann));
    CHECK(TraceFilter{.who = "chat"}.fits(ann));
    CHECK(TraceFilter{.who = "000000000000ab01"}.fits(ann));
    CHECK_FALSE(TraceFilter{.who = "an"}.fits(ann));
    CHECK(TraceFilter{.user = "ann", .route = "chat", .session = 0xab01}.fits(ann));
    CHECK_FALSE(TraceFilter{.user = "ann", .route = "other"}.fits(ann));
    CHECK_FALSE(TraceFilter{.session = 1}.fits(ann));
    CHECK(TraceFilter{.rule = "chat.route:12"}.fits(ann));
    CHECK_FALSE(TraceFilter{.rule = "chat.route:1"}.fits(ann));
    CHECK(TraceFilter{.rule = "chat.route:1"}.may_fit(ann));
}

TEST_CASE("who has no name is found by no name") {
    const TraceFilter::Subject nobody{"", "", 7};
    CHECK_FALSE(TraceFilter{.who = "ann"}.fits(nobody));
    CHECK_FALSE(TraceFilter{.user = "ann"}.fits(nobody));
    CHECK_FALSE(TraceFilter{.rule = "chat.route:12"}.fits(nobody));
}

TEST_CASE("a place is named with or without its directory and column") {
    CHECK(is_place("chat.route:12", "/etc/routes.d/chat.route:12:5"));
    CHECK(is_place("chat.route:12:5", "chat.route:12:5"));
    CHECK(is_place("/etc/routes.d/chat.route:12", "/etc/routes.d/chat.route:12:5"));
    CHECK_FALSE(is_place("chat.route:1", "chat.route:12:5"));
    CHECK_FALSE(is_place("/other/chat.route:12", "/etc/routes.d/chat.route:12:5"));
    CHECK_FALSE(is_place("", ""));
}
