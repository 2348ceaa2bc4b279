#include "daemon/decision/bans.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <limits>
#include <mutex>
#include <utility>

#include "daemon/base/string_map.h"
#include "dsl/text/text.h"

namespace wayleave {
namespace {

constexpr size_t ban_stripes = 64;
constexpr size_t looked_at = 8;  // to find who may be forgotten
constexpr int64_t longest_ms = std::numeric_limits<int64_t>::max() / 4;

// Of the key, which holds addresses and the like: an id must not tell them.
std::string id_of(std::string_view key) {
    uint64_t hash = SeededHash{}(key);
    std::string out(12, '0');
    for (char& c : out) {
        c = dsl::hex_digits[hash & 15U];
        hash >>= 4U;
    }
    return out;
}

bool is_about(const BanEntry& ban, std::string_view name, const std::optional<dsl::Net>& net) {
    if (ban.id == name || ban.who == name) return true;
    if (std::find(ban.values.begin(), ban.values.end(), name) != ban.values.end()) return true;
    return net && std::any_of(ban.networks.begin(), ban.networks.end(), [&](const dsl::Net& own) {
               return own.bits <= net->bits ? own.contains(net->address) : net->contains(own.address);
           });
}

}  // namespace

struct BanTable::Entry {
    int64_t window_ms = 0;  // the present window began
    int64_t until_ms = 0;   // banned; later: was banned
    int64_t forget_ms = 0;  // quiet until then is as good as new
    uint32_t before = 0;    // counted in the window before the present one
    uint32_t now = 0;       // in the present one
    uint32_t times = 0;
    std::unique_ptr<BanEntry> told;  // of the last ban; most never have one

    // How many within the last `per`, if those of the window before came evenly.
    [[nodiscard]] int64_t recent(int64_t per, int64_t now_ms) {
        if (const int64_t passed = now_ms - window_ms; passed >= per) {
            before = passed < 2 * per ? now : 0;
            now = 0;
            window_ms = before > 0 ? window_ms + per : now_ms;
        }
        const int64_t rest = std::max<int64_t>(0, per - (now_ms - window_ms));
        return now + before * rest / std::max<int64_t>(1, per);
    }

    void begin(const dsl::Ban& ban, int64_t now_ms) {
        const uint32_t doublings = std::min<uint32_t>(times, 40);
        const int64_t first = ban.duration_ms;
        const int64_t wanted = first > (longest_ms >> doublings) ? longest_ms : first << doublings;
        until_ms = now_ms + std::min(wanted, std::max(first, ban.up_to_ms));
        forget_ms = until_ms + std::max(ban.up_to_ms, ban.per_ms);
        ++times;
        before = now = 0;
    }
};

struct alignas(64) BanTable::Stripe {
    mutable std::mutex mutex;
    StringMap<Entry> entries;
    std::atomic<size_t> in_force{0};
    std::atomic<uint64_t> begun{0};
    std::atomic<uint64_t> overflows{0};

    // With the mutex held, as those below.
    Entry& entry_of(std::string_view key, size_t most, int64_t now_ms) {
        auto it = entries.find(key);
        if (it == entries.end()) {
            if (entries.size() >= most) make_room(now_ms);
            it = entries.try_emplace(std::string(key)).first;
            it->second.window_ms = now_ms;
        }
        return it->second;
    }

