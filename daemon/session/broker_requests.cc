#include "daemon/session/broker_requests.h"

namespace wayleave {
namespace {

BrokerAnswer no_answer_to(BrokerRequest::Kind kind) {
    const std::string because = "the server's storage does not answer";
    switch (kind) {
        case BrokerRequest::Kind::publish:
        case BrokerRequest::Kind::order:
        case BrokerRequest::Kind::acknowledge: return Receipt{Receipt::Status::unavailable, {}, because};
        case BrokerRequest::Kind::replay:
        case BrokerRequest::Kind::history: return Page{{}, 0, false, false, {}, because};
        case BrokerRequest::Kind::progress: return Progress{{}, 0, 0, because};
        case BrokerRequest::Kind::presence: break;
    }
    return Roster{{}, 0, 0, because};
}

}  // namespace

void BrokerRequests::expect(Ticket ticket, BrokerRequest request, Now now) {
    request.asked_ms = now.steady_ms;
    asked_.emplace(ticket.number, std::move(request));
    asked_until_.emplace_back(now.steady_ms + bindings_.settings().broker_timeout_ms, ticket.number);
}

std::optional<BrokerRequest> BrokerRequests::take(uint64_t ticket) {
    const auto it = asked_.find(ticket);
    if (it == asked_.end()) return std::nullopt;
    BrokerRequest request = std::move(it->second);
    asked_.erase(it);
    return request;
}

std::optional<std::pair<uint64_t, BrokerAnswer>> BrokerRequests::next_overdue(Now now) {
    while (!asked_until_.empty() && asked_until_.front().first <= now.steady_ms) {
        const uint64_t ticket = asked_until_.front().second;
        asked_until_.pop_front();
        const auto it = asked_.find(ticket);
        if (it == asked_.end()) continue;
        // In place: gcc 12 takes a temporary of these for uninitialized.
        return std::optional<std::pair<uint64_t, BrokerAnswer>>(std::in_place, ticket,
                                                                no_answer_to(it->second.kind));
    }
    return std::nullopt;
}

}  // namespace wayleave
