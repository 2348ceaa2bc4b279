// What is kept for an operator: the last refusals, and what he watches.
#include <catch2/catch.hpp>

#include "daemon/ops/control/event_books.h"
#include "daemon/ops/control/members.h"
#include "daemon/ops/control/why.h"
#include "daemon/ops/log/log.h"
#include "daemon/ops/log/report_event.h"
#include "tests/unit/ops/captured_stderr.h"

using namespace wayleave;

namespace {

EventRecord refusal_of(const std::string& user, int64_t wall_ms = 1) {
    return {wall_ms, "message-refused", "no", {{"user", user}, {"rule", "/r/chat.route:3:1"}}};
}

EventRecord refusal_at(const std::string& ip, const std::string& rule) {
    return {1, "handshake-refused", "no", {{"ip", ip}, {"rule", rule}}};
}

Event refused(std::string_view user, bool secret = false) {
    Event event{"message-refused", "no"};
    event.of_client = true;
    event.with("session", "00000000000000ff")
        .with("user", user, secret)
        .with("decision", "4f0c/chat.route:3");
    return event.with("rule", "/r/chat.route:3:1").with_aside("facts", "ip is 10.0.0.1");
}

Event traced(std::string_view user) {
    Event event = refused(user);
    event.traced = true;
    return event;
}

}  // namespace

TEST_CASE("the book of refusals finds by each of its names, the newest first, and forgets the oldest") {
    RefusalBook book;
    CHECK(book.find("", 10).since_wall_ms == 0);
    for (int64_t i = 1; i <= 5; ++i) book.add(refusal_of(i % 2 == 0 ? "ben" : "ann", i));
    const auto of_ann = book.find("ann", 2);
    REQUIRE(of_ann.records.size() == 2);
    CHECK(of_ann.all == 3);
    CHECK(of_ann.records[0].wall_ms == 5);
    CHECK(book.find("chat.route:3", 10).all == 5);
    CHECK(book.find("chat.route:4", 10).all == 0);
    CHECK(book.find("", 10).all == 5);
    for (size_t i = 0; i < RefusalBook::most_records; ++i)
        book.add(refusal_of("cleo" + std::to_string(i), 100));
    CHECK(book.find("ann", 10).all == 0);
    CHECK(book.find("", 1).since_wall_ms == 100);
    CHECK(book.totals().forgotten == 5);
}

