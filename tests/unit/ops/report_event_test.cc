#include "daemon/ops/log/report_event.h"

#include <catch2/catch.hpp>

#include "daemon/ops/log/log.h"
#include "tests/unit/ops/captured_stderr.h"

using namespace wayleave;

namespace {

// What stands behind ` user=` in each line.
std::vector<std::string> users_of(const std::vector<std::string>& lines) {
    std::vector<std::string> users;
    for (const std::string& line : lines) {
        const size_t at = line.find(" user=");
        if (at == std::string::npos) continue;
        users.push_back(line.substr(at + 6, line.find(' ', at + 1) - at - 6));
    }
    return users;
}

}  // namespace

TEST_CASE("a secret is written as a hash that tells the same from another, and that nobody can try") {
    const CapturedStderr captured;
    init_log(Level::info, LogFormat::text);
    const EdgeReport one = make_event_report();
    const EdgeReport other = make_event_report();
    const auto say = [](const EdgeReport& report, const char* user, bool secret) {
        Event event{"message-refused", "no"};
        event.of_client = true;
        report(event.with("user", user, secret).with("ip", "10.0.0.1"));
    };
    say(one, "alice", true);
    say(one, "alice", true);
    say(one, "bob", true);
    say(other, "alice", true);
    say(one, "alice", false);
    flush_log();
    const auto users = users_of(captured.lines());
    REQUIRE(users.size() == 5);
    CHECK(users[0].size() == std::string("secret:").size() + 16);
    CHECK(users[0] == users[1]);
    CHECK(users[0] != users[2]);
    CHECK(users[0] != users[3]);
    CHECK(users[4] == "alice");
}

TEST_CASE("what a client wrote is no field of a line") {
    const CapturedStderr captured;
    init_log(Level::info, LogFormat::text);
    Event event{"message-refused", "message: the member `event=connection-opened user=admin` is not a field"};
    event.of_client = true;
    make_event_report()(event.with("user", "ann").with("target", "/ws user=admin"));
    flush_log();
    const auto lines = captured.lines();
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].find("user=admin") == std::string::npos);
    CHECK(lines[0].find("event=connection-opened") == std::string::npos);
    CHECK(lines[0].find(" event=message-refused user=ann target=\"/ws user\\x3Dadmin\"") !=
          std::string::npos);
}

TEST_CASE("what is about no client has its fields, too, and is not crowded out by clients") {
    const CapturedStderr captured;
    init_log(Level::info, LogFormat::text);
    set_log_rate(1);
    Event event{"ruling-failed", "the backend app did not say who may subscribe"};
    event.severity = Severity::warning;
    event.with("decision", "0123456789ab/chat.route:12").with("rule", "chat.route:12:5");
    make_event_report()(event);
    make_event_report()(event);
    flush_log();
    set_log_rate(200);
    const auto lines = captured.lines();
    REQUIRE(lines.size() == 2);
    CHECK(lines[0].find(" event=ruling-failed decision=0123456789ab/chat.route:12 rule=chat.route:12:5") !=
          std::string::npos);
}
