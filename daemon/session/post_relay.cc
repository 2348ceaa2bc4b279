#include "daemon/session/post_relay.h"

#include <algorithm>

#include "daemon/session/native.h"

namespace wayleave {
namespace {

constexpr size_t most_posts = 16;  // of a session, whose answers are not there yet

}  // namespace

void PostRelay::forget(uint64_t session) {
    if (by_number_.erase(session) > 0) end(session);
}

ConnectionId PostRelay::find(uint64_t session) const {
    const auto it = by_number_.find(session);
    return it == by_number_.end() ? ConnectionId{} : it->second;
}

bool PostRelay::is_full(uint64_t session) const {
    const auto open = std::count_if(running_.begin(), running_.end(),
                                    [&](const auto& item) { return item.second.session == session; });
    return static_cast<size_t>(open) >= most_posts;
}

uint64_t PostRelay::begin(const RelayedMessage& relayed, std::shared_ptr<const Identified> who) {
    const uint64_t number = ++begun_;
    running_.emplace(
        number,
        Running{
            {relayed.worker, relayed.from, relayed.number, 200, {}}, relayed.session, {}, std::move(who)});
    return number;
}

void PostRelay::note_id(uint64_t relay, std::string_view id) {
    if (const auto it = running_.find(relay); it != running_.end()) it->second.id = id;
}

void PostRelay::expect(uint64_t relay, size_t answers) {
    if (const auto it = running_.find(relay); it != running_.end()) it->second.missing = answers;
}

// False while others are missing.
bool PostRelay::add_to_list(Running& running, std::string_view text) {
    if (!text.empty()) running.said.append(running.said.empty() ? "" : ",").append(text);
    return --running.missing == 0;
}

std::shared_ptr<const Identified> PostRelay::who(uint64_t relay) const {
    const auto it = running_.find(relay);
    return it == running_.end() ? nullptr : it->second.who;
}

void PostRelay::refuse(const RelayedMessage& relayed, int status, std::string_view error,
                       std::string_view because) {
    replies_.push_back(
        {relayed.worker, relayed.from, relayed.number, status,
         error_text({}, error, Rejection::of(Reason::forbidden, std::string(because)), false)});
}

void PostRelay::answer(uint64_t relay, int status, std::string_view text) {
    const auto it = running_.find(relay);
    if (it == running_.end()) return;  // it was told of the session's end
    Running& running = it->second;
    const bool several = running.missing > 0;
    if (several && !add_to_list(running, text)) return;
    RelayReply answer = std::move(running.answer);
    answer.status = several ? 200 : status;
    answer.body = several ? "[" + running.said + "]" : std::string(text);
    running_.erase(it);
    replies_.push_back(std::move(answer));
}

void PostRelay::end(uint64_t session) {
    absl::erase_if(running_, [&](auto& item) {
        Running& running = item.second;
        if (running.session != session) return false;
        running.answer.status = 410;
        running.answer.body =
            error_text(running.id, "unknown_session",
                       Rejection::of(Reason::forbidden, "the session has ended; its stream says why"), false);
        replies_.push_back(std::move(running.answer));
        return true;
    });
}

}  // namespace wayleave
