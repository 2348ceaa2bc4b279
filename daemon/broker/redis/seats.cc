#include "daemon/broker/redis/seats.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "daemon/broker/redis/entry.h"
#include "daemon/broker/redis/node_report.h"

namespace wayleave {
namespace {

constexpr size_t most_seats_asked = 32;
constexpr size_t most_seat_text = 512;
constexpr size_t most_idle_seats = 1024;  // of those that wait

// NODE:PROCESS:WORKER:PLACE:SESSION, of which the last three are a holder's.
constexpr size_t parts = 5;
std::optional<std::array<std::string_view, parts>> split(std::string_view text) {
    std::array<std::string_view, parts> out;
    for (size_t i = 0; i < parts; ++i) {
        const size_t end = i + 1 < parts ? text.find(':') : text.size();
        if (end == std::string_view::npos || end == 0) return std::nullopt;
        out.at(i) = text.substr(0, end);
        text.remove_prefix(std::min(text.size(), end + 1));
    }
    return out;
}

// A place and a session have all their 64 bits.
std::optional<uint64_t> whole_number(std::string_view text) {
    uint64_t out = 0;
    for (const char c : text) {
        if (c < '0' || c > '9' || out > (UINT64_MAX - 9) / 10) return std::nullopt;
        out = out * 10 + static_cast<uint64_t>(c - '0');
    }
    return text.empty() ? std::nullopt : std::optional(out);
}

std::optional<SlotHolder> holder_in(const std::array<std::string_view, parts>& text) {
    const auto worker = whole_number(text[2]);
    const auto place = whole_number(text[3]);
    const auto session = whole_number(text[4]);
    if (!worker || !place || !session || *worker > UINT32_MAX) return std::nullopt;
    return SlotHolder{static_cast<uint32_t>(*worker), *place, *session};
}

}  // namespace

RedisSeats::Seat* RedisSeats::find(const std::string& name, const SlotHolder& holder) {
    const auto it = places_.find(name);
    if (it == places_.end()) return nullptr;
    for (Seat& seat : it->second.seats) {
        if (seat.holder == holder) return &seat;
    }
    return nullptr;
}

void RedisSeats::remove(const std::string& name, const SlotHolder& holder) {
    const auto it = places_.find(name);
    if (it == places_.end()) return;
    held_ -= std::erase_if(it->second.seats, [&](const Seat& seat) { return seat.holder == holder; });
    if (it->second.seats.empty()) places_.erase(it);
}

std::string RedisSeats::text_of(const std::string& node, const SlotHolder& holder) const {
    return node + ":" + node_text(shared_.node) + ":" + std::to_string(holder.worker) + ":" +
           std::to_string(holder.place) + ":" + std::to_string(holder.session);
}

void RedisSeats::queue(const std::string& name, Seat& seat) {
    if (!std::exchange(seat.queued, true)) queue_.push_back({name, seat.holder});
}

void RedisSeats::take(const Take& take, const Evict& evict) {
    const std::string name = shared_.keys.seats(take.key);
    Places& places = places_[name];
    places.most = std::max<int64_t>(1, take.most);
    // Who loses his place here loses it at all nodes.
    while (places.seats.size() >= static_cast<size_t>(places.most)) {
        const SlotHolder oldest = places.seats.front().holder;
        places.seats.erase(places.seats.begin());
        --held_;
        const std::string who = text_of(nodes_.id(), oldest);
        calls_.ask({"ZREM", name, who}, [](const RedisReply&) {});
        evict(oldest);
    }
    places.seats.push_back({take.holder, {}});
    ++held_;
    queue(name, places.seats.back());
    if (queue_.size() > 2 * held_ + most_idle_seats) compact();
}

// While Redis is away those who come and go would make it grow.
void RedisSeats::compact() {
    std::erase_if(queue_, [this](const Due& due) { return find(due.name, due.holder) == nullptr; });
}

void RedisSeats::leave(const Leave& leave) {
    const std::string name = shared_.keys.seats(leave.key);
    if (!find(name, leave.holder)) return;
    remove(name, leave.holder);
    const std::string who = text_of(nodes_.id(), leave.holder);
    calls_.ask({"ZREM", name, who}, [](const RedisReply&) {});
}

void RedisSeats::lost(std::string_view text, const Evict& evict) {
    // E, the key's name after its length, and who.
    const size_t colon = text.find(':');
    const auto size = read_number(text.substr(0, std::min(colon, text.size())));
    if (text.size() > most_seat_text || colon == std::string_view::npos || !size ||
        *size >= text.size() - colon - 1)
        return shared_.counters.malformed.add();
    const std::string name(text.substr(colon + 1, static_cast<size_t>(*size)));
    const auto found = split(text.substr(colon + 1 + name.size()));
    const auto holder = found ? holder_in(*found) : std::nullopt;
    if (!holder) return shared_.counters.malformed.add();
    if (!find(name, *holder)) return;  // it has gone meanwhile
    remove(name, *holder);
    evict(*holder);
}

void RedisSeats::write_anew() {
    for (auto& [name, places] : places_) {
        for (Seat& seat : places.seats) queue(name, seat);
    }
}

void RedisSeats::turn(const Evict& evict) {
    if (!nodes_.whole()) return;
    if (calls_.now_ms() >= again_ms_ && queue_.empty()) {
        again_ms_ = calls_.now_ms() + ask_again_ms_;
        write_anew();
    }
    while (!queue_.empty() && under_way_ < most_seats_asked) {
        const Due due = std::move(queue_.front());
        queue_.pop_front();
        Seat* seat = find(due.name, due.holder);
        if (!seat) continue;
        seat->queued = false;
        if (!seat->under_way) ask(due.name, places_.find(due.name)->second, *seat, evict);
    }
}

void RedisSeats::ask(const std::string& name, Places& places, Seat& seat, const Evict& evict) {
    seat.under_way = true;
    ++under_way_;
    const std::string who = text_of(nodes_.id(), seat.holder);
    std::string dead = ",";
    for (const std::string& one : nodes_.dead()) dead += one + ",";
    calls_.run(seat_script(), {name}, {std::to_string(places.most), who, seat.since, std::move(dead)},
               [this, name, holder = seat.holder, who, evict, stretch = stretch_](const RedisReply& reply) {
                   if (stretch == stretch_) answered(name, holder, who, reply, evict);
               });
}

void RedisSeats::answered(const std::string& name, const SlotHolder& holder, const std::string& who,
                          const RedisReply& reply, const Evict& evict) {
    --under_way_;
    Seat* seat = find(name, holder);
    if (seat) seat->under_way = false;
    if (reply.kind != RedisReply::Kind::list || reply.items.empty()) {
        if (reply.kind != RedisReply::Kind::lost) shared_.counters.malformed.add();
        return;  // in the next round
    }
    if (seat && seat->since.empty() && reply.items[0].text.size() < 32) seat->since = reply.items[0].text;
    // It went while this was under way.
    if (!seat) calls_.ask({"ZREM", name, who}, [](const RedisReply&) {});
    for (size_t i = 1; i < reply.items.size(); ++i) evict_everywhere(name, reply.items[i].text, evict);
}

void RedisSeats::evict_everywhere(const std::string& name, std::string_view who, const Evict& evict) {
    const auto found = split(who);
    if (!found || !is_node_text((*found)[1])) return shared_.counters.malformed.add();
    const std::string text = std::to_string(name.size()) + ":" + name + std::string(who);
    if ((*found)[1] == node_text(shared_.node)) return lost(text, evict);
    const std::string channel = shared_.keys.control((*found)[1]);
    calls_.ask({"SPUBLISH", channel, std::string(1, word) + text}, [](const RedisReply&) {});
}

void RedisSeats::down() {
    ++stretch_;
    under_way_ = 0;
    for (auto& [name, places] : places_) {
        for (Seat& seat : places.seats) {
            if (std::exchange(seat.under_way, false)) queue(name, seat);
        }
    }
}

}  // namespace wayleave
