// How much is delivered before others have their turn, and who is slow.
#include "tests/unit/core/gateway_fixture.h"

using namespace wayleave;
using namespace wayleave::test;
using Catch::Contains;

namespace {

const std::string policy = R"(
defaults { auth = none  max_message = 1mb }
route chat /chat { allow connect  join room }
route small /small { max_queue = 16kb  allow connect  join room }
)";

Publication publication(size_t size, const std::string& channel = "room") {
    return std::make_shared<const Message>(channel, Position{},
                                           R"({"type":"say","text":")" + std::string(size, 'x') + "\"}");
}

std::vector<Publication> publications(size_t count, size_t size, const std::string& channel = "room") {
    return std::vector<Publication>(count, publication(size, channel));
}

struct Room : World {
    explicit Room(size_t listeners, const std::string& path = "/chat", GatewaySettings settings = {})
        : World(policy, settings) {
        for (size_t i = 0; i < listeners; ++i) inside.push_back(connect(path));
        flush();
    }
    // All sockets take all.
    void flush() {
        for (const ConnectionId id : inside) (void)read(id);
        gateway->actions().flush.clear();
    }
    [[nodiscard]] uint64_t slow() const { return counters.refused[static_cast<size_t>(Reason::slow)].get(); }

    std::vector<ConnectionId> inside;
};

}  // namespace

TEST_CASE("a turn delivers so much, and one publication whole", "[turn]") {
    Room room(1500);
    const auto flood = publications(1000, 1000);
    std::span<const Publication> rest(flood);
    int turns = 0;
    while (!rest.empty()) {
        ++turns;
        Allowance allowance;
        const uint64_t before = room.counters.deliveries.get();
        while (!rest.empty() && !allowance.used_up()) {
            const size_t done = room.gateway->delivered(rest, allowance, room.now);
            REQUIRE(done > 0);
            rest = rest.subspan(done);
            room.flush();
        }
        const uint64_t deliveries = room.counters.deliveries.get() - before;
        CHECK(Allowance::cost(deliveries, 63) <= Allowance::most_deliveries + room.inside.size());
        CHECK(deliveries * 1000 <= Allowance::most_bytes + room.inside.size() * 1100);
        CHECK(room.gateway->delivered(rest, allowance, room.now) == 0);
    }
    CHECK(turns > 20);
    CHECK(room.counters.deliveries.get() == 1000 * room.inside.size());
    CHECK(room.slow() == 0);
}

