#include "daemon/session/kept_upstreams.h"

#include <utility>

namespace wayleave {
namespace {

// Below what servers keep an idle connection for (gunicorn: 2 s), so that few are met as they end it.
constexpr int64_t kept_ms = 1000;

}  // namespace

void KeptUpstreams::keep(uint64_t session, uint64_t number, std::shared_ptr<const Backend> backend, Now now) {
    drop(session);
    const int64_t until_ms = now.steady_ms + kept_ms;
    kept_.emplace(session, Kept{number, std::move(backend), until_ms});
    sessions_.emplace(number, session);
    terms_.push_back({until_ms, number});
}

uint64_t KeptUpstreams::take(uint64_t session, const Backend& backend) {
    const auto it = kept_.find(session);
    if (it == kept_.end()) return 0;
    const Kept kept = std::move(it->second);
    kept_.erase(it);
    sessions_.erase(kept.number);
    if (kept.backend.get() == &backend) return kept.number;
    actions_.upstreams_to_abort.push_back(kept.number);
    return 0;
}

void KeptUpstreams::drop(uint64_t session) {
    const auto it = kept_.find(session);
    if (it == kept_.end()) return;
    actions_.upstreams_to_abort.push_back(it->second.number);
    sessions_.erase(it->second.number);
    kept_.erase(it);
}

void KeptUpstreams::drop_all() {
    for (const auto& [session, kept] : kept_) actions_.upstreams_to_abort.push_back(kept.number);
    kept_.clear();
    sessions_.clear();
    terms_.clear();
}

void KeptUpstreams::drop_upstream(uint64_t number) {
    if (const auto it = sessions_.find(number); it != sessions_.end()) drop(uint64_t{it->second});
}

void KeptUpstreams::gone(uint64_t number) {
    const auto it = sessions_.find(number);
    if (it == sessions_.end()) return;
    kept_.erase(it->second);
    sessions_.erase(it);
}

void KeptUpstreams::tick(Now now) {
    for (; !terms_.empty() && terms_.front().until_ms <= now.steady_ms; terms_.pop_front()) {
        const auto it = sessions_.find(terms_.front().number);
        // One that was taken and is kept again has a later term.
        if (it != sessions_.end() && kept_.at(it->second).until_ms <= now.steady_ms)
            drop(uint64_t{it->second});
    }
}

}  // namespace wayleave
