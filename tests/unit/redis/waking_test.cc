// Who hears many messages is woken once.
#include <catch2/catch.hpp>

#include "daemon/broker/channel_table.h"
#include "tests/unit/broker/test_box.h"

using namespace wayleave;

namespace {

// Takes all that waits whenever it is woken.
class Sleeper final : public PatientInbox {
  public:
    void push(const Publication& publication) override {
        if (push_without_waking(publication)) wake();
    }
    [[nodiscard]] bool push_without_waking(const Publication&) override { return ++waiting_ == 1; }
    void wake() override {
        ++wakes;
        taken += std::exchange(waiting_, 0);
    }
    void answered(uint64_t, BrokerAnswer) override {}

    int wakes = 0;
    int taken = 0;

  private:
    int waiting_ = 0;
};

}  // namespace

TEST_CASE("a worker is woken behind what came together, and before much waits", "[redis][waking]") {
    ChannelTable table(1 << 20, ChannelTable::Numbered::elsewhere);
    Sleeper sleeper;
    TestBox other;  // it has nobody to wake
    table.subscribe(table.add_inbox(sleeper), "room");
    table.subscribe(table.add_inbox(other), "room");
    uint64_t offset = 0;
    const auto message = [&] { return std::make_shared<const Message>("room", Position{1, ++offset}, "{}"); };
    for (int i = 0; i < 10; ++i) table.accepted_asleep(message(), 0, 100);
    CHECK(sleeper.wakes == 0);
    CHECK(other.take().size() == 10);
    table.wake();
    CHECK(sleeper.wakes == 1);
    CHECK(sleeper.taken == 10);
    table.wake();
    CHECK(sleeper.wakes == 1);
    for (int i = 0; i < 1000; ++i) table.accepted_asleep(message(), 0, 100);
    CHECK(sleeper.wakes <= 1 + 1000 / 50);
    CHECK(sleeper.taken >= 900);
    table.wake();
    CHECK(sleeper.taken == 1010);
    table.accepted(message(), 0, 100);
    CHECK(sleeper.taken == 1011);
}