TEST_CASE("what goes together uses up less than what goes alone", "[turn]") {
    CHECK(Allowance::cost(1000, 1) == 1000);
    CHECK(Allowance::cost(16'000, 16) == 1937);
    Room room(1500);
    Allowance alone;
    CHECK(room.gateway->delivered(publications(1, 10), alone, room.now) == 1);
    CHECK(alone.deliveries == Allowance::most_deliveries - 1500);
    room.flush();
    Allowance together;
    CHECK(room.gateway->delivered(publications(16, 10), together, room.now) == 16);
    CHECK(together.deliveries == Allowance::most_deliveries - 2906);
    CHECK(together.delivered == 16 * 1500);
    room.flush();
    // Many readers hear as much of it together as few do.
    CHECK(room.gateway->delivered(publications(256, 10), together, room.now) == 256);
    CHECK_FALSE(together.used_up());
}

TEST_CASE("what nobody hears uses up a turn, too", "[turn]") {
    Room room(0);
    const auto flood = publications(256, 10);
    Allowance allowance;
    CHECK(room.gateway->delivered(flood, allowance, room.now) == 256);
    CHECK(allowance.deliveries == Allowance::most_deliveries - 256);
}

TEST_CASE("as much as one write takes is queued before the socket is offered it", "[turn]") {
    Room room(1);
    Allowance allowance;
    SendQueue* queue = room.gateway->output(room.inside[0]);
    CHECK(room.gateway->delivered(publications(1000, 10), allowance, room.now) == 256);
    CHECK(queue->frames() == 256);
    room.flush();
    CHECK(room.gateway->delivered(publications(1000, 1000), allowance, room.now) == 63);
    CHECK(queue->bytes() <= 64 << 10);
    room.flush();
    CHECK(room.gateway->delivered(publications(10, 200'000), allowance, room.now) == 1);
}

TEST_CASE("what follows each other in a channel is one frame for who gets all of it as it is", "[turn]") {
    Room room(1);
    room.inside.push_back(room.connect("/chat"));
    const std::string hello = room.read(room.inside.back());
    const uint64_t publisher = std::stoull(hello.substr(hello.find("\"session\":\"") + 11, 16), nullptr, 16);
    room.inside.push_back(room.connect("/chat"));
    room.inside.push_back(room.connect("/small"));
    const ConnectionId small = room.inside.back();
    room.flush();
    std::vector<Publication> run;
    for (int i = 0; i < 5; ++i) {
        auto message =
            std::make_shared<Message>("room", Position{}, R"({"type":"n","n":)" + std::to_string(i) + "}");
        if (i == 3) message->except = publisher;
        run.push_back(std::move(message));
    }
    // One that has something waiting already.
    Allowance allowance;
    REQUIRE(room.gateway->delivered(publications(1, 10), allowance, room.now) == 1);
    for (const size_t i : {size_t{0}, size_t{1}, size_t{3}}) (void)room.read(room.inside[i]);
    const uint64_t before = room.counters.deliveries.get();
    REQUIRE(room.gateway->delivered(run, allowance, room.now) == 5);
    CHECK(room.counters.deliveries.get() - before == 4 * 5 - 1);
    CHECK(room.gateway->output(room.inside[0])->frames() == 1);
    CHECK(room.gateway->output(room.inside[1])->frames() == 4);
    CHECK(room.gateway->output(room.inside[2])->frames() == 6);
    const std::string all = room.read(room.inside[0]);
    for (int i = 0; i < 5; ++i) CHECK_THAT(all, Contains("\"n\":" + std::to_string(i)));
    CHECK_THAT(room.read(room.inside[1]), !Contains("\"n\":3"));
    CHECK_THAT(room.read(room.inside[2]), Contains(all));
    // What would be much of a small queue keeps its single frames, so that single ones can give way.
    (void)room.read(small);
    REQUIRE(room.gateway->delivered(publications(3, 1000), allowance, room.now) == 3);
    CHECK(room.gateway->output(small)->frames() == 3);
    // Channels in turn are single ones.
    room.flush();
    std::vector<Publication> mixed = {run[0], publication(10, "other"), run[1]};
    REQUIRE(room.gateway->delivered(mixed, allowance, room.now) == 3);
    CHECK(room.gateway->output(room.inside[0])->frames() == 2);
}

TEST_CASE("a turn that many readers do not take is known", "[turn]") {
    Room room(1500);
    const auto flood = publications(1000, 1000);
    const auto turn = [&] {
        Allowance allowance;
        std::span<const Publication> rest(flood);
        while (!allowance.used_up()) rest = rest.subspan(room.gateway->delivered(rest, allowance, room.now));
        return allowance.outruns();
    };
    const auto stall = [&](size_t from, size_t to) {
        for (size_t i = from; i < to; ++i) room.gateway->blocked(room.inside[i], room.now);
    };
    CHECK_FALSE(turn());
    stall(0, 300);
    CHECK(room.gateway->stalled() == 300);
    CHECK_FALSE(turn());
    stall(300, 500);
    CHECK(turn());
    Allowance small;  // what is little outruns nobody
    CHECK(room.gateway->delivered(publications(1, 1000), small, room.now) == 1);
    CHECK_FALSE(small.outruns());
    room.flush();
    CHECK(room.gateway->stalled() == 0);
    stall(0, 3);
    room.gone(room.inside[0]);
    CHECK(room.gateway->stalled() == 2);
}

TEST_CASE("nobody is slow before the socket was offered what waits", "[turn]") {
    // Far less than comes in one turn.
    Room room(10, "/small", {.max_queue_messages = 4});
    for (int turn = 0; turn < 50; ++turn) {
        Allowance allowance;
        const auto flood = publications(300, turn % 2 == 0 ? 50 : 20'000);
        std::span<const Publication> rest(flood);
        while (!rest.empty() && !allowance.used_up()) {
            rest = rest.subspan(room.gateway->delivered(rest, allowance, room.now));
            CHECK(room.slow() == 0);
            room.flush();
        }
    }
    CHECK(room.slow() == 0);
    // One that takes nothing is.
    Allowance allowance;
    CHECK(room.gateway->delivered(publications(300, 50), allowance, room.now) == 256);
    room.gateway->blocked(room.inside[0], room.now);
    CHECK(room.slow() == 1);
    CHECK_THAT(room.last(room.inside[0]), Contains("close 4408"));
}

TEST_CASE("one message that is larger than its queue is offered to the socket", "[turn]") {
    Room room(1, "/small");
    Allowance allowance;
    CHECK(room.gateway->delivered(publications(1, 2'000'000), allowance, room.now) == 1);
    CHECK(room.slow() == 0);
    CHECK(room.read(room.inside[0]).size() > 2'000'000);
}
