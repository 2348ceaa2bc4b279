#include "daemon/notify/notice_queue.h"

#include <stdlib.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>
#include <thread>

#include "daemon/notify/notice_store.h"

using namespace wayleave;

namespace {

// Answers as it is told to, at once and on the queue's thread, and remembers what it was asked.
class Listener final : public Backends {
  public:
    void send(BackendRequest request, Done done) override {
        int status = 0;
        {
            const std::lock_guard lock(mutex_);
            heard_.push_back(request);
            status = status_;
            if (status == 0) held_.push_back(done);
        }
        changed_.notify_all();
        if (status != 0) done(answer(status), read_clocks());
    }
    void answer_with(int status) {
        std::vector<Done> held;
        {
            const std::lock_guard lock(mutex_);
            status_ = status;
            held.swap(held_);
        }
        for (const Done& done : held) done(answer(status), read_clocks());
    }
    std::vector<BackendRequest> wait_for(size_t count) {
        std::unique_lock lock(mutex_);
        const bool came =
            changed_.wait_for(lock, std::chrono::seconds(60), [&] { return heard_.size() >= count; });
        if (!came) FAIL(heard_.size() << " came, not " << count);
        return heard_;
    }

  private:
    static BackendAnswer answer(int status) {
        BackendAnswer out;
        out.kind = BackendAnswer::Kind::answered;
        out.status = status;
        return out;
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<BackendRequest> heard_;
    std::vector<Done> held_;
    int status_ = 204;
};

std::shared_ptr<const Backend> backend() {
    Backend out;
    out.name = "app";
    return std::make_shared<const Backend>(out);
}

std::unique_ptr<NoticeQueue> queue(Listener& listener, NoticeQueue::Bounds bounds = {},
                                   std::unique_ptr<NoticeStore> store = nullptr) {
    return std::make_unique<NoticeQueue>(
        NoticeQueue::Parts{
            listener, [](std::string_view name) { return name == "app" ? backend() : nullptr; },
            [](const Notice&, const BackendAnswer&) {}, [](bool, const std::string&) {}, std::move(store)},
        bounds);
}

Notice notice(uint64_t session, const std::string& id, bool last = false) {
    Notice out;
    out.backend = "app";
    out.path = "/events";
    out.id = id;
    out.body = R"({"id":")" + id + "\"";
    out.session = session;
    out.user = "ann";
    out.last = last;
    out.at_ms = read_clocks().wall_ms;
    return out;
}

void wait_until(const auto& condition) {
    for (int i = 0; i < 6000 && !condition(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    REQUIRE(condition());
}

// Removed at the end.
class Directory {
  public:
    Directory() { path_ = ::mkdtemp(pattern_); }
    ~Directory() { std::filesystem::remove_all(path_); }
    [[nodiscard]] std::string file() const { return path_ + "/x.notices"; }

  private:
    char pattern_[32] = "/tmp/wayleave-notices-XXXXXX";
    std::string path_;
};

}  // namespace

TEST_CASE("notices of a session keep their order, and others do not wait for them") {
    Listener listener;
    listener.answer_with(0);
    const auto made = queue(listener);
    for (const char* id : {"a1", "a2", "a3"}) made->tell(notice(1, id));
    made->tell(notice(2, "b1"));
    const auto first = listener.wait_for(2);
    CHECK(first[0].id + first[1].id == "a1b1");
    listener.answer_with(204);
    const auto all = listener.wait_for(4);
    CHECK(all[2].id == "a2");
    CHECK(all[3].id == "a3");
    wait_until([&] { return made->totals().waiting == 0; });
    CHECK(made->totals().delivered == 4);
    CHECK(made->totals().bytes == 0);
}

TEST_CASE("what did not arrive is tried again under the same id, and a no is final") {
    Listener listener;
    listener.answer_with(503);
    const auto made = queue(listener);
    made->tell(notice(1, "a1"));
    listener.wait_for(1);
    listener.answer_with(204);
    CHECK(listener.wait_for(2)[1].id == "a1");
    wait_until([&] { return made->totals().waiting == 0; });
    CHECK(made->totals().retried == 1);
    listener.answer_with(400);
    made->tell(notice(1, "a2"));
    wait_until([&] { return made->totals().refused == 1; });
    CHECK(made->totals().waiting == 0);
}

TEST_CASE("the last session of a user is known when its end is told of") {
    Listener listener;
    const auto made = queue(listener);
    made->opened(1, notice(1, "lost1", true));
    made->opened(2, notice(2, "lost2", true));
    made->closed(1);
    made->tell(notice(1, "d1", true));
    CHECK(listener.wait_for(1)[0].body == R"({"id":"d1","last":false})");
    made->closed(2);
    made->tell(notice(2, "d2", true));
    CHECK(listener.wait_for(2)[1].body == R"({"id":"d2","last":true})");
    wait_until([&] { return made->totals().sessions == 0; });
}

TEST_CASE("memory is bounded, and what has no room is counted") {
    Listener listener;
    listener.answer_with(0);
    NoticeQueue::Bounds bounds;
    bounds.bytes = 10'000;
    const auto made = queue(listener, bounds);
    for (int i = 0; i < 100; ++i) made->tell(notice(1, "n" + std::to_string(i)));
    wait_until([&] { return made->totals().waiting > 0; });
    CHECK(made->totals().bytes <= 10'000);
    CHECK(made->totals().lost >= 80);
}

TEST_CASE("what fills the queue leaves room for ends") {
    Listener listener;
    listener.answer_with(0);
    NoticeQueue::Bounds bounds;
    bounds.bytes = 100'000;
    const auto made = queue(listener, bounds);
    for (int i = 0; i < 1000; ++i) made->tell(notice(1, "n" + std::to_string(i)));
    for (uint64_t i = 2; i < 22; ++i) made->tell(notice(i, "end" + std::to_string(i), true));
    listener.answer_with(200);
    wait_until([&] {
        const NoticeTotals totals = made->totals();
        return totals.delivered + totals.lost == 1020;
    });
    size_t ends = 0;
    for (const BackendRequest& request : listener.wait_for(1))
        ends += request.body.find("end") != std::string::npos ? 1 : 0;
    CHECK(ends == 20);
    CHECK(made->totals().lost > 0);
}

TEST_CASE("a backend that the policy does not have any more hears nothing") {
    Listener listener;
    const auto made = queue(listener);
    Notice gone = notice(1, "x");
    gone.backend = "old";
    made->tell(std::move(gone));
    wait_until([&] { return made->totals().lost == 1; });
    CHECK(made->totals().waiting == 0);
}

TEST_CASE("what is on disk is told by the next daemon, in its order, with the sessions that were lost") {
    const Directory directory;
    {
        Listener listener;
        listener.answer_with(0);
        const auto made = queue(listener, {}, std::move(*NoticeStore::open(directory.file(), false)));
        made->opened(7, notice(7, "lost7", true));
        made->opened(8, notice(8, "lost8", true));
        made->closed(8);
        for (const char* id : {"a1", "a2", "a3"}) made->tell(notice(1, id));
        listener.wait_for(1);
        made->finish(0);
        CHECK(std::filesystem::status(directory.file()).permissions() ==
              (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
    }
    Listener listener;
    NoticeQueue::Bounds bounds;
    bounds.lost_after_ms = 0;
    bounds.in_memory = 2;
    const auto made = queue(listener, bounds, std::move(*NoticeStore::open(directory.file(), false)));
    std::vector<std::string> ids;
    for (const BackendRequest& request : listener.wait_for(4)) ids.push_back(request.id);
    CHECK(std::count(ids.begin(), ids.end(), "lost7") == 1);
    std::erase(ids, "lost7");
    CHECK(ids == std::vector<std::string>{"a1", "a2", "a3"});
    wait_until([&] { return made->totals().waiting == 0; });
}

TEST_CASE("a notice that was on disk knows where its answer belongs, unless that was another daemon") {
    const Directory directory;
    for (const bool again : {false, true}) {
        Listener listener;
        listener.answer_with(again ? 204 : 0);
        NoticeQueue::Bounds bounds;
        bounds.in_memory = 1;
        std::mutex mutex;
        std::map<std::string, std::pair<uint32_t, uint32_t>> places;
        NoticeQueue made(
            {listener, [](std::string_view) { return backend(); },
             [&](const Notice& told, const BackendAnswer&) {
                 const std::lock_guard lock(mutex);
                 places[told.id] = {told.worker, told.from.index};
             },
             [](bool, const std::string&) {}, std::move(*NoticeStore::open(directory.file(), false))},
            bounds);
        const auto tell = [&](const std::string& id) {
            Notice one = notice(1, id);
            one.worker = 3;
            one.from = {7, 9};
            made.tell(std::move(one));
        };
        if (!again) {
            for (const char* id : {"a", "b", "c"}) tell(id);
            listener.wait_for(1);
            continue;
        }
        for (const char* id : {"d", "e"}) tell(id);
        wait_until([&] { return made.totals().delivered == 5; });
        const std::lock_guard lock(mutex);
        for (const char* id : {"a", "b", "c"}) CHECK(places[id] == std::pair(0U, 0U));
        for (const char* id : {"d", "e"}) CHECK(places[id] == std::pair(3U, 7U));
    }
}

TEST_CASE("more than memory takes stays on disk and keeps its order") {
    const Directory directory;
    Listener listener;
    listener.answer_with(0);
    NoticeQueue::Bounds bounds;
    bounds.in_memory = 10;
    const auto made = queue(listener, bounds, std::move(*NoticeStore::open(directory.file(), false)));
    for (int i = 0; i < 200; ++i) made->tell(notice(1, "n" + std::to_string(i)));
    wait_until([&] { return made->totals().waiting == 200; });
    CHECK(made->totals().bytes < 20'000);
    listener.answer_with(204);
    const auto all = listener.wait_for(200);
    for (size_t i = 0; i < 200; ++i) CHECK(all[i].id == "n" + std::to_string(i));
    wait_until([&] { return made->totals().waiting == 0; });
    made->finish(0);
    CHECK((*NoticeStore::open(directory.file(), false))->backends().empty());
}