TEST_CASE("a flood of strangers pushes out neither a user's refusal nor a stranger's by another line") {
    RefusalBook book;
    book.add(refusal_of("victim"));
    book.add(refusal_at("198.51.100.7", "/r/chat.route:9:1"));
    for (int i = 0; i < 20'000; ++i) {
        const std::string ip = "10." + std::to_string(i / 65536) + "." + std::to_string(i / 256 % 256) + "." +
                               std::to_string(i % 256);
        book.add(refusal_at(ip, "/r/chat.route:3:1"));
    }
    CHECK(book.find("victim", 10).all == 1);
    CHECK(book.find("198.51.100.7", 10).all == 1);
    CHECK(book.find("", 1).all == RefusalBook::most_records + 1);
    CHECK(book.totals().bytes <= 2 * RefusalBook::most_bytes);
    CHECK(book.totals().forgotten == 20'002 - RefusalBook::most_records - 1);
}

TEST_CASE("who is refused again and again has a few records, and the others are counted") {
    RefusalBook book;
    for (int64_t i = 1; i <= 1000; ++i) book.add(refusal_of("mallory", i));
    const auto found = book.find("mallory", 100);
    REQUIRE(found.all == RefusalBook::most_alike);
    CHECK(found.records.front().wall_ms == 1000);
    CHECK(found.records.front().field("more").empty());
    CHECK(found.records.back().field("more") == "992");
    CHECK(book.totals().forgotten == 0);

    // The /64 of an IPv6 address is one source.
    for (int i = 0; i < 1000; ++i)
        book.add(refusal_at("2001:db8:1:2::" + std::to_string(i), "/r/chat.route:3:1"));
    CHECK(book.find("", 1).all == 2 * RefusalBook::most_alike);
    for (int i = 0; i < 1000; ++i) book.add(refusal_at("10.0.0.1", "/r/chat.route:" + std::to_string(i)));
    CHECK(book.find("10.0.0.1", 1).all == RefusalBook::most_of_source);
}

TEST_CASE("what the log has gathered is counted along") {
    RefusalBook book;
    EventRecord record = refusal_of("ann");
    record.fields.emplace_back("more", "41");
    for (size_t i = 0; i < RefusalBook::most_alike + 1; ++i) book.add(record);
    // Each is one of its own 41.
    CHECK(book.find("ann", 100).records.back().field("more") == std::to_string(40 + 41));
}

TEST_CASE("long refusals push out others before they fill the memory") {
    RefusalBook book;
    EventRecord record = refusal_of("ann");
    record.message.assign(100'000, 'x');
    for (int i = 0; i < 200; ++i) {
        record.fields[0].second = "ann" + std::to_string(i);
        book.add(record);
    }
    CHECK(book.find("", 1).all < 50);
    CHECK(book.totals().bytes <= RefusalBook::most_bytes);
}

TEST_CASE("why writes what was refused as JSON, whatever it holds") {
    RefusalBook book;
    book.add(refusal_of("a\"b\x01", 1'700'000'000'123));
    const std::string json = why_json(book, {});
    CHECK(json.find(R"("user":"a\"b\u0001")") != std::string::npos);
    CHECK(json.find(R"("time":"2023-11-14T22:13:20.123Z")") != std::string::npos);
    CHECK_FALSE(why_question(R"({"most":0})"));
    CHECK_FALSE(why_question(R"({"other":1})"));
    CHECK(why_question("")->most == 20);
}

TEST_CASE("an event is kept where it was refused, and its asides are no part of the line") {
    const CapturedStderr captured;
    init_log(Level::info, LogFormat::text);
    EventBooks books;
    const RefusalBook& refusals = books.refusals;
    const EdgeReport report = make_event_report(&books);
    report(refused("ann"));
    report(refused("mallory", true));
    Event opened{"connection-opened", "opened"};
    opened.of_client = true;
    report(opened.with("user", "ann").with("decision", "x"));
    flush_log();
    CHECK(refusals.find("", 10).all == 2);
    CHECK(refusals.find("ann", 10).records[0].field("facts") == "ip is 10.0.0.1");
    CHECK(refusals.find("mallory", 10).all == 0);  // a secret name is kept as a hash alone
    for (const std::string& line : captured.lines()) CHECK(line.find("facts") == std::string::npos);
}

TEST_CASE("a trace keeps what fits until it is fetched, says what it lost, and is forgotten if nobody asks") {
    TraceBook book;
    const auto trace = book.begin_trace({.who = "ann"}, 0);
    REQUIRE(trace);
    CHECK(book.filters()->size() == 1);
    const EventRecord record = refusal_of("ann");
    for (size_t i = 0; i < TraceBook::most_records + 3; ++i) CHECK_FALSE(book.take(traced("ann"), record));
    CHECK_FALSE(book.take(traced("ben"), record));
    const auto fetched = book.fetch(*trace, 1000);
    REQUIRE(fetched);
    CHECK(fetched->records.size() == TraceBook::most_records);
    CHECK(fetched->lost == 3);
    CHECK(book.fetch(*trace, 2000)->records.empty());
    CHECK_FALSE(book.tick(2000 + TraceBook::forgotten_after_ms));
    CHECK(book.tick(2001 + TraceBook::forgotten_after_ms));
    CHECK_FALSE(book.fetch(*trace, 3000));
    CHECK(book.filters()->empty());
}

TEST_CASE("what is kept goes when memory is short") {
    EventBooks books;
    books.refused(refusal_of("ann"));
    const auto trace = books.traces.begin_trace({.who = "ann"}, 0);
    CHECK_FALSE(books.traced(traced("ann"), refusal_of("ann")));
    books.forget();
    CHECK(books.refusals.find("", 10).all == 0);
    const auto fetched = books.traces.fetch(*trace, 1);
    CHECK(fetched->records.empty());
    CHECK(fetched->lost == 1);
}

TEST_CASE("so much is watched, and no more") {
    TraceBook book;
    for (size_t i = 0; i + 1 < TraceBook::most_watches; ++i) REQUIRE(book.begin_trace({}, 0));
    CHECK(book.add_log_filter({.user = "ann"}, 5000));
    CHECK_FALSE(book.begin_trace({}, 0));
    CHECK_FALSE(book.add_log_filter({}, 5000));
    CHECK(book.take(traced("ann"), refusal_of("ann")));  // the log wants it
    CHECK_FALSE(book.take(traced("ben"), refusal_of("ben")));
    CHECK(book.tick(5000));
    CHECK_FALSE(book.take(traced("ann"), refusal_of("ann")));
}

TEST_CASE("a filter of the log writes what fits whatever the level is, and nothing else") {
    const CapturedStderr captured;
    init_log(Level::warn, LogFormat::text);
    EventBooks books;
    REQUIRE(books.traces.add_log_filter({.user = "ann"}, 1000));
    const EdgeReport report = make_event_report(&books);
    report(traced("ann"));
    report(traced("ben"));
    report(refused("ann"));  // level info: the log does not take it
    flush_log();
    const auto lines = captured.lines();
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].find("debug") != std::string::npos);
    CHECK(lines[0].find("user=ann") != std::string::npos);
}

TEST_CASE("an operator's level stands over that of the settings, until it is taken back") {
    const CapturedStderr captured;
    init_log(Level::error, LogFormat::text);
    override_log_level(Level::info);
    set_log_level(Level::warn);  // a reload
    CHECK(log_level() == Level::info);
    log_event(Level::info, "one", "one");
    override_log_level(std::nullopt);
    CHECK(log_level() == Level::warn);
    log_event(Level::info, "two", "two");
    flush_log();
    CHECK(captured.lines().size() == 1);
}

TEST_CASE("members are those that are known, of their kind, once") {
    using enum Members::Kind;
    const auto read = [](std::string_view body) {
        return Members::read(body, {{"a"}, {"n", number}, {"f", flag}});
    };
    const auto all = read(R"({"a":"x","n":3,"f":true})");
    REQUIRE(all);
    CHECK(all->text("a") == "x");
    CHECK(all->number("n") == 3);
    CHECK(all->flag("f"));
    CHECK(read("")->text("a").empty());
    CHECK_FALSE(read("")->number("n"));
    for (const char* wrong : {"[]", "{", R"({"b":1})", R"({"a":""})", R"({"a":1})", R"({"n":-1})",
                              R"({"n":"1"})", R"({"f":1})", R"({"a":"x","a":"y"})", "nul\0l"})
        CHECK_FALSE(read(wrong));
}
