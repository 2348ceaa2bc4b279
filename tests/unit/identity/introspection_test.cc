#include "daemon/identity/introspection.h"

#include <catch2/catch.hpp>

#include "tests/unit/identity/fake_backends.h"

using namespace wayleave;
using namespace wayleave::test;
using Kind = Proof::Kind;

namespace {

const std::string ann = R"({"sub":"ann"})";

struct Asked {
    explicit Asked(int64_t cache_ms, IntrospectionBounds bounds = {})
        : it(Introspection::create(
              {std::make_shared<const Backend>(), "/whoami", cache_ms, backends, counters}, bounds)) {}

    // How often it was called back, and with what.
    std::vector<Proof> ask(const std::string& header) {
        std::vector<Proof>& got = answers.emplace_back();
        it->ask(header, {}, now, [&got](Proof proof) { got.push_back(std::move(proof)); });
        return got;
    }

    Now now{1000, 0};
    FakeBackends backends;
    std::shared_ptr<CheckCounters> counters = std::make_shared<CheckCounters>();
    std::shared_ptr<Introspection> it;
    std::deque<std::vector<Proof>> answers;
};

}  // namespace

TEST_CASE("a yes is believed for a while, a no for a second, and silence never") {
    Asked asked(30'000);
    CHECK(asked.it->look_up("Cookie: sid=1", asked.now).kind == Kind::pending);
    CHECK(asked.ask("Cookie: sid=1").empty());
    REQUIRE(asked.backends.sent.size() == 1);
    CHECK(asked.backends.sent[0].first.path == "/whoami");
    CHECK(asked.backends.sent[0].first.headers ==
          std::vector<std::string>{"Accept: application/json", "Cookie: sid=1"});
    asked.backends.answer(200, ann, asked.now);
    REQUIRE(asked.answers[0].size() == 1);
    CHECK(asked.answers[0][0].payload == ann);
    CHECK(asked.it->look_up("Cookie: sid=1", {30'999, 0}).kind == Kind::good);
    CHECK(asked.it->look_up("Cookie: sid=1", {31'000, 0}).kind == Kind::pending);
    CHECK(asked.it->look_up("Cookie: sid=11", asked.now).kind == Kind::pending);

    for (const int status : {401, 403}) {
        const std::string header = "Cookie: sid=" + std::to_string(status);
        asked.ask(header);
        asked.backends.answer(status, "{}", asked.now);
        CHECK(asked.answers.back().at(0).kind == Kind::refused);
        CHECK(asked.it->look_up(header, {1999, 0}).kind == Kind::refused);
        CHECK(asked.it->look_up(header, {2000, 0}).kind == Kind::pending);
    }
    for (const int status : {100, 201, 204, 302, 400, 404, 429, 500, 503}) {
        asked.ask("Cookie: sid=x");
        asked.backends.answer(status, ann, asked.now);
        CHECK(asked.answers.back().at(0).kind == Kind::unavailable);
        CHECK(asked.it->look_up("Cookie: sid=x", asked.now).kind == Kind::pending);
    }
    for (const std::string body : {"", "[]", "1", "{", "null", "{} x", "\xff"}) {
        asked.ask("Cookie: sid=x");
        asked.backends.answer(200, body, asked.now);
        CHECK(asked.answers.back().at(0).kind == Kind::unavailable);
    }
    for (const auto kind :
         {BackendAnswer::Kind::failed, BackendAnswer::Kind::broken, BackendAnswer::Kind::full}) {
        asked.ask("Cookie: sid=x");
        asked.backends.fail(kind, asked.now);
        CHECK(asked.answers.back().at(0).kind == Kind::unavailable);
    }
    CHECK(asked.counters->yes == 1);
    CHECK(asked.counters->no == 2);
}

TEST_CASE("the same question is asked once, and not kept without cache") {
    Asked asked(0);
    for (int i = 0; i < 100; ++i) asked.ask("Cookie: sid=1");
    asked.ask("Cookie: sid=2");
    CHECK(asked.backends.sent.size() == 2);
    CHECK(asked.counters->shared == 99);
    asked.backends.answer(200, ann, asked.now);
    for (const auto& got : asked.answers) CHECK(got.size() == 1);
    CHECK(asked.it->size() == 0);
    asked.ask("Cookie: sid=1");
    CHECK(asked.backends.sent.size() == 1);
    asked.backends.answer(200, ann, asked.now);
}

TEST_CASE("answers and questions are bounded") {
    Asked asked(30'000, {.entries = 3, .bytes = 40, .questions = 2});
    asked.ask("a");
    asked.ask("b");
    asked.ask("c");
    CHECK(asked.backends.sent.size() == 2);
    CHECK(asked.answers.back().at(0).kind == Kind::unavailable);
    asked.backends.answer(200, ann, asked.now);
    CHECK(asked.it->size() == 2);
    asked.ask("c");
    asked.ask("d");
    asked.backends.answer(200, ann, asked.now);
    CHECK(asked.it->size() == 3);  // the fourth was told, and not kept
    CHECK(asked.answers.back().at(0).kind == Kind::good);
    asked.now.steady_ms += 31'000;
    asked.ask("e");
    asked.backends.answer(200, ann, asked.now);
    CHECK(asked.it->size() == 1);  // what is old made room
}

namespace {

struct Again : Asked {
    explicit Again(int64_t cache_ms, uint32_t concurrency = 64, IntrospectionBounds bounds = {})
        : Asked(cache_ms) {
        auto backend = std::make_shared<Backend>();
        backend->concurrency = concurrency;
        it = Introspection::create({std::move(backend), "/whoami", cache_ms, backends, counters}, bounds);
    }
    std::vector<Proof>& again(const std::string& header, int64_t since_ms) {
        std::vector<Proof>& got = answers.emplace_back();
        it->ask(header, {.since_ms = since_ms}, now,
                [&got](Proof proof) { got.push_back(std::move(proof)); });
        return got;
    }
    void answer(int status) {
        auto all = std::exchange(backends.sent, {});
        BackendAnswer answer;
        answer.kind = BackendAnswer::Kind::answered;
        answer.status = status;
        answer.body = ann;
        for (const auto& [request, done] : all) done(answer, now);
    }
};

}  // namespace

TEST_CASE("a question that is asked again believes no older answer, and shares a newer one") {
    for (const int64_t cache_ms : {0, 3'600'000}) {
        Again asked(cache_ms);
        asked.ask("Cookie: sid=1");
        asked.answer(200);
        asked.now.steady_ms += 10'000;
        const int64_t due = asked.now.steady_ms - 50;
        auto& one = asked.again("Cookie: sid=1", due);
        auto& two = asked.again("Cookie: sid=1", due);
        CHECK(asked.backends.sent.size() == 1);
        asked.answer(200);
        CHECK(one.size() == 1);
        CHECK(two.size() == 1);
        asked.now.steady_ms += 100;
        CHECK(asked.again("Cookie: sid=1", due).at(0).kind ==
              Kind::good);  // another worker's, a little later
        CHECK(asked.backends.sent.empty());
        CHECK((asked.it->look_up("Cookie: sid=1", asked.now).kind == Kind::pending) == (cache_ms == 0));
        asked.now.steady_ms += 60'000;
        auto& later = asked.again("Cookie: sid=1", asked.now.steady_ms - 50);
        CHECK(asked.backends.sent.size() == 1);
        asked.answer(401);
        CHECK(later.at(0).kind == Kind::refused);
        // Whatever was believed before.
        CHECK(asked.it->look_up("Cookie: sid=1", asked.now).kind == Kind::refused);
        asked.now.steady_ms += 1000;
        CHECK(asked.it->look_up("Cookie: sid=1", asked.now).kind == Kind::pending);
    }
}

TEST_CASE("who is connected waits for half of what the backend does; who comes in goes before") {
    Again asked(0, 4);
    for (int i = 0; i < 10; ++i) (void)asked.again("Cookie: sid=" + std::to_string(i), 0);
    CHECK(asked.backends.sent.size() == 2);
    asked.ask("Cookie: sid=new");
    CHECK(asked.backends.sent.size() == 3);
    asked.ask("Cookie: sid=7");  // it waits for its turn; now it does not
    CHECK(asked.backends.sent.size() == 4);
    size_t rounds = 0;
    size_t sent = 0;
    for (; !asked.backends.sent.empty(); ++rounds) {
        sent += asked.backends.sent.size();
        asked.answer(200);
        CHECK(asked.backends.sent.size() <= 2);
    }
    CHECK(sent == 11);
    for (const auto& got : asked.answers) CHECK(got.size() == 1);
}

TEST_CASE("questions that wait for their turn are bounded, and a backend that is away does not keep them") {
    Again asked(0, 2, {.waiting = 3});
    for (int i = 0; i < 4; ++i) CHECK(asked.again(std::to_string(i), 0).empty());
    CHECK(asked.again("more", 0).at(0).kind == Kind::unavailable);
    // It answers before send() returns, as one that is left alone does.
    class Broken final : public Backends {
      public:
        void send(BackendRequest, Done done) override { done({}, {}); }
    } broken;
    auto backend = std::make_shared<Backend>();
    backend->concurrency = 1;
    const auto it = Introspection::create({backend, "/", 0, broken, asked.counters});
    int silent = 0;
    for (int i = 0; i < 100; ++i)
        it->ask(std::to_string(i), {.since_ms = 0}, asked.now,
                [&](const Proof& proof) { silent += proof.kind == Kind::unavailable; });
    CHECK(silent == 100);
}
