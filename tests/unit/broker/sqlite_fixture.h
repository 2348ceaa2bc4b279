// An SqliteBroker in a directory of its own, that can be closed and opened again.
#pragma once

#include <stdlib.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "daemon/broker/sqlite/broker.h"
#include "tests/unit/broker/test_box.h"

namespace wayleave {

class SqliteFixture {
  public:
    SqliteFixture() {
        std::string pattern = "/tmp/wayleave-sqlite-XXXXXX";
        REQUIRE(mkdtemp(pattern.data()) != nullptr);
        directory = pattern;
        settings.path = directory + "/messages.db";
    }
    ~SqliteFixture() {
        broker.reset();
        std::error_code ignored;
        std::filesystem::remove_all(directory, ignored);
    }
    SqliteFixture(const SqliteFixture&) = delete;
    SqliteFixture& operator=(const SqliteFixture&) = delete;

    void open() {
        broker.reset();
        auto opened = SqliteBroker::open(
            settings,
            [this](bool bad, const std::string& message) {
                const std::lock_guard lock(reports_mutex);
                reports.push_back((bad ? "bad: " : "good: ") + message);
            },
            now);
        INFO((opened ? "" : opened.error().text));
        REQUIRE(opened);
        broker = std::move(*opened);
        worker = broker->add_worker(box);
    }
    std::string refused() {
        broker.reset();
        auto opened = SqliteBroker::open(
            settings, [](bool, const std::string&) {}, now);
        REQUIRE_FALSE(opened);
        return opened.error().text;
    }
    // What another program does to the file.
    void sql(const std::string& text) const {
        Database(settings.path, Database::Mode::write).run(text.c_str());
    }
    [[nodiscard]] int64_t ask(const std::string& text) const {
        return Database(settings.path, Database::Mode::read).integer(text.c_str());
    }

    Draft draft(const std::string& text, const std::string& dedup = {}) const {
        Draft draft;
        draft.channel = channel;
        draft.id = text;
        draft.members = "\"text\":\"" + text + "\"";
        draft.dedup = dedup;
        draft.retention = retention;
        draft.now = now;
        return draft;
    }
    Receipt publish(const std::string& text, const std::string& dedup = {}) {
        return finish(broker->publish(draft(text, dedup), {worker, ++ticket}));
    }
    Receipt acknowledge(const std::string& user, Position position) {
        return finish(broker->acknowledge(cursor(user, position), {worker, ++ticket}));
    }
    Progress progress(const std::string& user) {
        return finish(broker->progress(cursor(user, {}), {worker, ++ticket}));
    }
    Cursor cursor(const std::string& user, Position position) const {
        return {channel, user, position, retention, now};
    }
    Query query() const {
        Query query;
        query.channel = channel;
        query.retention = retention;
        query.now = now;
        return query;
    }
    Page read(Query asked) { return finish(broker->read(std::move(asked), {worker, ++ticket})); }
    Page all() {
        Query asked = query();
        asked.oldest = true;
        asked.limit = 1'000'000;
        return read(asked);
    }
    Page since(uint64_t epoch, uint64_t offset) {
        Query asked = query();
        asked.since = Position{epoch, offset};
        return read(asked);
    }
    template <class T>
    T finish(std::optional<T> answer) {
        return answer ? std::move(*answer) : box.wait<T>(ticket);
    }
    void pass(int64_t ms) {
        now.steady_ms += ms;
        now.wall_ms += ms;
    }
    // Background work, until it is seen to be done.
    template <class Done>
    void tidy_until(Done done) {
        for (int i = 0; i < 3000 && !done(); ++i) {
            broker->tick(now);
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        }
        CHECK(done());
    }

    std::string directory;
    SqliteSettings settings;
    Now now{1'000'000, 1'700'000'000'000};
    std::string channel = "room";
    Retention retention{100, 3'600'000, 60'000};
    TestBox box;
    std::unique_ptr<SqliteBroker> broker;
    uint32_t worker = 0;
    uint64_t ticket = 0;
    std::mutex reports_mutex;
    std::vector<std::string> reports;
};

}  // namespace wayleave
