#include "daemon/session/held_messages.h"

#include <algorithm>
#include <array>
#include <utility>

namespace wayleave {
namespace {

constexpr size_t most_held = 128;
constexpr size_t most_behind = 64;  // one of them
constexpr size_t most_held_bytes = size_t{64} << 10U;

std::optional<Rejection> weigh(SessionGrants& grants, size_t bytes) {
    if (grants.waiting_bytes + bytes > most_held_bytes)
        return Rejection::of(Reason::limited, "too much waits for answers about channels");
    grants.waiting_bytes += bytes;
    return std::nullopt;
}

}  // namespace

std::optional<Rejection> hold(Session& session, WaitingSubscribe waiting) {
    if (!session.grants) session.grants = std::make_unique<SessionGrants>();
    SessionGrants& grants = *session.grants;
    if (grants.waiting.size() >= most_held)
        return Rejection::of(Reason::limited, "too many `$subscribe` wait for answers");
    if (auto why = weigh(grants, waiting.message.text.size())) return why;
    grants.waiting.push_back(std::move(waiting));
    return std::nullopt;
}

WaitingSubscribe* waiting_for(Session& session, std::string_view channel) {
    if (!session.grants) return nullptr;
    auto& list = session.grants->waiting;
    const auto it = std::find_if(list.begin(), list.end(),
                                 [&](const WaitingSubscribe& one) { return one.channel == channel; });
    return it == list.end() ? nullptr : &*it;
}

WaitingSubscribe* waiting_before(Session& session, const MessageParser::Message& message) {
    static constexpr std::array<std::string_view, 6> ordered = {"$subscribe", "$unsubscribe", "$publish",
                                                                "$ack",       "$history",     "$presence"};
    if (!session.grants || session.grants->waiting.empty()) return nullptr;
    if (std::find(ordered.begin(), ordered.end(), message.type) == ordered.end()) return nullptr;
    return waiting_for(session, text_member(message, "channel"));
}

std::optional<Rejection> hold_behind(Session& session, WaitingSubscribe& before, HeldMessage message) {
    if (before.behind.size() >= most_behind)
        return Rejection::of(Reason::limited, "too many messages wait behind a `$subscribe`");
    if (auto why = weigh(*session.grants, message.text.size())) return why;
    before.behind.push_back(std::move(message));
    return std::nullopt;
}

}  // namespace wayleave
