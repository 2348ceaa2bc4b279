// `$subscribe`s of a session that wait for somebody else's word, and what came behind them about the same
// channels: each channel keeps its order, and nothing else waits. Bounded for each session.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "daemon/decision/rejection.h"
#include "daemon/message/client_message.h"
#include "daemon/session/session.h"

namespace wayleave {

// Or why it cannot wait.
[[nodiscard]] std::optional<Rejection> hold(Session& session, WaitingSubscribe waiting);

// Of the channel that the message names, if it is one that keeps its order with a `$subscribe`; else null.
[[nodiscard]] WaitingSubscribe* waiting_before(Session& session, const MessageParser::Message& message);
// Or why it cannot wait.
[[nodiscard]] std::optional<Rejection> hold_behind(Session& session, WaitingSubscribe& before,
                                                   HeldMessage message);
[[nodiscard]] WaitingSubscribe* waiting_for(Session& session, std::string_view channel);

// The first that `is` so, which does not wait any more.
template <class Is>
[[nodiscard]] std::optional<WaitingSubscribe> release(Session& session, const Is& is) {
    if (!session.grants) return std::nullopt;
    auto& list = session.grants->waiting;
    for (size_t i = 0; i < list.size(); ++i) {
        if (!is(list[i])) continue;
        WaitingSubscribe out = std::move(list[i]);
        list.erase(list.begin() + static_cast<std::ptrdiff_t>(i));
        session.grants->waiting_bytes -= out.message.text.size();
        for (const HeldMessage& one : out.behind) session.grants->waiting_bytes -= one.text.size();
        return out;
    }
    return std::nullopt;
}

}  // namespace wayleave
