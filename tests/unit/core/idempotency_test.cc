#include "daemon/decision/idempotency.h"

#include <catch2/catch.hpp>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

using namespace wayleave;
using Table = IdempotencyTable;

namespace {

constexpr int64_t day_ms = 24 * 3'600'000;

bool fresh(Table& table, std::string_view key, int64_t now_ms = 0, std::string_view scope = "/api") {
    return std::holds_alternative<Table::Fresh>(table.begin(scope, key, "body", now_ms));
}

void do_once(Table& table, const std::string& key, int64_t now_ms = 0, std::string answer = "{}") {
    REQUIRE(fresh(table, key, now_ms));
    table.finish("/api", key, std::move(answer));
}

std::string known(Table& table, std::string_view key, int64_t now_ms = 0) {
    auto begun = table.begin("/api", key, "body", now_ms);
    auto* answer = std::get_if<Table::Known>(&begun);
    return answer ? answer->answer : "none";
}

}  // namespace

TEST_CASE("a request that was answered gets the first answer again") {
    Table table;
    CHECK(fresh(table, "k"));
    CHECK(std::holds_alternative<Table::Running>(table.begin("/api", "k", "body", 1)));
    table.finish("/api", "k", R"({"offset":1})");
    CHECK(known(table, "k", 2) == R"({"offset":1})");
    CHECK(known(table, "k", 3) == R"({"offset":1})");
    CHECK(std::holds_alternative<Table::Other>(table.begin("/api", "k", "another body", 4)));
    CHECK(known(table, "k", 5) == R"({"offset":1})");
}

TEST_CASE("a request with another body is told so while the first runs, too") {
    Table table;
    CHECK(fresh(table, "k"));
    CHECK(std::holds_alternative<Table::Other>(table.begin("/api", "k", "another body", 0)));
}

TEST_CASE("a key is its scope's own") {
    Table table;
    CHECK(fresh(table, "k", 0, "/api"));
    CHECK(fresh(table, "k", 0, "/other"));
    CHECK(fresh(table, "b", 0, "/apik"));
    CHECK(fresh(table, "kb", 0, "/api"));  // scope and key are told apart
    table.finish("/other", "k", "theirs");
    CHECK(std::holds_alternative<Table::Running>(table.begin("/api", "k", "body", 0)));
}

TEST_CASE("what was not done may be tried again, with any body") {
    Table table;
    CHECK(fresh(table, "k"));
    table.forget("/api", "k");
    CHECK(table.bytes() == 0);
    CHECK(std::holds_alternative<Table::Fresh>(table.begin("/api", "k", "another body", 0)));
    table.forget("/api", "nobody's");
    table.finish("/api", "nobody's", "{}");
    CHECK(table.keys() == 1);
}

TEST_CASE("an answer is kept for its time, and a request whose connection is lost for a minute") {
    Table table;
    do_once(table, "done", 1000);
    CHECK(fresh(table, "lost", 1000));
    CHECK(std::holds_alternative<Table::Running>(table.begin("/api", "lost", "body", 60'999)));
    CHECK(fresh(table, "lost", 61'000));
    CHECK(known(table, "done", 999 + day_ms) == "{}");
    CHECK(fresh(table, "done", 1000 + day_ms));
}

TEST_CASE("what has expired takes no room") {
    Table table;
    for (int i = 0; i < 100; ++i) do_once(table, std::to_string(i));
    CHECK(table.keys() == 100);
    CHECK(fresh(table, "late", day_ms));
    CHECK(table.keys() == 1);
    table.forget("/api", "late");
    CHECK(table.bytes() == 0);
}

TEST_CASE("a new key drives out the oldest when there are too many") {
    Table table(day_ms, 3);
    for (const char* key : {"a", "b", "c"}) do_once(table, key);
    CHECK(fresh(table, "d"));
    CHECK(table.keys() == 3);
    CHECK(std::holds_alternative<Table::Running>(table.begin("/api", "d", "body", 0)));
}

TEST_CASE("who asks again does not become younger") {
    Table table(day_ms, 3);
    for (const char* key : {"a", "b", "c"}) do_once(table, key);
    table.forget("/api", "b");
    CHECK(known(table, "a") == "{}");
    do_once(table, "d");
    do_once(table, "e");
    CHECK(fresh(table, "a"));
}

TEST_CASE("large answers drive out the oldest as well") {
    Table table(day_ms, 1000, 10'000);
    for (int i = 0; i < 100; ++i) {
        do_once(table, std::to_string(i), 0, std::string(1000, 'x'));
        CHECK(table.bytes() < 10'000 + 2000);
    }
    CHECK(known(table, "99") == std::string(1000, 'x'));
    CHECK(fresh(table, "0"));
}

TEST_CASE("keys of requests that failed leave nothing behind, whatever stands before them") {
    Table table;
    do_once(table, "first");
    const size_t bytes = table.bytes();
    for (int i = 0; i < 1000; ++i) {
        const std::string key = std::to_string(i);
        REQUIRE(fresh(table, key));
        table.forget("/api", key);
    }
    CHECK(table.keys() == 1);
    CHECK(table.bytes() == bytes);
}

TEST_CASE("of many threads one does the request") {
    Table table;
    std::atomic<int> first{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 500; ++i) {
                const std::string key = std::to_string(i);
                if (!fresh(table, key)) continue;
                ++first;
                table.finish("/api", key, "{}");
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(first == 500);
    CHECK(table.keys() == 500);
}
