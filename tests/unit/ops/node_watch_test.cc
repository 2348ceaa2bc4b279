// What an operator is told of the other nodes.
#include "daemon/ops/server/node_watch.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <string>
#include <string_view>

#include "daemon/ops/log/log.h"
#include "daemon/ops/server/admin.h"
#include "tests/unit/ops/captured_stderr.h"

using namespace wayleave;

namespace {

NodeList skewed_for(int64_t ms) {
    NodeList list;
    list.nodes.resize(2);
    list.nodes[0].report.name = "left";
    list.nodes[0].report.policy = "aaaa";
    list.nodes[1].report.name = "\x1b[2Jright";
    list.nodes[1].report.policy = "bbbb";
    list.skewed_ms = ms;
    return list;
}

std::string lines_of(const CapturedStderr& captured) {
    flush_log();
    std::string out;
    for (const std::string& line : captured.lines()) out += line + "\n";
    return out;
}

size_t times(const std::string& text, const std::string& word) {
    size_t out = 0;
    for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++out;
    return out;
}

}  // namespace

TEST_CASE("policies that differ are worth a word after five minutes, and one when it is over", "[ops]") {
    const CapturedStderr captured;
    init_log(Level::info, LogFormat::text);
    NodeWatch watch("left");
    for (const int64_t ms : {int64_t{0}, int64_t{1}, tolerated_skew_ms - 1}) watch.tell(skewed_for(ms));
    CHECK(lines_of(captured).empty());
    for (const int64_t ms : {tolerated_skew_ms, tolerated_skew_ms + 1000}) watch.tell(skewed_for(ms));
    std::string told = lines_of(captured);
    CHECK(times(told, "event=policy-skew") == 1);
    CHECK(told.find("left has aaaa") != std::string::npos);
    CHECK(told.find("right has bbbb") != std::string::npos);
    CHECK(told.find('\x1b') == std::string::npos);
    for (int i = 0; i < 2; ++i) watch.tell(skewed_for(0));
    told = lines_of(captured);
    CHECK(times(told, "event=policy-skew-over") == 1);
    watch.tell(skewed_for(tolerated_skew_ms));
    told = lines_of(captured);
    CHECK(times(told, "event=policy-skew ") == 2);
}

TEST_CASE("a node that was taken for dead says so once", "[ops]") {
    const CapturedStderr captured;
    init_log(Level::info, LogFormat::text);
    NodeWatch watch("left");
    NodeList list;
    watch.tell(list);
    list.buried = 1;
    for (int i = 0; i < 3; ++i) watch.tell(list);
    CHECK(times(lines_of(captured), "event=node-buried") == 1);
}

TEST_CASE("the metric of policies that differ waits as long", "[ops]") {
    for (const int64_t ms : {int64_t{0}, tolerated_skew_ms - 1, tolerated_skew_ms}) {
        Snapshot shot;
        shot.nodes = skewed_for(ms);
        const std::string_view wanted =
            ms == tolerated_skew_ms ? "\nwayleave_policy_skew 1\n" : "\nwayleave_policy_skew 0\n";
        CHECK(answer_admin({"GET", "/metrics", ""}, shot).body.find(wanted) != std::string::npos);
    }
}
