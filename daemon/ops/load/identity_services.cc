#include "daemon/ops/load/identity_services.h"

#include "daemon/ops/log/log.h"

namespace wayleave {
namespace {

void report(std::string_view event, const std::string& text, bool bad) {
    log_event(bad ? Level::warn : Level::info, event, text);
}

}  // namespace

IdentityServices::IdentityServices() : backends(report) {}

std::shared_ptr<RemoteKeys> IdentityServices::keys_at(const std::string& url) {
    const std::lock_guard lock(mutex_);
    std::weak_ptr<RemoteKeys>& known = keys_[url];
    auto keys = known.lock();
    if (!keys) known = keys = RemoteKeys::create(url, backends, report);
    return keys;
}

void IdentityServices::refresh(Now now) {
    std::vector<std::shared_ptr<RemoteKeys>> held;
    {
        const std::lock_guard lock(mutex_);
        std::erase_if(keys_, [](const auto& known) { return known.second.expired(); });
        for (const auto& [url, keys] : keys_) held.push_back(keys.lock());
    }
    for (const auto& keys : held) {
        if (keys) keys->refresh(now);  // else it has gone meanwhile
    }
}

IdentityTotals IdentityServices::totals() const {
    const auto read = [](const std::atomic<uint64_t>& value) {
        return value.load(std::memory_order_relaxed);
    };
    IdentityTotals out;
    out.used_tokens = used_tokens->size();
    out.replays = used_tokens->replays();
    out.used_tokens_full = used_tokens->full();
    out.cache_hits = read(token_cache->hits);
    out.cache_misses = read(token_cache->misses);
    out.checks = {{"asked", read(checks->asked)},   {"cached", read(checks->cached)},
                  {"shared", read(checks->shared)}, {"yes", read(checks->yes)},
                  {"no", read(checks->no)},         {"unavailable", read(checks->unavailable)}};
    const std::lock_guard lock(mutex_);
    for (const auto& [url, weak] : keys_) {
        const auto keys = weak.lock();
        if (!keys) continue;
        const RemoteKeysStatus status = keys->status();
        out.keys.push_back({url, status.fetched, status.failed, status.known});
    }
    out.backends = backends.status();
    return out;
}

}  // namespace wayleave
