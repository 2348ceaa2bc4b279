#include "daemon/broker/local_presence.h"

#include <algorithm>
#include <deque>
#include <mutex>
#include <utility>

#include "daemon/base/json_writer.h"
#include "daemon/base/string_map.h"

namespace wayleave {
namespace {

constexpr size_t presence_stripes = 64;

struct Here {
    uint32_t connections = 0;
    int64_t gone_at_ms = 0;  // of a user without connections: steady time
    bool announced = false;  // `$join` was sent, and `$leave` is owed
};

struct Room {
    StringMap<Here> users;
    uint64_t anonymous = 0;
};

struct Leaving {
    std::string channel;
    std::string user;
    int64_t at_ms = 0;
};

}  // namespace

struct alignas(64) LocalPresence::Stripe {
    mutable std::mutex mutex;
    StringMap<Room> rooms;         // no empty ones
    std::vector<Leaving> leaving;  // an entry whose user came back, or left once more, means nothing
};

Publication presence_message(std::string_view word, std::string_view channel, std::string_view user) {
    const std::string text = JsonObject().add("type", word).add("channel", channel).add("user", user).text();
    auto message = std::make_shared<Message>(std::string(channel), Position{}, text);
    message->announcement = true;
    return message;
}

LocalPresence::LocalPresence(Announce announce)
    : announce_(std::move(announce)), stripes_(std::make_unique<Stripe[]>(presence_stripes)) {}
LocalPresence::~LocalPresence() = default;

LocalPresence::Stripe& LocalPresence::stripe_of(std::string_view channel) const {
    return stripes_[stripe_for(channel, presence_stripes)];
}

void LocalPresence::appear(std::string_view channel, std::string_view user, const PresenceRules& rules, Now) {
    Stripe& stripe = stripe_of(channel);
    const std::lock_guard lock(stripe.mutex);
    Room& room = stripe.rooms[channel];
    if (user.empty()) {
        ++room.anonymous;
        return;
    }
    Here& here = room.users[user];
    if (++here.connections > 1 || here.announced || !rules.announce) return;
    here.announced = true;
    announce_(presence_message("$join", channel, user));
}

void LocalPresence::disappear(std::string_view channel, std::string_view user, const PresenceRules& rules,
                              Now now) {
    Stripe& stripe = stripe_of(channel);
    const std::lock_guard lock(stripe.mutex);
    const auto room = stripe.rooms.find(channel);
    if (room == stripe.rooms.end()) return;
    if (user.empty()) {
        room->second.anonymous -= std::min<uint64_t>(room->second.anonymous, 1);
    } else if (const auto here = room->second.users.find(user); here != room->second.users.end() &&
                                                                here->second.connections > 0 &&
                                                                --here->second.connections == 0) {
        here->second.gone_at_ms = now.steady_ms + rules.grace_ms;
        stripe.leaving.push_back({std::string(channel), std::string(user), here->second.gone_at_ms});
    }
    if (room->second.anonymous == 0 && room->second.users.empty()) stripe.rooms.erase(room);
}

std::optional<Roster> LocalPresence::present(std::string_view channel, uint32_t limit, Ticket) {
    Stripe& stripe = stripe_of(channel);
    const std::lock_guard lock(stripe.mutex);
    Roster roster;
    const auto room = stripe.rooms.find(channel);
    if (room == stripe.rooms.end()) return roster;
    roster.anonymous = room->second.anonymous;
    roster.total = room->second.users.size();
    roster.users.reserve(room->second.users.size());
    for (const auto& [user, here] : room->second.users) roster.users.push_back({user, here.connections});
    const auto by_name = [](const Roster::Entry& a, const Roster::Entry& b) { return a.user < b.user; };
    if (roster.users.size() <= limit) {
        std::sort(roster.users.begin(), roster.users.end(), by_name);
        return roster;
    }
    const auto end = roster.users.begin() + static_cast<std::ptrdiff_t>(limit);
    std::partial_sort(roster.users.begin(), end, roster.users.end(), by_name);
    roster.users.erase(end, roster.users.end());
    return roster;
}

void LocalPresence::tick(Now now) {
    for (size_t i = 0; i < presence_stripes; ++i) {
        Stripe& stripe = stripes_[i];
        const std::lock_guard lock(stripe.mutex);
        std::erase_if(stripe.leaving, [&](const Leaving& leaving) {
            if (leaving.at_ms > now.steady_ms) return false;
            const auto room = stripe.rooms.find(leaving.channel);
            if (room == stripe.rooms.end()) return true;
            const auto here = room->second.users.find(leaving.user);
            if (here == room->second.users.end() || here->second.connections > 0 ||
                here->second.gone_at_ms != leaving.at_ms)
                return true;
            const bool told = here->second.announced;
            room->second.users.erase(here);
            if (room->second.anonymous == 0 && room->second.users.empty()) stripe.rooms.erase(room);
            if (told) announce_(presence_message("$leave", leaving.channel, leaving.user));
            return true;
        });
    }
}

}  // namespace wayleave
