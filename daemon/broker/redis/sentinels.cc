#include "daemon/broker/redis/sentinels.h"

#include <algorithm>
#include <array>
#include <utility>

#include "daemon/base/escape.h"
#include "daemon/broker/redis/entry.h"

namespace wayleave {
namespace {

constexpr int64_t ask_every_ms = 500;
constexpr int64_t fresh_ms = 3000;  // an older word is none
constexpr size_t most_host = 255;
constexpr uint64_t most_port = 65'535;
// A Sentinel names a replica as soon as it is promoted, and tells of the switch when all is done.
constexpr std::array<std::string_view, 2> news = {"+promoted-slave", "+switch-master"};
constexpr int64_t news_again_ms = 5000;  // where its rules forbid to listen, asking has to do

bool is_host(const std::string& text) {
    constexpr std::string_view others = ".-_:%";
    return !text.empty() && text.size() <= most_host && std::all_of(text.begin(), text.end(), [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               others.find(c) != std::string_view::npos;
    });
}

}  // namespace

std::optional<RedisPrimary> read_primary(const RedisReply& reply) {
    if (!reply.is_list(2)) return std::nullopt;
    const auto port = read_number(reply.items[1].text);
    if (!is_host(reply.items[0].text) || !port || *port == 0 || *port > most_port) return std::nullopt;
    return RedisPrimary{reply.items[0].text, static_cast<uint16_t>(*port)};
}

uint64_t read_config_epoch(const RedisReply& reply) {
    for (size_t i = 0; i + 1 < reply.items.size(); i += 2) {
        if (reply.items[i].text != "config-epoch") continue;
        const auto epoch = read_number(reply.items[i + 1].text);
        return epoch ? *epoch : 0;
    }
    return 0;
}

std::optional<RedisPrimary> choose_primary(const std::vector<SentinelWord>& words,
                                           const RedisPrimary& current) {
    uint64_t latest = 0;
    for (const SentinelWord& word : words) latest = std::max(latest, word.epoch);
    const auto names = [&](const RedisPrimary& primary) {
        return std::count_if(words.begin(), words.end(), [&](const SentinelWord& word) {
            return word.epoch == latest && word.primary == primary;
        });
    };
    const RedisPrimary* best = nullptr;
    for (const SentinelWord& word : words) {
        if (word.epoch != latest) continue;
        const bool better = best == nullptr || names(word.primary) > names(*best) ||
                            (names(word.primary) == names(*best) && *best == current);
        if (better) best = &word.primary;
    }
    return best ? std::optional(*best) : std::nullopt;
}

struct RedisSentinels::Peer {
    Peer(RedisTarget where, const RedisAccess& access, const std::function<uint64_t()>& random)
        : target(std::move(where)),
          link(RedisLink::Role::sentinel, access, random),
          connection(link, target),
          news_link(RedisLink::Role::sentinel_news, access, random),
          news_connection(news_link, target) {}

