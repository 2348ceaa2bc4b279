// Any bytes from a Redis, in pieces of any size, for a link in each of its states: it goes on or closes, and
// what it holds is answered.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "daemon/broker/redis/entry.h"
#include "daemon/broker/redis/link.h"
#include "daemon/broker/redis/replicas.h"
#include "daemon/broker/redis/scripts.h"

using namespace wayleave;

namespace {

void check(bool holds) {
    if (!holds) std::abort();
}

std::string bulk(std::string_view text) {
    return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}

std::string greeting(RedisLink::Role role) {
    if (role == RedisLink::Role::sentinel_news) return "*1\r\n" + bulk("sentinel");
    std::string out = "+OK\r\n" +
                      bulk("redis_version:7.0.15\r\nrun_id:" + std::string(40, 'a') +
                           "\r\nserver_time_usec:1700000000123456\r\nmaxmemory_policy:noeviction\r\n"
                           "master_replid:" +
                           std::string(40, 'b') + "\r\n") +
                      "*1\r\n" + bulk("master");
    if (role == RedisLink::Role::subscriptions) return out;
    if (role == RedisLink::Role::publications) out += ":0\r\n";
    for (const RedisScript* script : all_scripts()) out += bulk(script->hash());
    return out;
}

void feed(RedisLink::Role role, bool greeted, std::string_view bytes, size_t piece) {
    RedisLink link(role, {"", "", 0, "fuzz"}, [] { return uint64_t{1}; });
    size_t asked = 0;
    size_t answered = 0;
    link.open(0);
    link.opened(0);
    if (greeted) {
        link.received(greeting(role), 1);
        check(link.state() == RedisLink::State::up);
        const std::string names[] = {"a", "b"};
        if (role == RedisLink::Role::subscriptions) link.subscribe(names, 1);
        constexpr std::string_view news[] = {"+promoted-slave", "+switch-master"};
        if (role == RedisLink::Role::sentinel_news) link.subscribe_to_news(news, 1);
        const bool asks = role == RedisLink::Role::commands || role == RedisLink::Role::publications;
        for (; asks && asked < 3; ++asked)
            link.ask(
                {"GET", "x"}, [&](const RedisReply&) { ++answered; }, 1);
    }
    for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size())))
        link.received(bytes.substr(0, piece), 2);
    check(link.deadline_ms() < 100'000);
    link.check(100'000);
    link.lost({"over"}, 100'000);
    check(link.state() == RedisLink::State::waiting && link.unanswered() == 0 && link.output().empty());
    for (RedisLink::Event& event : link.take_events()) {
        if (auto* one = std::get_if<RedisLink::Answer>(&event)) one->done(one->reply);
        if (auto* one = std::get_if<RedisLink::Heard>(&event))
            (void)read_entry(one->payload, one->channel, 1);
    }
    check(answered == asked);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    const unsigned mode = data[0];
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    feed((mode & 1U) != 0 ? RedisLink::Role::commands : RedisLink::Role::subscriptions, (mode & 2U) != 0,
         bytes, 1 + (mode >> 2U));
    feed(RedisLink::Role::publications, (mode & 2U) != 0, bytes, 1 + (mode >> 2U));
    (void)count_replicas(bytes);
    feed(RedisLink::Role::sentinel_news, (mode & 2U) != 0, bytes, 1 + (mode >> 2U));
    return 0;
}
