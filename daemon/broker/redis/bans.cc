#include "daemon/broker/redis/bans.h"

#include <algorithm>
#include <utility>

#include "daemon/base/utf8.h"
#include "daemon/broker/redis/entry.h"
#include "daemon/broker/redis/node_report.h"

namespace wayleave {
namespace {

constexpr size_t most_own = 65'536;
constexpr size_t most_text = 16'384;
constexpr size_t most_key = 1024;
constexpr size_t page = 500;
constexpr int64_t clean_every_ms = 10'000;
constexpr int64_t lift_tries_ms = 60'000;  // so long a ban that was lifted is tried to be taken from Redis

// NODE ':' LEFT ':' LENGTH OF THE KEY ':' KEY TEXT; LEFT 0: it is lifted.
std::string message_of(const std::string& node, const CommonBan& ban) {
    return std::string(1, RedisBans::word) + node + ":" + std::to_string(ban.left_ms) + ":" +
           std::to_string(ban.key.size()) + ":" + ban.key + ban.text;
}

bool is_sound(const CommonBan& ban) {
    return !ban.key.empty() && ban.key.size() <= most_key && ban.text.size() <= most_text &&
           is_utf8(ban.text);
}

}  // namespace

void RedisBans::hear(BanListener listener) {
    const std::lock_guard lock(mutex_);
    listener_ = std::move(listener);
    listening();
}

void RedisBans::tell(const CommonBan& ban) {
    if (!is_sound(ban)) return shared_.counters.malformed.add();
    BanListener listener;
    {
        const std::lock_guard lock(mutex_);
        listener = listener_;
    }
    if (ban.left_ms == 0 && listener.lifted) listener.lifted(ban.key);
    if (ban.left_ms > 0 && listener.begun && !listener.begun(ban)) shared_.counters.malformed.add();
}

void RedisBans::begin(const Begin& begin) {
    if (own_.size() >= most_own || !is_sound(begin.ban)) return;
    Own& own = own_[begin.ban.key];
    own = {begin.ban.text, calls_.now_ms() + begin.ban.left_ms};
    some_wait_ = true;
}

void RedisBans::lift(const Lift& lift) {
    if (own_.size() >= most_own) return;
    own_[lift.key] = {{}, -(calls_.now_ms() + lift_tries_ms)};
    some_wait_ = true;
}

void RedisBans::heard(std::string_view text) {
    const auto malformed = [&] { shared_.counters.malformed.add(); };
    const size_t first = text.find(':');
    const size_t second = first == std::string_view::npos ? first : text.find(':', first + 1);
    const size_t third = second == std::string_view::npos ? second : text.find(':', second + 1);
    if (third == std::string_view::npos) return malformed();
    const std::string_view from = text.substr(0, first);
    const auto left = read_number(text.substr(first + 1, second - first - 1));
    const auto size = read_number(text.substr(second + 1, third - second - 1));
    text.remove_prefix(third + 1);
    if (!left || !size || *size > text.size() || !is_node_text(from)) return malformed();
    if (from == node_text(shared_.node)) return;
    const auto length = static_cast<size_t>(*size);
    CommonBan ban{std::string(text.substr(0, length)), std::string(text.substr(length)),
                  static_cast<int64_t>(*left)};
    // What this node would write anew is over.
    if (ban.left_ms == 0) own_.erase(ban.key);
    note_other(ban);
    if (loading_) found_.insert(ban.key);
    tell(ban);
}

// Beyond the bound a ban ends when its time is over, whoever lifts it meanwhile.
void RedisBans::note_other(const CommonBan& ban) {
    if (ban.left_ms == 0) {
        others_.erase(ban.key);
    } else if (others_.size() < most_own) {
        others_.insert(ban.key);
    }
}

void RedisBans::forget_written() {
    for (auto& [key, own] : own_) own.written = false;
    some_wait_ = !own_.empty();
}

void RedisBans::ready() {
    for (auto& [key, own] : own_) own.under_way = false;
    some_wait_ = !own_.empty();
}

void RedisBans::turn() {
    const int64_t now_ms = calls_.now_ms();
    if (now_ms - cleaned_ms_ >= clean_every_ms) {
        cleaned_ms_ = now_ms;
        absl::erase_if(own_, [&](const auto& item) { return std::abs(item.second.until_ms) <= now_ms; });
        some_wait_ = true;
    }
    // One after the other: what the first has found the second would take for lifted.
    if (!loading_ && to_load_.exchange(false, std::memory_order_acquire)) load(0);
    if (!std::exchange(some_wait_, false)) return;
    for (auto& [key, own] : own_) {
        if (!own.written && !own.under_way) write(key, own);
    }
}

void RedisBans::write(const std::string& key, Own& own) {
    own.under_way = true;
    const bool lifts = own.until_ms < 0;
    const int64_t left_ms = lifts ? 0 : std::max<int64_t>(1, own.until_ms - calls_.now_ms());
    const CommonBan ban{key, own.text, left_ms};
    const RedisKeys& keys = shared_.keys;
    calls_.run(
        ban_script(), {keys.bans(), keys.ban_texts()},
        {keys.control(), key, std::to_string(left_ms), own.text, message_of(node_text(shared_.node), ban)},
        [this, key, until_ms = own.until_ms, stretch = stretch_](const RedisReply& reply) {
            if (stretch != stretch_) return;
            const auto it = own_.find(key);
            if (it == own_.end()) return;
            it->second.under_way = false;
            // What failed is tried again when the table is cleaned.
            it->second.written = !reply.failed() && it->second.until_ms == until_ms;
        });
}

// Those of other nodes, from before this one came, or while it did not hear.
void RedisBans::load(size_t from) {
    if (from == 0) {
        loading_ = true;
        found_.clear();
    }
    calls_.run(bans_script(), {shared_.keys.bans(), shared_.keys.ban_texts()},
               {std::to_string(from), std::to_string(page)},
               [this, from, stretch = stretch_](const RedisReply& reply) {
                   if (stretch == stretch_) loaded(from, reply);
               });
}

void RedisBans::loaded(size_t from, const RedisReply& reply) {
    if (reply.kind != RedisReply::Kind::list) {
        loading_ = false;
        return;
    }
    for (size_t i = 0; i + 2 < reply.items.size(); i += 3) {
        const auto left = read_number(reply.items[i + 1].text);
        const auto own = own_.find(reply.items[i].text);
        if (own != own_.end() && own->second.until_ms < 0) continue;  // it is being lifted
        const CommonBan ban{reply.items[i].text, reply.items[i + 2].text,
                            left ? static_cast<int64_t>(*left) : 1};
        found_.insert(ban.key);
        if (own == own_.end()) note_other(ban);
        tell(ban);
    }
    if (reply.items.size() >= 3 * page && from < most_own) return load(from + page);
    if (reply.items.size() < 3 * page) forget_lifted();
    loading_ = false;
    found_.clear();
}

// Who lifted them, or their time, has taken them from Redis while this node did not hear. Those of its own
// that Redis has lost are written anew by forked().
void RedisBans::forget_lifted() {
    std::vector<std::string> gone;
    for (const std::string& key : others_)
        if (!found_.contains(key)) gone.push_back(key);
    for (const auto& [key, own] : own_)
        if (own.until_ms > 0 && own.written && !own.under_way && !found_.contains(key)) gone.push_back(key);
    for (const std::string& key : gone) {
        others_.erase(key);
        own_.erase(key);
        tell({key, {}, 0});
    }
}

}  // namespace wayleave
