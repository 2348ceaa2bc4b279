// What lets the main thread wait for nobody: jobs in a queue, answers that come later, and those that never
// come.
#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/broker/local_presence.h"
#include "daemon/broker/memory/broker.h"
#include "daemon/decision/bans.h"
#include "daemon/decision/limits.h"
#include "daemon/edge/canary.h"
#include "daemon/edge/mailbox.h"
#include "daemon/edge/worker.h"
#include "daemon/message/notices.h"
#include "daemon/ops/control/control_publisher.h"
#include "daemon/ops/control/inspect.h"
#include "daemon/ops/control/pending_answers.h"
#include "daemon/ops/control/worker_questions.h"
#include "daemon/ops/load/runtime_loader.h"
#include "daemon/ops/server/http_server.h"
#include "daemon/ops/server/job_queue.h"
#include "tests/unit/core/gateway_fixture.h"
#include "tests/unit/edge/socket_pair.h"
#include "tests/unit/identity/key_fixture.h"

using namespace wayleave;

namespace {

// Turns the loop until it is so. A test that waits for what never comes fails after a minute.
void run_until(Loop& loop, const std::function<bool()>& condition) {
    Timer look(loop, [&] {
        if (condition()) loop.stop();
    });
    Timer give_up(loop, [&] {
        loop.stop();
        FAIL("gave up waiting");
    });
    look.every(1);
    give_up.after(60'000);
    loop.run();
}

constexpr const char* policy =
    "route chat /chat { auth = none  allow connect }\n"
    "channel kept/* { history = 10  keep = 1h  acks = user }\n";

std::shared_ptr<const Runtime> runtime() {
    const KeyDirectory files;
    (void)files.write("a.route", policy);
    const LoadedRuntime loaded = load_policy_paths({files.path()});
    INFO(loaded.render(false));
    REQUIRE(loaded.runtime);
    return loaded.runtime;
}

struct NobodyIsTold final : Notices {
    void tell(Notice) override {}
    void opened(uint64_t, Notice) override {}
    void closed(uint64_t) override {}
};

// Workers without a listener. One that was not started is one that never answers.
struct Crew {
    explicit Crew(size_t count) {
        for (size_t i = 0; i < count; ++i) {
            auto worker = Worker::create(
                {broker, presence, slots, canary, exchange, limits, bans, notices, quota, report}, {}, {},
                run);
            REQUIRE(worker);
            workers.push_back(std::move(*worker));
        }
        canary.begin(count);
    }
    ~Crew() {
        for (const auto& worker : workers) worker->stop();
        for (const auto& worker : workers) worker->join();
    }

    const std::shared_ptr<const Runtime> run = runtime();
    const EdgeReport report = [](const Event&) {};
    Loop loop;
    LoopCalls calls{loop};
    MemoryBroker broker;
    LocalPresence presence{[this](const Publication& message) { broker.announce(message); }};
    test::SeenSlots slots;
    Canary canary{broker};
    Exchange exchange;
    LimitTable limits;
    NobodyIsTold notices;
    BanTable bans;
    ConnectionQuota quota{10};
    Workers workers;
    WorkerQuestions questions{loop, calls, workers};
};

constexpr std::string_view publication = R"({"channel":"kept/a","data":{"type":"x"}})";

// A server whose handler answers when the test says so.
struct Asked {
    Asked() : listening(std::move(*listen_on({"127.0.0.1", 0}, {}))), port(port_of(listening)) {
        server.emplace(loop, std::move(listening),
                       [this](const OpsRequest& request, const Responder& respond) {
                           paths.emplace_back(request.path);
                           responders.push_back(respond);
                       });
    }

    [[nodiscard]] FileDescriptor client() const {
        FileDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        to.sin_port = htons(port);
        REQUIRE(connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
        REQUIRE(fcntl(socket.get(), F_SETFL, O_NONBLOCK) == 0);
        return socket;
    }
    [[nodiscard]] FileDescriptor ask(const std::string& path) {
        FileDescriptor socket = client();
        const size_t before = paths.size();
        test::say(socket, "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
        run_until(loop, [&] { return paths.size() > before; });
        return socket;
    }
    // All that the server has to say to it.
    std::string heard(const FileDescriptor& socket) {
        std::string text;
        run_until(loop, [&] {
            text += test::hear(socket);
            return test::ended(socket);
        });
        return text;
    }

    Loop loop;
    FileDescriptor listening;
    uint16_t port;
    std::vector<std::string> paths;
    std::vector<Responder> responders;
    std::optional<HttpServer> server;
};

}  // namespace

TEST_CASE("jobs are done in order, one at a time", "[ops]") {
    JobQueue queue;
    std::string seen;
    const auto job = [&](const std::string& name) {
        queue.add({[&seen, name] { seen += name; }, [&seen, name] { seen += "-" + name; }});
    };
    job("a");
    job("b");
    job("c");
    CHECK(seen == "a");
    CHECK(queue.waiting() == 2);
    queue.end();
    CHECK(seen == "ab");
    queue.end();
    queue.end();
    CHECK(seen == "abc");
    job("d");
    CHECK(seen == "abcd");
}

TEST_CASE("a job may end as it begins, and add another", "[ops]") {
    JobQueue queue;
    std::string seen;
    queue.add({[&] {
                   seen += 'a';
                   queue.add({[&] { seen += 'b'; }, [] {}});
                   queue.end();
               },
               [] {}});
    CHECK(seen == "ab");
}

TEST_CASE("a queue that is stopped refuses what waits and what comes", "[ops]") {
    JobQueue queue;
    std::string seen;
    const auto job = [&](const std::string& name) {
        queue.add({[&seen, name] { seen += name; }, [&seen, name] { seen += "-" + name; }});
    };
    job("a");
    job("b");
    queue.stop();
    CHECK(seen == "a-b");
    job("c");
    queue.end();
    CHECK(seen == "a-b-c");
    CHECK(queue.waiting() == 0);
}

TEST_CASE("an answer counts once, and patience ends", "[ops]") {
    Loop loop;
    LoopCalls calls(loop);
    PendingAnswers<int> pending(loop, calls);
    std::vector<std::optional<int>> told;
    const auto tell = [&](std::optional<int> answer) { told.push_back(answer); };
    const uint64_t first = pending.add(60'000, tell);
    pending.answer(first, 7);
    pending.answer(first, 8);
    CHECK(told == std::vector<std::optional<int>>{7});
    const uint64_t late = pending.add(1, tell);
    run_until(loop, [&] { return told.size() == 2; });
    CHECK(told.back() == std::nullopt);
    pending.answer(late, 9);
    CHECK(told.size() == 2);
    CHECK(pending.size() == 0);
}

TEST_CASE("workers are asked, and the loop goes on while one never answers", "[ops]") {
    Crew crew(2);
    crew.workers[0]->start();
    std::optional<bool> told;
    int turns = 0;
    crew.questions.ask([](size_t, Gateway&, Now) { return true; }, 100, [&](bool all) { told = all; });
    CHECK_FALSE(told);
    Timer turning(crew.loop, [&] { ++turns; });
    turning.every(1);
    run_until(crew.loop, [&] { return told.has_value(); });
    CHECK_FALSE(*told);
    CHECK(turns > 0);
    // It answers after all: nobody hears it.
    crew.workers[1]->start();
    told.reset();
    crew.questions.ask([](size_t, Gateway&, Now) { return true; }, 60'000, [&](bool all) { told = all; });
    run_until(crew.loop, [&] { return told.has_value(); });
    CHECK(*told);
}

TEST_CASE("a worker is asked again until it has done its part", "[ops]") {
    Crew crew(3);
    for (const auto& worker : crew.workers) worker->start();
    const auto parts = std::make_shared<std::vector<int>>(3);
    std::optional<bool> told;
    crew.questions.ask([parts](size_t worker, Gateway&, Now) { return ++(*parts)[worker] == 5; }, 60'000,
                       [&](bool all) { told = all; });
    run_until(crew.loop, [&] { return told.has_value(); });
    CHECK(*told);
    CHECK(*parts == std::vector<int>{5, 5, 5});
}

TEST_CASE("sessions are listed, and a session that is nowhere is not explained", "[ops]") {
    Crew crew(2);
    for (const auto& worker : crew.workers) worker->start();
    std::string listed;
    list_sessions(crew.questions, {}, [&](const std::string& json) { listed = json; });
    std::optional<Result<Explanation>> explained;
    explain_live(crew.questions, crew.limits, {0xabc, {}},
                 [&](Result<Explanation> answer) { explained = std::move(answer); });
    CHECK(listed.empty());
    run_until(crew.loop, [&] { return !listed.empty() && explained.has_value(); });
    CHECK(listed == "{\"sessions\":[],\"count\":0,\"more\":false}\n");
    REQUIRE_FALSE(*explained);
    CHECK(explained->error() == "there is no session 0000000000000abc");
}

TEST_CASE("the publisher calls back at once, later, or when its patience ends", "[ops]") {
    const auto run = runtime();
    Loop loop;
    LoopCalls calls(loop);
    std::vector<Result<PublishedAll, DeskError>> told;
    const auto tell = [&](Result<PublishedAll, DeskError> one) { told.push_back(std::move(one)); };
    SECTION("at once") {
        MemoryBroker broker;
        ControlPublisher publisher(loop, calls, broker);
        publisher.set_timeout(60'000);
        publisher.publish(publication, *run->policy, {}, tell);
        REQUIRE(told.size() == 1);
        CHECK(told[0].ok());
        publisher.publish("{", *run->policy, {}, tell);
        REQUIRE(told.size() == 2);
        CHECK(told[1].error().status == 400);
    }
    SECTION("several: all are good, or none is published") {
        MemoryBroker broker;
        ControlPublisher publisher(loop, calls, broker);
        publisher.set_timeout(60'000);
        publisher.publish(
            R"([{"channel":"a","data":{}},{"channels":["b","c"],"data":{"n":1},"receivers":true}])",
            *run->policy, {}, tell);
        REQUIRE(told.size() == 1);
        REQUIRE(told[0].ok());
        CHECK(told[0]->list);
        CHECK(told[0]->each.size() == 3);
        CHECK_FALSE(told[0]->each[0].receivers);
        CHECK(told[0]->each[2].receivers->channel == "c");
        for (const char* wrong :
             {R"([{"channel":"a","data":{}},{"channel":"a"}])", R"({"channel":"a","data":{},"x":1})",
              R"({"channel":"a","data":{},"receivers":1})",
              R"({"channel":"a","data":{},"except_session":"x"})", "[]"}) {
            told.clear();
            publisher.publish(wrong, *run->policy, {}, tell);
            REQUIRE(told.size() == 1);
            CHECK(told[0].error().status == 400);
        }
    }
    SECTION("later, from another thread, and several at a time") {
        test::LocalBroker broker;
        broker.later = true;
        ControlPublisher publisher(loop, calls, broker);
        publisher.set_timeout(60'000);
        publisher.publish(publication, *run->policy, {}, tell);
        publisher.publish(publication, *run->policy, {}, tell);
        CHECK(told.empty());
        REQUIRE(broker.answers.size() == 2);
        std::thread([&] {
            for (const auto& [ticket, answer] : broker.answers) publisher.answered(ticket, answer);
        }).join();
        CHECK(told.empty());  // not on that thread
        run_until(loop, [&] { return told.size() == 2; });
        CHECK(told[0]->each[0].receipt.position.offset == 1);
        CHECK(told[1]->each[0].receipt.position.offset == 2);
    }
    SECTION("never") {
        test::LocalBroker broker;
        broker.later = true;
        ControlPublisher publisher(loop, calls, broker);
        publisher.set_timeout(1);
        publisher.publish(publication, *run->policy, {}, tell);
        run_until(loop, [&] { return told.size() == 1; });
        CHECK(told[0].error().status == 503);
        publisher.answered(broker.answers[0].first, broker.answers[0].second);  // too late
        publisher.publish(publication, *run->policy, {}, tell);
        run_until(loop, [&] { return told.size() == 2; });
        CHECK(told[1].error().status == 503);
    }
}

TEST_CASE("an answer may come after the request, in any order", "[ops]") {
    Asked asked;
    const FileDescriptor slow = asked.ask("/slow");
    const FileDescriptor quick = asked.ask("/quick");
    asked.responders[1]({200, "text/plain", "quick"});
    CHECK_THAT(asked.heard(quick), Catch::EndsWith("quick"));
    CHECK_FALSE(test::ended(slow));
    asked.responders[0]({200, "text/plain", "slow"});
    asked.responders[0]({200, "text/plain", "twice"});
    CHECK_THAT(asked.heard(slow), Catch::EndsWith("slow"));
}

TEST_CASE("a client that has gone before its answer does no harm", "[ops]") {
    Asked asked;
    {
        FileDescriptor closed = asked.ask("/closed");
        FileDescriptor vanished = asked.ask("/vanished");
        test::reset(vanished);
    }
    for (const Responder& respond : asked.responders) respond({200, "text/plain", std::string(1 << 20, 'x')});
    const FileDescriptor next = asked.ask("/next");
    asked.responders.back()({200, "text/plain", "here"});
    CHECK_THAT(asked.heard(next), Catch::EndsWith("here"));
    for (const Responder& respond : asked.responders) respond({200, "text/plain", "long gone"});
}

TEST_CASE("a client that has said all it wants still gets its answer", "[ops]") {
    Asked asked;
    const FileDescriptor client = asked.ask("/half");
    REQUIRE(shutdown(client.get(), SHUT_WR) == 0);
    asked.responders[0]({200, "text/plain", "whole"});
    CHECK_THAT(asked.heard(client), Catch::EndsWith("whole"));
}

TEST_CASE("a server that ends says so to those who wait, and answers after it are nobody's", "[ops]") {
    Asked asked;
    const FileDescriptor waiting = asked.ask("/waiting");
    asked.server.reset();
    const std::string text = asked.heard(waiting);
    CHECK_THAT(text, Catch::StartsWith("HTTP/1.1 503"));
    CHECK_THAT(text, Catch::Contains("stopping"));
    asked.responders[0]({200, "text/plain", "too late"});
}

TEST_CASE("a server that listens elsewhere keeps those who wait", "[ops]") {
    Asked asked;
    const FileDescriptor waiting = asked.ask("/old");
    auto another = listen_on({"127.0.0.1", 0}, {});
    REQUIRE(another);
    asked.port = port_of(*another);
    asked.server->listen_at(std::move(*another));
    const FileDescriptor next = asked.ask("/new");
    for (const Responder& respond : asked.responders) respond({200, "text/plain", "both"});
    CHECK_THAT(asked.heard(waiting), Catch::EndsWith("both"));
    CHECK_THAT(asked.heard(next), Catch::EndsWith("both"));
}
