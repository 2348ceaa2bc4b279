// Who is kept out for a while, and who is on the way there: the ladder of a policy's `ban`. For all workers
// together; thread-safe, striped. Bounded: a full table forgets who did the least, and counts it. It outlives
// reloads: a key says what is counted and for whom, not how much of it is too much.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dsl/policy/policy.h"

namespace wayleave {

// A ban that is in force.
struct BanEntry {
    std::string id;   // to name it by: 12 hexadecimal digits
    std::string who;  // "ip 203.0.113.7", claims that are secret left out
    std::string route;
    std::string place;  // the statement
    std::string because;
    int64_t left_ms = 0;
    uint32_t times = 0;  // how often in a row
    // What it is about, each by itself: "203.0.113.7"; of IPv6 the network that counts as one client.
    std::vector<std::string> values = {};
    std::vector<dsl::Net> networks = {};
};

// A ban as it is told to other nodes.
struct BanNews {
    std::string key;
    BanEntry ban;
    int64_t remembered_ms = 0;  // how long after its end it counts that there was one
};

class BanTable {
  public:
    explicit BanTable(size_t most_keys = 1 << 16);
    ~BanTable();
    BanTable(const BanTable&) = delete;
    BanTable& operator=(const BanTable&) = delete;

    // How long the key is still kept out, in ms. Time is steady.
    [[nodiscard]] std::optional<int64_t> left(std::string_view key, int64_t now_ms) const;

    struct Counted {
        int64_t left_ms = 0;  // 0: not banned
        bool begun = false;   // with this one
        std::string id = {};  // of the ban that has begun
    };
    // One more of what the ban counts. While a ban is in force nothing is counted: attempts do not lengthen
    // it. `describe` is called when a ban begins; its id, left_ms and times are filled in here.
    [[nodiscard]] Counted count(std::string_view key, const dsl::Ban& ban,
                                const std::function<BanEntry()>& describe, int64_t now_ms);

    [[nodiscard]] std::vector<BanEntry> list(int64_t now_ms) const;
    // What begins here is told to `tell`, by the worker that counted it. Before the workers start.
    void share(std::function<void(const BanNews&)> tell) { tell_ = std::move(tell); }
    // One that another node has begun. Of two about the same the longer stays.
    void insert(BanNews news, int64_t now_ms);
    // One that another node has lifted.
    bool lift_key(std::string_view key, int64_t now_ms);

    // By id, by all of `who`, by one value of it, by an address that is kept out, or by a network that such
    // addresses are in. Forgets also how often it was. The keys of those that were lifted.
    std::vector<std::string> lift(std::string_view name, int64_t now_ms);

    // Drops what has been quiet. Cheap: one stripe a call; call it at each tick of one thread.
    void forget_quiet(int64_t now_ms);

    [[nodiscard]] size_t in_force() const;  // as of the last sweep, those lifted or begun since included
    [[nodiscard]] uint64_t begun() const;   // since the start
    [[nodiscard]] uint64_t overflows() const;

  private:
    struct Entry;
    struct Stripe;
    Counted count(std::string_view key, const dsl::Ban& ban, const std::function<BanEntry()>& describe,
                  int64_t now_ms, std::optional<BanNews>& news);
    [[nodiscard]] Stripe& stripe_of(std::string_view key) const;

    std::unique_ptr<Stripe[]> stripes_;
    size_t most_keys_per_stripe_;
    size_t next_to_clean_ = 0;
    std::function<void(const BanNews&)> tell_;  // empty: the daemon is alone
};

}  // namespace wayleave
