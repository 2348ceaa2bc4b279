#include "daemon/ops/load/make_broker.h"

#include <sysexits.h>

#include <string>
#include <utility>

#include "daemon/broker/memory/broker.h"
#include "daemon/broker/redis/broker.h"
#include "daemon/broker/sqlite/broker.h"
#include "daemon/ops/load/read_file.h"
#include "daemon/ops/log/log.h"

namespace wayleave {
namespace {

void report_broker(bool bad, const std::string& message) {
    log_event(bad ? Level::error : Level::info, bad ? "broker-failed" : "broker-recovered", message);
}

void report_redis(RedisNews news, const std::string& message) {
    switch (news) {
        case RedisNews::down: return log_event(Level::error, "redis-down", message);
        case RedisNews::connected: return log_event(Level::info, "redis-connected", message);
        case RedisNews::too_few_replicas: return log_event(Level::error, "redis-replicas-missing", message);
        case RedisNews::enough_replicas: return log_event(Level::info, "redis-replicas-back", message);
    }
}

StartError refused(std::string text) {
    return {EX_CONFIG, std::move(text)};
}

// The settings have seen that it is one.
RedisTarget target_of(const std::string& host_port) {
    RedisTarget out;
    const size_t colon = host_port.rfind(':');
    out.host = host_port.substr(0, colon);
    if (out.host.starts_with('[')) out.host = out.host.substr(1, out.host.size() - 2);
    out.port = static_cast<uint16_t>(std::stoul(host_port.substr(colon + 1)));
    return out;
}

Result<RedisSettings, StartError> redis_settings(const StartSettings& settings) {
    RedisSettings out;
    if (!settings.redis_server.empty()) out.target = target_of(settings.redis_server);
    for (const std::string& one : settings.redis_sentinels) out.sentinels.push_back(target_of(one));
    out.primary = settings.redis_primary;
    out.target.server_name = settings.redis_server_name;
    out.access.user = settings.redis_user;
    out.access.database = static_cast<uint32_t>(settings.redis_database);
    out.access.name = "wayleave";
    if (!settings.redis_password_file.empty()) {
        auto password = read_secret("redis.password_file", settings.redis_password_file);
        if (!password) return failure(refused(password.error()));
        out.access.password = std::move(*password);
    }
    out.sentinel_access.user = settings.redis_sentinel_user;
    out.sentinel_access.name = out.access.name;
    if (!settings.redis_sentinel_password_file.empty()) {
        auto password = read_secret("redis.sentinel_password_file", settings.redis_sentinel_password_file);
        if (!password) return failure(refused(password.error()));
        out.sentinel_access.password = std::move(*password);
    }
    if (settings.redis_tls) {
        auto tls = make_redis_tls({settings.redis_ca, settings.redis_certificate, settings.redis_key});
        if (!tls) return failure(refused(tls.error()));
        out.target.tls = *tls;
        for (RedisTarget& one : out.sentinels) one.tls = *tls;
    }
    out.prefix = settings.redis_prefix;
    out.trust_after_fork = settings.redis_after_fork == "trust";
    if (settings.redis_sync == "replicas") out.replicas = settings.redis_replicas;
    out.memory_bytes = settings.broker_memory;
    out.most_waiting = settings.broker_max_waiting;
    out.most_waiting_bytes = settings.broker_max_waiting_bytes;
    return out;
}

Result<std::unique_ptr<Broker>, StartError> make_redis_broker(const StartSettings& settings, Now now) {
    const auto wanted = redis_settings(settings);
    if (!wanted) return failure(wanted.error());
    auto opened = RedisBroker::open(*wanted, report_redis, now);
    if (!opened) return failure(refused("redis.server: " + opened.error().because));
    return std::unique_ptr<Broker>(std::move(*opened));
}

}  // namespace

Result<std::unique_ptr<Broker>, StartError> make_broker(const StartSettings& settings, Now now) {
    if (settings.broker == "memory")
        return std::unique_ptr<Broker>(std::make_unique<MemoryBroker>(settings.broker_memory));
    if (settings.broker == "redis") return make_redis_broker(settings, now);
    auto opened = SqliteBroker::open({.path = settings.broker_path,
                                      .full = settings.broker_sync == "full",
                                      .most_file_bytes = settings.broker_max_database,
                                      .memory_bytes = settings.broker_memory,
                                      .most_waiting = settings.broker_max_waiting,
                                      .most_waiting_bytes = settings.broker_max_waiting_bytes},
                                     report_broker, now);
    if (opened) return std::unique_ptr<Broker>(std::move(*opened));
    const OpenFailure& why = opened.error();
    return failure(StartError{why.may_pass ? EX_UNAVAILABLE : EX_CONFIG, "broker.path: " + why.text});
}

}  // namespace wayleave
