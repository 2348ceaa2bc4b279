#include "daemon/edge/canary.h"

#include <catch2/catch.hpp>

#include <string>
#include <utility>
#include <vector>

using namespace wayleave;

namespace {

// Answers as it is told to, and lets nobody hear anything by itself.
class FakeBroker final : public Broker {
  public:
    uint32_t add_worker(Inbox&) override { return workers++; }
    void subscribe(uint32_t, std::string_view) override {}
    void unsubscribe(uint32_t, std::string_view) override {}
    [[nodiscard]] bool heard(std::string_view) const override { return false; }
    std::optional<Receipt> publish(Draft draft, Ticket ticket) override {
        drafts.push_back(std::move(draft));
        tickets.push_back(ticket);
        if (answer && answer->status == Receipt::Status::accepted) ++answer->position.offset;
        return answer;
    }
    std::optional<Page> read(Query, Ticket) override { return std::nullopt; }
    std::optional<Receipt> acknowledge(Cursor, Ticket) override { return std::nullopt; }
    void delivered(Cursor) override {}
    std::optional<Progress> progress(Cursor, Ticket) override { return std::nullopt; }
    void announce(const Publication&) override {}
    void tick(Now) override {}
    [[nodiscard]] BrokerTotals totals() const override { return {}; }

    [[nodiscard]] Position top() const { return answer->position; }

    uint32_t workers = 2;
    std::optional<Receipt> answer = Receipt{Receipt::Status::accepted, {7, 0}, {}};
    std::vector<Draft> drafts;
    std::vector<Ticket> tickets;
};

constexpr int64_t second = 1'000'000;

struct Cage {
    Cage() { canary.begin(2); }

    // A second later: another song, and who is awake hears it.
    void probe() {
        at += second;
        canary.probe({at / 1000, 0}, at);
        at += 2000;
        for (uint32_t worker = 0; worker < 2; ++worker) {
            if (awake[worker] && broker.answer) canary.heard(worker, broker.top(), at);
        }
    }
    [[nodiscard]] std::string stuck() const {
        std::string out;
        for (const std::string& one : canary.report(at).stuck) out += one + "\n";
        return out;
    }
    [[nodiscard]] bool ready() const { return canary.report(at).ready; }

    FakeBroker broker;
    Canary canary{broker};
    int64_t at = 50 * second;
    bool awake[2] = {true, true};
};

}  // namespace

TEST_CASE("ready after the first round, not before") {
    Cage cage;
    CHECK(!cage.ready());
    CHECK(cage.stuck() == "starting: no publication has come to every worker yet\n");
    cage.awake[1] = false;
    cage.probe();
    CHECK(!cage.ready());
    cage.canary.heard(1, cage.broker.top(), cage.at);
    CHECK(cage.ready());
}

TEST_CASE("it is numbered, has an end, and its answers come to it") {
    Cage cage;
    cage.probe();
    REQUIRE(cage.broker.drafts.size() == 1);
    CHECK(cage.broker.drafts[0].channel == "$canary");
    CHECK(cage.canary.channel() == "$canary");
    CHECK(Canary(cage.broker, "0123456789ab").channel() == "$canary/0123456789ab");
    CHECK(cage.broker.drafts[0].retention.history == 1);
    CHECK(cage.broker.drafts[0].retention.keep_ms > 0);
    CHECK(cage.broker.tickets[0].worker == 2);
}

TEST_CASE("a worker that hears nothing is named within five seconds") {
    Cage cage;
    cage.probe();
    cage.awake[1] = false;
    for (int i = 0; i < 4; ++i) cage.probe();
    CHECK(cage.ready());
    cage.probe();
    CHECK(!cage.ready());
    CHECK(cage.stuck() == "worker 1 has not heard a publication for 5 s\n");
    for (int i = 0; i < 60; ++i) cage.probe();
    CHECK(cage.stuck() == "worker 1 has not heard a publication for 65 s\n");
    cage.awake[1] = true;
    cage.probe();
    CHECK(cage.ready());
}

TEST_CASE("a broker that never answers is told, and not asked again at once") {
    Cage cage;
    cage.probe();
    cage.broker.answer.reset();
    for (int i = 0; i < 4; ++i) cage.probe();
    CHECK(cage.ready());
    CHECK(cage.broker.drafts.size() == 2);
    cage.probe();
    CHECK(cage.stuck() == "the broker has not accepted a publication for 5 s\n");
    cage.probe();
    CHECK(cage.broker.drafts.size() == 3);
    CHECK(cage.canary.report(cage.at).failed == 1);
}

