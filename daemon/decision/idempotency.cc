#include "daemon/decision/idempotency.h"

#include <utility>

namespace wayleave {
namespace {

// A request whose connection is lost is never finished.
constexpr int64_t longest_run_ms = 60'000;
constexpr size_t entry_bytes = 256;

std::string name_of(std::string_view scope, std::string_view key) {
    return std::string(scope).append(1, '\0').append(key);
}

}  // namespace

IdempotencyTable::Begun IdempotencyTable::begin(std::string_view scope, std::string_view key,
                                                std::string_view digest, int64_t now_ms) {
    std::string name = name_of(scope, key);
    const std::scoped_lock lock(mutex_);
    make_room(now_ms);
    if (const auto it = entries_.find(name); it != entries_.end()) {
        const Entry& entry = it->second;
        if (entry.until_ms <= now_ms) {
            erase(name);
        } else if (entry.digest != digest) {
            return Other{};
        } else if (entry.running) {
            return Running{};
        } else {
            return Known{entry.answer};
        }
    }
    bytes_ += entry_bytes + 2 * name.size();
    entries_.emplace(name, Entry{std::string(digest), {}, now_ms + longest_run_ms, ++begun_});
    order_.emplace(begun_, std::move(name));
    return Fresh{};
}

void IdempotencyTable::finish(std::string_view scope, std::string_view key, std::string answer) {
    const std::scoped_lock lock(mutex_);
    const auto it = entries_.find(name_of(scope, key));
    if (it == entries_.end()) return;
    bytes_ += answer.size();
    it->second.answer = std::move(answer);
    it->second.running = false;
    it->second.until_ms += keep_ms_ - longest_run_ms;
}

void IdempotencyTable::forget(std::string_view scope, std::string_view key) {
    const std::scoped_lock lock(mutex_);
    erase(name_of(scope, key));
}

size_t IdempotencyTable::bytes() const {
    const std::scoped_lock lock(mutex_);
    return bytes_;
}

size_t IdempotencyTable::keys() const {
    const std::scoped_lock lock(mutex_);
    return order_.size();
}

void IdempotencyTable::make_room(int64_t now_ms) {
    while (!order_.empty()) {
        const std::string oldest = order_.begin()->second;
        const bool full = entries_.size() >= most_keys_ || bytes_ > most_bytes_;
        if (!full && entries_.find(oldest)->second.until_ms > now_ms) return;
        erase(oldest);
    }
}

void IdempotencyTable::erase(const std::string& name) {
    const auto it = entries_.find(name);
    if (it == entries_.end()) return;
    bytes_ -= entry_bytes + 2 * name.size() + it->second.answer.size();
    order_.erase(it->second.number);
    entries_.erase(it);
}

}  // namespace wayleave