    const RedisTarget target;
    RedisLink link;
    RedisConnection connection;
    std::optional<SentinelWord> word;
    uint64_t epoch = 0;
    std::string trouble;
    bool tried = false;  // has answered or failed
    int64_t asked_ms = INT64_MIN;
    bool under_way = false;
    RedisLink news_link;
    RedisConnection news_connection;
};

RedisSentinels::RedisSentinels(const std::vector<RedisTarget>& targets, std::string primary,
                               const RedisAccess& access, const std::function<uint64_t()>& random)
    : name_(std::move(primary)) {
    for (const RedisTarget& target : targets)
        peers_.push_back(std::make_unique<Peer>(target, access, random));
}

RedisSentinels::~RedisSentinels() = default;

void RedisSentinels::turn(int64_t now_ms) {
    for (const auto& peer : peers_) {
        peer->link.check(now_ms);
        take(*peer);
        hear(*peer, now_ms);
        const bool due = peer->asked_ms == INT64_MIN || now_ms - peer->asked_ms >= ask_every_ms;
        if (peer->link.state() == RedisLink::State::up && !peer->under_way && due) ask(*peer, now_ms);
        peer->connection.turn(now_ms);
    }
}

void RedisSentinels::take(Peer& peer) {
    while (peer.link.has_events()) {
        for (RedisLink::Event& event : peer.link.take_events()) {
            if (auto* down = std::get_if<RedisLink::Down>(&event)) {
                peer.trouble = escape_peer_text(down->fault.because, 512);
                peer.tried = true;
                peer.under_way = false;
                peer.asked_ms = INT64_MIN;
            } else if (auto* answer = std::get_if<RedisLink::Answer>(&event)) {
                answer->done(answer->reply);
            }
        }
    }
}

// What it says is not read: it is asked.
void RedisSentinels::hear(Peer& peer, int64_t now_ms) {
    peer.news_link.check(now_ms);
    for (RedisLink::Event& event : peer.news_link.take_events()) {
        if (std::holds_alternative<RedisLink::Up>(event)) {
            peer.news_link.subscribe_to_news(news, now_ms);
        } else if (std::holds_alternative<RedisLink::Down>(event)) {
            peer.news_link.rest_until(now_ms + news_again_ms);
        } else if (const auto* heard = std::get_if<RedisLink::Heard>(&event)) {
            if (heard->payload.find(name_) != std::string::npos) peer.asked_ms = INT64_MIN;
        }
    }
    peer.news_connection.turn(now_ms);
}

void RedisSentinels::ask(Peer& peer, int64_t now_ms) {
    peer.asked_ms = now_ms;
    peer.under_way = true;
    peer.link.ask(
        {"SENTINEL", "MASTER", name_},
        [&peer](const RedisReply& reply) { peer.epoch = read_config_epoch(reply); }, now_ms);
    // A failover that goes on has a new address before it has a new configuration.
    peer.link.ask(
        {"SENTINEL", "GET-MASTER-ADDR-BY-NAME", name_},
        [&peer, now_ms](const RedisReply& reply) {
            if (reply.kind == RedisReply::Kind::lost) return;
            peer.under_way = false;
            peer.tried = true;
            peer.link.settled();
            const auto primary = read_primary(reply);
            if (primary) {
                peer.word = SentinelWord{*primary, peer.epoch, now_ms};
                peer.trouble.clear();
            } else {
                peer.word.reset();
                peer.trouble = reply.failed() ? escape_peer_text(reply.text, 256)
                                              : std::string("knows no primary of this name");
            }
        },
        now_ms);
}

std::optional<RedisPrimary> RedisSentinels::primary(const RedisPrimary& current, int64_t now_ms) const {
    std::vector<SentinelWord> words;
    for (const auto& peer : peers_) {
        if (peer->word && now_ms - peer->word->at_ms <= fresh_ms) words.push_back(*peer->word);
    }
    return choose_primary(words, current);
}

bool RedisSentinels::all_tried() const {
    return std::all_of(peers_.begin(), peers_.end(), [](const auto& peer) { return peer->tried; });
}

std::string RedisSentinels::trouble() const {
    std::string out = "no Sentinel names a primary " + name_;
    for (const auto& peer : peers_)
        out += "; " + peer->target.host + ":" + std::to_string(peer->target.port) + " " +
               (peer->trouble.empty() ? "has not answered lately" : peer->trouble);
    return out;
}

void RedisSentinels::want(std::vector<pollfd>& out) const {
    for (const auto& peer : peers_) {
        out.push_back(peer->connection.wanted());
        out.push_back(peer->news_connection.wanted());
    }
}

int64_t RedisSentinels::wake_ms(int64_t now_ms) const {
    int64_t out = now_ms + ask_every_ms;
    for (const auto& peer : peers_)
        out = std::min({out, peer->connection.wake_ms(now_ms), peer->news_connection.wake_ms(now_ms)});
    return out;
}

void RedisSentinels::ready(const pollfd* found, int64_t now_ms) {
    for (const auto& peer : peers_) {
        peer->connection.ready((found++)->revents, now_ms);
        peer->news_connection.ready((found++)->revents, now_ms);
    }
}

}  // namespace wayleave