TEST_CASE("a late answer counts, also of a song before the last") {
    Cage cage;
    cage.probe();
    cage.broker.answer.reset();
    for (int i = 0; i < 7; ++i) cage.probe();
    CHECK(!cage.ready());
    const Position second_song{7, 3};
    cage.canary.answered(cage.broker.tickets.back().number,
                         Receipt{Receipt::Status::accepted, second_song, {}});
    CHECK(cage.stuck() ==
          "worker 0 has not heard a publication for 7 s\n"
          "worker 1 has not heard a publication for 7 s\n");
    for (uint32_t worker = 0; worker < 2; ++worker) cage.canary.heard(worker, second_song, cage.at);
    CHECK(cage.ready());
    cage.canary.answered(77, Receipt{});  // nobody's
    cage.canary.answered(1, Page{});
    CHECK(cage.ready());
}

TEST_CASE("a broker that refuses is told in its own words") {
    Cage cage;
    cage.probe();
    const Receipt well = *cage.broker.answer;
    cage.broker.answer = Receipt{Receipt::Status::unavailable, {}, "the disk is full"};
    for (int i = 0; i < 4; ++i) cage.probe();
    CHECK(cage.ready());
    cage.probe();
    CHECK(cage.stuck() == "the broker has not accepted a publication for 5 s: the disk is full\n");
    CHECK(cage.canary.report(cage.at).failed == 5);
    cage.broker.answer = well;
    cage.probe();
    CHECK(cage.ready());
}

TEST_CASE("a broker that is dead from the start is told, too") {
    Cage cage;
    cage.broker.answer.reset();
    for (int i = 0; i < 4; ++i) cage.probe();
    CHECK(cage.stuck() == "starting: no publication has come to every worker yet\n");
    for (int i = 0; i < 2; ++i) cage.probe();
    CHECK(cage.stuck() == "the broker has not accepted a publication for 5 s\n");
}

TEST_CASE("a worker may hear a song before its answer is there") {
    Cage cage;
    cage.broker.answer.reset();
    cage.probe();
    for (uint32_t worker = 0; worker < 2; ++worker) cage.canary.heard(worker, {7, 1}, cage.at);
    CHECK(!cage.ready());
    cage.canary.answered(1, Receipt{Receipt::Status::accepted, {7, 1}, {}});
    CHECK(cage.ready());
    CHECK(cage.canary.report(cage.at).last_us == 2000);
}

TEST_CASE("another server's canary stands for ours if it came after it") {
    Cage cage;
    cage.awake[0] = cage.awake[1] = false;
    cage.probe();
    for (uint32_t worker = 0; worker < 2; ++worker) cage.canary.heard(worker, {7, 0}, cage.at);
    CHECK(!cage.ready());
    for (uint32_t worker = 0; worker < 2; ++worker) cage.canary.heard(worker, {7, 9}, cage.at);
    CHECK(cage.ready());
}

TEST_CASE("a numbering that begins anew is no fault") {
    Cage cage;
    cage.probe();
    cage.awake[0] = cage.awake[1] = false;
    cage.probe();  // lost
    cage.awake[0] = cage.awake[1] = true;
    cage.broker.answer->position = {8, 0};
    for (int i = 0; i < 10; ++i) {
        cage.probe();
        CHECK(cage.ready());
    }
    CHECK(cage.canary.report(cage.at).failed == 1);
}

TEST_CASE("the process stood still: nobody is blamed for it") {
    Cage cage;
    cage.probe();
    cage.at += 100 * second;
    CHECK(cage.ready());
}

TEST_CASE("rounds are measured to the slowest worker") {
    Cage cage;
    cage.awake[1] = false;
    cage.probe();
    cage.at += 48'000;
    cage.canary.heard(1, cage.broker.top(), cage.at);
    const CanaryReport report = cage.canary.report(cage.at);
    CHECK(report.rounds == 1);
    CHECK(report.last_us == 50'000);
    CHECK(report.sum_us == 50'000);
    CHECK(report.within == std::array<uint64_t, 8>{0, 0, 0, 1, 1, 1, 1, 1});
}