    // The table's order is as good as random.
    void make_room(int64_t now_ms) {
        overflows.fetch_add(1, std::memory_order_relaxed);
        auto least = entries.begin();
        size_t seen = 0;
        for (auto it = entries.begin(); it != entries.end() && seen < looked_at; ++it, ++seen) {
            if (it->second.forget_ms < least->second.forget_ms) least = it;
        }
        if (least->second.until_ms > now_ms) in_force.fetch_sub(1, std::memory_order_relaxed);
        entries.erase(least);
    }
};

BanTable::BanTable(size_t most_keys)
    : stripes_(std::make_unique<Stripe[]>(ban_stripes)),
      most_keys_per_stripe_(std::max<size_t>(1, most_keys / ban_stripes)) {}

BanTable::~BanTable() = default;

BanTable::Stripe& BanTable::stripe_of(std::string_view key) const {
    return stripes_[stripe_for(key, ban_stripes)];
}

std::optional<int64_t> BanTable::left(std::string_view key, int64_t now_ms) const {
    const Stripe& stripe = stripe_of(key);
    if (stripe.in_force.load(std::memory_order_relaxed) == 0) return std::nullopt;
    const std::lock_guard lock(stripe.mutex);
    const auto it = stripe.entries.find(key);
    if (it == stripe.entries.end() || it->second.until_ms <= now_ms) return std::nullopt;
    return it->second.until_ms - now_ms;
}

BanTable::Counted BanTable::count(std::string_view key, const dsl::Ban& ban,
                                  const std::function<BanEntry()>& describe, int64_t now_ms) {
    std::optional<BanNews> news;
    const Counted out = count(key, ban, describe, now_ms, news);
    if (news) tell_(*news);
    return out;
}

BanTable::Counted BanTable::count(std::string_view key, const dsl::Ban& ban,
                                  const std::function<BanEntry()>& describe, int64_t now_ms,
                                  std::optional<BanNews>& news) {
    Stripe& stripe = stripe_of(key);
    const std::lock_guard lock(stripe.mutex);
    Entry& entry = stripe.entry_of(key, most_keys_per_stripe_, now_ms);
    if (entry.until_ms > now_ms) return {entry.until_ms - now_ms};
    if (entry.forget_ms <= now_ms) entry.times = 0;
    const int64_t recent = entry.recent(ban.per_ms, now_ms);
    ++entry.now;
    entry.forget_ms = std::max(entry.forget_ms, now_ms + 2 * ban.per_ms);
    if (recent + 1 < ban.after) return {};
    entry.begin(ban, now_ms);
    entry.told = std::make_unique<BanEntry>(describe());
    entry.told->id = id_of(key);
    stripe.in_force.fetch_add(1, std::memory_order_relaxed);
    stripe.begun.fetch_add(1, std::memory_order_relaxed);
    if (tell_) {
        news.emplace(BanNews{std::string(key), *entry.told, entry.forget_ms - entry.until_ms});
        news->ban.left_ms = entry.until_ms - now_ms;
        news->ban.times = entry.times;
    }
    return {entry.until_ms - now_ms, true, entry.told->id};
}

void BanTable::insert(BanNews news, int64_t now_ms) {
    const int64_t left_ms = std::clamp<int64_t>(news.ban.left_ms, 0, longest_ms);
    if (left_ms == 0) return;
    Stripe& stripe = stripe_of(news.key);
    const std::lock_guard lock(stripe.mutex);
    Entry& entry = stripe.entry_of(news.key, most_keys_per_stripe_, now_ms);
    if (entry.until_ms >= now_ms + left_ms) return;
    if (entry.until_ms <= now_ms) stripe.in_force.fetch_add(1, std::memory_order_relaxed);
    entry.until_ms = now_ms + left_ms;
    entry.forget_ms = entry.until_ms + std::clamp<int64_t>(news.remembered_ms, 0, longest_ms);
    entry.times = std::max<uint32_t>(1, news.ban.times);
    entry.before = entry.now = 0;
    entry.told = std::make_unique<BanEntry>(std::move(news.ban));
}

bool BanTable::lift_key(std::string_view key, int64_t now_ms) {
    Stripe& stripe = stripe_of(key);
    const std::lock_guard lock(stripe.mutex);
    const auto it = stripe.entries.find(key);
    if (it == stripe.entries.end() || it->second.until_ms <= now_ms) return false;
    stripe.in_force.fetch_sub(1, std::memory_order_relaxed);
    stripe.entries.erase(it);
    return true;
}

std::vector<BanEntry> BanTable::list(int64_t now_ms) const {
    std::vector<BanEntry> out;
    for (size_t i = 0; i < ban_stripes; ++i) {
        const Stripe& stripe = stripes_[i];
        const std::lock_guard lock(stripe.mutex);
        for (const auto& [key, entry] : stripe.entries) {
            if (entry.until_ms <= now_ms) continue;
            BanEntry& told = out.emplace_back(*entry.told);
            told.left_ms = entry.until_ms - now_ms;
            told.times = entry.times;
        }
    }
    std::sort(out.begin(), out.end(), [](const BanEntry& a, const BanEntry& b) {
        return std::pair(b.left_ms, a.id) < std::pair(a.left_ms, b.id);
    });
    return out;
}

std::vector<std::string> BanTable::lift(std::string_view name, int64_t now_ms) {
    std::vector<std::string> lifted;
    const auto net = dsl::parse_net(name);
    for (size_t i = 0; i < ban_stripes; ++i) {
        Stripe& stripe = stripes_[i];
        const std::lock_guard lock(stripe.mutex);
        absl::erase_if(stripe.entries, [&](const auto& item) {
            const Entry& entry = item.second;
            if (entry.until_ms <= now_ms || !is_about(*entry.told, name, net)) return false;
            stripe.in_force.fetch_sub(1, std::memory_order_relaxed);
            lifted.push_back(item.first);
            return true;
        });
    }
    return lifted;
}

void BanTable::forget_quiet(int64_t now_ms) {
    Stripe& stripe = stripes_[next_to_clean_++ % ban_stripes];
    const std::lock_guard lock(stripe.mutex);
    size_t in_force = 0;
    absl::erase_if(stripe.entries, [&](const auto& item) {
        in_force += item.second.until_ms > now_ms ? 1 : 0;
        return item.second.forget_ms <= now_ms;
    });
    stripe.in_force.store(in_force, std::memory_order_relaxed);
}

size_t BanTable::in_force() const {
    size_t sum = 0;
    for (size_t i = 0; i < ban_stripes; ++i) sum += stripes_[i].in_force.load(std::memory_order_relaxed);
    return sum;
}

uint64_t BanTable::begun() const {
    uint64_t sum = 0;
    for (size_t i = 0; i < ban_stripes; ++i) sum += stripes_[i].begun.load(std::memory_order_relaxed);
    return sum;
}

uint64_t BanTable::overflows() const {
    uint64_t sum = 0;
    for (size_t i = 0; i < ban_stripes; ++i) sum += stripes_[i].overflows.load(std::memory_order_relaxed);
    return sum;
}

}  // namespace wayleave
