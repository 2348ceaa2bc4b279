#include "daemon/ops/log/log.h"

#include <fcntl.h>
#include <simdjson.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include "daemon/ops/log/format.h"
#include "tests/unit/ops/captured_stderr.h"

using namespace wayleave;

namespace {

LogLine line_of(std::initializer_list<LogField> fields, std::string_view message = "closed") {
    LogLine line = unpack_line(pack_line("connection-closed", message, fields, 0));
    line.time = std::chrono::system_clock::time_point(std::chrono::milliseconds(1767268800123));
    return line;
}

const std::string hostile = std::string("a\nb\x1b[31m\"x\" y=1 \\ \x1f\xff") + '\0' + "\xe2\x80\xae";

}  // namespace

TEST_CASE("a text line is time, level, message and fields") {
    CHECK(format_text(line_of({{"peer", "10.0.0.1:5"}, {"reason", "too slow"}, {"none", ""}}), false) ==
          "2026-01-01T12:00:00.123Z info  closed event=connection-closed peer=10.0.0.1:5 reason=\"too slow\" "
          "none=\"\"");
    CHECK(format_text(line_of({}), true) ==
          "2026-01-01T12:00:00.123Z \x1b[32minfo \x1b[0m closed event=connection-closed");
}

TEST_CASE("hostile values stay inside their field") {
    const auto line = line_of({{"path", hostile}}, hostile);
    for (const auto& text : {format_text(line, false), format_json(line)}) {
        INFO(text);
        CHECK(
            std::none_of(text.begin(), text.end(), [](char c) { return (c >= 0 && c < 0x20) || c == 0x7f; }));
    }
    CHECK(format_text(line, false).find(R"(path="a\x0Ab\x1B[31m\"x\" y\x3D1 \\ \x1F\xFF\x00\u{202E}")") !=
          std::string::npos);
    REQUIRE(line.fields.size() == 1);
}

TEST_CASE("a JSON line is one object that a parser accepts") {
    simdjson::dom::parser parser;
    const simdjson::padded_string text(format_json(line_of({{"path", hostile}, {"n", "1"}}, hostile)));
    const simdjson::dom::element json = parser.parse(text);
    CHECK(std::string_view(json["level"]) == "info");
    CHECK(std::string_view(json["event"]) == "connection-closed");
    CHECK(std::string_view(json["time"]) == "2026-01-01T12:00:00.123Z");
    CHECK(std::string_view(json["fields"]["n"]) == "1");
    CHECK(std::string_view(json["fields"]["path"]).starts_with("a\\x0Ab"));
}

TEST_CASE("journal entries have journald's names") {
    const auto entries = format_journal(line_of({{"close_code", "1006"}, {"päth", "x\ny"}}));
    const std::vector<std::string> expected = {"MESSAGE=closed close_code=1006 p\xC3\xA4th=x\\x0Ay",
                                               "PRIORITY=6",
                                               "SYSLOG_IDENTIFIER=wayleave",
                                               "WAYLEAVE_EVENT=connection-closed",
                                               "WAYLEAVE_CLOSE_CODE=1006",
                                               "WAYLEAVE_P__TH=x\\x0Ay"};
    CHECK(entries == expected);
}

TEST_CASE("the gate lets so many lines a second pass for each event") {
    LogGate gate;
    const LogGate::TimePoint start{std::chrono::hours(1)};
    uint64_t suppressed = 99;
    int passed = 0;
    for (int i = 0; i < 25; ++i)
        passed += gate.pass("a", 10, start + std::chrono::milliseconds(i), suppressed) ? 1 : 0;
    CHECK(passed == 10);
    CHECK(gate.pass("b", 10, start, suppressed));
    CHECK(suppressed == 0);
    CHECK(gate.pass("a", 10, start + std::chrono::seconds(1), suppressed));
    CHECK(suppressed == 15);
    CHECK(gate.refused() == 15);
    CHECK(gate.pass("a", 10, start + std::chrono::seconds(1), suppressed));
    CHECK(suppressed == 0);
    for (int i = 0; i < 1000; ++i) (void)gate.pass("event-" + std::to_string(i), 10, start, suppressed);
}

TEST_CASE("lines reach stderr through the queue, and levels below are left out") {
    const CapturedStderr captured;
    init_log(Level::info, LogFormat::json);
    log_event(Level::debug, "quiet", "not written");
    log_event(Level::warn, "loud", "one\ntwo", {{"key", "v"}});
    flush_log();
    set_log_level(Level::error);
    log_event(Level::warn, "loud", "not written");
    flush_log();
    const auto lines = captured.lines();
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].find(R"("level":"warn","event":"loud","msg":"one\\x0Atwo","fields":{"key":"v"}})") !=
          std::string::npos);
    CHECK(log_lost().queue == 0);
}

TEST_CASE("many threads may log; errors are not suppressed") {
    const CapturedStderr captured;
    init_log(Level::info, LogFormat::text);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([] {
            for (int i = 0; i < 200; ++i) {
                log_event(Level::error, "broken", "message", {{"i", std::to_string(i)}});
                log_event(Level::info, "chatty", "message");
            }
        });
    }
    for (auto& thread : threads) thread.join();
    flush_log();
    const auto lines = captured.lines();
    const auto errors = std::count_if(lines.begin(), lines.end(), [](const auto& line) {
        return line.find(" error message") != std::string::npos;
    });
    CHECK(errors == 800);
    CHECK(lines.size() < 800 + 100);
}

TEST_CASE("without a journal its lines go to stderr, and that is said once") {
    if (access("/run/systemd/journal/socket", F_OK) == 0) return;  // they would stand in the journal
    const CapturedStderr captured;
    init_log(Level::info, LogFormat::journald);
    log_event(Level::info, "first", "one");
    log_event(Level::info, "second", "two");
    flush_log();
    const auto lines = captured.lines();
    REQUIRE(lines.size() == 3);
    CHECK(lines[0].find("the journal does not take") != std::string::npos);
    CHECK(lines[1].find("one event=first") != std::string::npos);
    CHECK(lines[2].find("two event=second") != std::string::npos);
    init_log(Level::info, LogFormat::text);
}
