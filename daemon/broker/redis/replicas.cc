#include "daemon/broker/redis/replicas.h"

#include <algorithm>
#include <utility>

#include "daemon/broker/redis/entry.h"

namespace wayleave {
namespace {

constexpr int64_t count_every_ms = 5000;
constexpr uint64_t most_lag_s = 5;  // a replica speaks each second
// While they are late the others must not be: each round costs a moment, and the whole time now and then.
constexpr int64_t short_wait_ms = 50;
constexpr int64_t patient_every_ms = 2000;

std::string_view value_of(std::string_view line, std::string_view name) {
    const size_t at = line.find(name);
    if (at == std::string_view::npos) return {};
    line.remove_prefix(at + name.size());
    return line.substr(0, line.find(','));
}

}  // namespace

// slave0:ip=127.0.0.1,port=7001,state=online,offset=14,lag=0
size_t count_replicas(std::string_view info) {
    size_t count = 0;
    for (size_t at = 0; at < info.size();) {
        const size_t end = std::min(info.find("\r\n", at), info.size());
        const std::string_view line = info.substr(at, end - at);
        at = end + 2;
        if (!line.starts_with("slave") || value_of(line, ",state=") != "online") continue;
        const auto lag = read_number(value_of(line, ",lag="));
        if (lag && *lag <= most_lag_s) ++count;
    }
    return count;
}

RedisReplicas::RedisReplicas(RedisShared& shared, RedisCalls& calls, RedisCalls& waiting, size_t least,
                             Report report)
    : shared_(shared), calls_(calls), waiting_(waiting), least_(least), report_(std::move(report)) {}

int64_t RedisReplicas::patience_ms() {
    const int64_t now_ms = calls_.now_ms();
    if (late_ && now_ms < patient_ms_ + patient_every_ms) return short_wait_ms;
    patient_ms_ = now_ms;
    return wait_ms;
}

void RedisReplicas::confirm(Done done) {
    const std::string least = std::to_string(least_);
    const std::string patience = std::to_string(patience_ms());
    waiting_.ask({"WAIT", least, patience},
                 [this, done = std::move(done)](const RedisReply& reply) { confirmed(reply, done); });
}

void RedisReplicas::confirmed(const RedisReply& reply, const Done& done) {
    if (reply.kind != RedisReply::Kind::number) return done(words_of(reply));
    late_ = reply.number < static_cast<int64_t>(least_);
    done(late_ ? "it is kept and delivered, but too few replicas of Redis have it yet; where the channel has "
                 "dedup, "
                 "send it again with the same dedup"
               : "");
}

void RedisReplicas::turn() {
    if (!wanted() || calls_.now_ms() < next_ms_) return;
    next_ms_ = calls_.now_ms() + count_every_ms;
    calls_.ask({"INFO", "replication"}, [this](const RedisReply& reply) {
        if (reply.kind == RedisReply::Kind::text) counted(count_replicas(reply.text));
    });
}

void RedisReplicas::counted(size_t count) {
    shared_.counters.replicas.set(count);
    if ((count < least_) == too_few_) return;
    too_few_ = count < least_;
    const std::string has = "Redis at " + shared_.server + " has " + std::to_string(count) +
                            (count == 1 ? " replica that keeps up" : " replicas that keep up");
    report_(!too_few_, too_few_ ? has + ", and redis.replicas wants " + std::to_string(least_) +
                                      "; publications that are kept are answered unavailable until it has"
                                : has + "; publications that are kept are answered again");
}

}  // namespace wayleave
