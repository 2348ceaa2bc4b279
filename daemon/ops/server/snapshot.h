// The daemon at one moment, as metrics and status show it. A value; the page functions are pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/backend/http_backends.h"
#include "daemon/decision/counters.h"
#include "daemon/edge/canary.h"
#include "daemon/message/broker.h"
#include "daemon/message/commons.h"
#include "daemon/notify/notice_queue.h"
#include "daemon/ops/log/log.h"
#include "daemon/ops/server/counter_rows.h"
#include "daemon/ops/server/memory_budget.h"

namespace wayleave {

// The counters of all workers, added up.
struct Totals {
    std::array<uint64_t, counter_rows.size()> values{};  // in the order of the rows
    std::array<uint64_t, static_cast<size_t>(Reason::count_)> refused{};
    uint64_t events_lost = 0;
    std::array<HistogramReading, timed_rows.size()> times{};  // in the order of the rows
    std::map<DecisionBook::Key, uint64_t> decisions;
    AliasBook::Counts aliases;
    MessageBook::Counts messages;

    void add(const Counters& counters);
    template <auto member>
    [[nodiscard]] uint64_t of() const {
        return values[row_of(member)];
    }
};

// What outlasts the policies: tokens, their keys, and the backends.
struct IdentityTotals {
    struct Keys {
        std::string url;
        uint64_t fetched = 0;
        uint64_t failed = 0;
        bool known = false;
    };
    size_t used_tokens = 0;
    uint64_t replays = 0;
    uint64_t used_tokens_full = 0;
    uint64_t cache_hits = 0;
    uint64_t cache_misses = 0;
    std::vector<std::pair<std::string_view, uint64_t>> checks;  // by result
    std::vector<Keys> keys;
    std::vector<BackendStatus> backends;
};

struct Snapshot {
    std::string version;
    int64_t wall_ms = 0;
    int64_t started_wall_ms = 0;
    int64_t uptime_ms = 0;
    bool draining = false;  // it sends its clients away, and is not ready
    bool stopping = false;  // it ends
    bool healthy = true;    // every worker's loop turns
    CanaryReport canary;
    std::vector<std::string> listeners;
    std::map<std::string, int64_t> certificates;  // by path: when it expires, in seconds since 1970
    std::vector<uint64_t> loop_turns;             // by worker
    Totals totals;
    size_t max_connections = 0;
    size_t memory_used = 0;    // resident
    size_t memory_budget = 0;  // 0: none
    MemoryState memory_state = MemoryState::ample;
    size_t limit_keys = 0;
    uint64_t limit_evictions = 0;
    size_t bans_in_force = 0;
    uint64_t bans_begun = 0;
    uint64_t ban_overflows = 0;
    LogLoss log_lost;
    size_t refusals_kept_bytes = 0;
    uint64_t refusals_forgotten = 0;
    BrokerTotals broker;
    std::string broker_health;           // what keeps it from working; empty: nothing
    std::optional<NodeList> nodes = {};  // of the installation; none: the daemon is alone
    IdentityTotals identity;
    NoticeTotals notices;

    std::string policy_directory;
    uint64_t generation = 0;
    int64_t loaded_wall_ms = 0;
    std::string policy_hash;
    bool shadow = false;
    size_t policy_files = 0;
    std::vector<std::string> routes;
    struct Alias {
        std::string address;
        std::string route;
        std::string stream;  // empty: none
        std::string until;   // likewise
    };
    std::vector<Alias> aliases;  // of the policy, by address
    size_t tokens = 0;
    size_t static_files = 0;
    uint64_t reloads_done = 0;
    uint64_t reloads_refused = 0;
    uint64_t reloads_busy = 0;
    bool last_reload_refused = false;
};

// The metrics page, in Prometheus's text format.
[[nodiscard]] std::string metrics_page(const Snapshot& snapshot);
// `wayleave status`: one JSON object.
[[nodiscard]] std::string status_json(const Snapshot& snapshot);
// One line for `systemctl status`.
[[nodiscard]] std::string status_line(const Snapshot& snapshot);

}  // namespace wayleave
