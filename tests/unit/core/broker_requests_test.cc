#include "daemon/session/broker_requests.h"

#include <catch2/catch.hpp>

using namespace wayleave;

namespace {

struct Asked {
    Asked() {
        runtime->settings.broker_timeout_ms = 500;
        session.number = 9;
    }

    uint64_t ask(BrokerRequest::Kind kind, int64_t at_ms) {
        const Ticket ticket = requests.next_ticket(session);
        requests.expect(ticket, {{1, 1}, kind}, {at_ms, 0});
        return ticket.number;
    }

    std::shared_ptr<Runtime> runtime = std::make_shared<Runtime>();
    MessageBook messages;
    Bindings bindings{runtime, messages};
    BrokerRequests requests{4, bindings};
    Session session;
};

}  // namespace

TEST_CASE("a ticket names its worker and session, and is never given twice") {
    Asked asked;
    const Ticket one = asked.requests.next_ticket(asked.session);
    const Ticket two = asked.requests.next_ticket(asked.session);
    CHECK((one.worker == 4 && one.client == 9));
    CHECK(one.number != two.number);
}

TEST_CASE(
    "an answer is taken once; what has no answer in time is told so, in the form that its asker reads") {
    Asked asked;
    const uint64_t first = asked.ask(BrokerRequest::Kind::publish, 0);
    const uint64_t second = asked.ask(BrokerRequest::Kind::history, 0);
    const uint64_t third = asked.ask(BrokerRequest::Kind::presence, 400);
    REQUIRE(asked.requests.take(first).has_value());
    CHECK_FALSE(asked.requests.take(first).has_value());
    CHECK_FALSE(asked.requests.next_overdue({499, 0}).has_value());
    const auto overdue = asked.requests.next_overdue({500, 0});
    REQUIRE(overdue.has_value());
    CHECK(overdue->first == second);
    CHECK(std::get<Page>(overdue->second).because == "the server's storage does not answer");
    CHECK(asked.requests.take(second).has_value());
    CHECK_FALSE(asked.requests.next_overdue({500, 0}).has_value());
    const auto later = asked.requests.next_overdue({900, 0});
    REQUIRE(later.has_value());
    CHECK(later->first == third);
    CHECK_FALSE(std::get<Roster>(later->second).because.empty());
}
