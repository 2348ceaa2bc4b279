#include "daemon/ops/server/snapshot.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <prometheus/text_serializer.h>

#include <ctime>
#include <sstream>

#include "daemon/base/json_writer.h"
#include "daemon/ops/server/node_watch.h"

namespace wayleave {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

class Families {
  public:
    void counter(const char* name, const char* help, uint64_t value) {
        add(name, help, MetricType::Counter, value);
    }
    void gauge(const char* name, const char* help, double value) {
        family(name, help, MetricType::Gauge).metric.push_back(metric(MetricType::Gauge, value));
    }
    MetricFamily& family(const char* name, const char* help, MetricType type) {
        families_.push_back({name, help, type, {}});
        return families_.back();
    }
    static ClientMetric metric(MetricType type, double value, std::vector<ClientMetric::Label> labels = {}) {
        ClientMetric metric;
        metric.label = std::move(labels);
        (type == MetricType::Gauge ? metric.gauge.value : metric.counter.value) = value;
        return metric;
    }
    [[nodiscard]] std::string text() const {
        std::ostringstream out;
        prometheus::TextSerializer().Serialize(out, families_);
        return out.str();
    }

  private:
    void add(const char* name, const char* help, MetricType type, uint64_t value) {
        family(name, help, type).metric.push_back(metric(type, static_cast<double>(value)));
    }

    std::vector<MetricFamily> families_;
};

prometheus::ClientMetric histogram(const HistogramReading& reading,
                                   std::vector<ClientMetric::Label> labels = {}) {
    ClientMetric metric;
    metric.label = std::move(labels);
    metric.histogram.sample_count = reading.count();
    metric.histogram.sample_sum = static_cast<double>(reading.sum_us) / 1e6;
    uint64_t within = 0;
    for (size_t i = 0; i < histogram_bounds_us.size(); ++i) {
        within += reading.counts[i];
        metric.histogram.bucket.push_back({within, static_cast<double>(histogram_bounds_us[i]) / 1e6});
    }
    return metric;
}

void add_times(Families& families, const Totals& totals) {
    for (size_t i = 0; i < timed_rows.size(); ++i)
        families.family(timed_rows[i].name, timed_rows[i].help, MetricType::Histogram)
            .metric.push_back(histogram(totals.times[i]));
}

void add_counters(Families& families, const Totals& totals) {
    for (size_t i = 0; i < counter_rows.size(); ++i) {
        const CounterRow& row = counter_rows[i];
        if (row.gauge) {
            families.gauge(row.name, row.help, static_cast<double>(totals.values[i]));
        } else {
            families.counter(row.name, row.help, totals.values[i]);
        }
    }
}

void add_door(Families& families, const Snapshot& snapshot) {
    const Totals& totals = snapshot.totals;
    families.gauge("wayleave_max_connections", "How many sockets there may be.",
                   static_cast<double>(snapshot.max_connections));
    families.gauge("wayleave_memory_bytes", "Resident memory of the process.",
                   static_cast<double>(snapshot.memory_used));
    families.gauge("wayleave_memory_budget_bytes", "How much resident memory there may be; 0 means no bound.",
                   static_cast<double>(snapshot.memory_budget));
    families.gauge("wayleave_memory_state", "0 ample, 1 refusing connections, 2 shedding readers.",
                   static_cast<double>(snapshot.memory_state));
    auto& refused =
        families.family("wayleave_refusals_total", "What was refused, by reason.", MetricType::Counter);
    for (size_t i = 0; i < totals.refused.size(); ++i) {
        refused.metric.push_back(
            Families::metric(MetricType::Counter, static_cast<double>(totals.refused[i]),
                             {{"reason", std::string(to_string(static_cast<Reason>(i)))}}));
    }
}

void add_disk(Families& families, const DiskTotals& disk) {
    families.counter("wayleave_broker_commits_total", "Transactions that reached the disk.", disk.commits);
    families.counter("wayleave_broker_committed_total",
                     "Publications and acknowledgements in those transactions; divided by commits it tells "
                     "how well they join.",
                     disk.committed);
    families.counter("wayleave_broker_failures_total",
                     "Transactions that failed; their publishers were told `unavailable`.", disk.failures);
    families.gauge("wayleave_broker_failing", "1 while the last transaction failed.", disk.failing ? 1 : 0);
    families.counter("wayleave_broker_refused_total",
                     "Publications and acknowledgements refused, since too many waited for the disk.",
                     disk.refused);
    families.gauge("wayleave_broker_waiting", "Publications and acknowledgements that wait for the disk.",
                   static_cast<double>(disk.waiting));
    families.gauge("wayleave_broker_waiting_bytes",
                   "Bytes of the publications and acknowledgements that wait for the disk.",
                   static_cast<double>(disk.waiting_bytes));
    families.gauge("wayleave_broker_database_bytes", "Size of the database, without its log.",
                   static_cast<double>(disk.database_bytes));
    families.gauge("wayleave_broker_wal_bytes", "Size of the database's write-ahead log.",
                   static_cast<double>(disk.wal_bytes));
}

void add_link(Families& families, const LinkTotals& link) {
    const auto gauge = [](uint64_t value) { return static_cast<double>(value); };
    families.gauge("wayleave_redis_up", "1 while Redis is connected and has proved to bring messages back.",
                   link.up ? 1 : 0);
    families.counter("wayleave_redis_dials_total", "Attempts to connect to Redis.", link.dials);
    families.counter("wayleave_redis_calls_total", "Commands sent to Redis.", link.calls);
    families.counter("wayleave_redis_published_total", "Publications that Redis accepted.", link.published);
    families.counter(
        "wayleave_redis_batches_total",
        "Calls in which numbered publications were sent; divided by it the publications tell how "
        "well they join.",
        link.batches);
    families.gauge("wayleave_redis_waiting",
                   "Publications, acknowledgements and questions that wait for Redis.", gauge(link.waiting));
    families.counter(
        "wayleave_redis_refused_total",
        "Publications, acknowledgements and questions refused, since too many waited or Redis was "
        "away.",
        link.refused);
    families.counter("wayleave_redis_received_total", "Messages of channels that Redis brought.",
                     link.received);
    families.counter("wayleave_redis_malformed_total",
                     "Messages and answers of Redis that this program could not have written.",
                     link.malformed);
    families.gauge("wayleave_redis_subscriptions", "Channels that this node hears of through Redis.",
                   gauge(link.subscriptions));
    families.counter("wayleave_redis_resubscribed_total",
                     "Channels subscribed to anew, since a connection was lost.", link.resubscribed);
    families.counter("wayleave_redis_gaps_repaired_total",
                     "Gaps in what came on numbered channels that were read from the history.",
                     link.repaired);
    families.counter("wayleave_redis_gaps_unrepaired_total",
                     "Gaps that could not be read any more; who listened was told.", link.unrepaired);
    families.counter("wayleave_redis_forks_total",
                     "Times that this node found Redis started anew or replaced, and began new epochs.",
                     link.forks);
    families
        .family("wayleave_redis_blind_seconds_total",
                "Seconds in which channels were subscribed to and Redis could not be heard.",
                MetricType::Counter)
        .metric.push_back(
            Families::metric(MetricType::Counter, static_cast<double>(link.blind_ms) / 1000.0, {}));
    families.gauge("wayleave_redis_probe_seconds",
                   "Time that the last probe took to Redis and back through the subscriptions.",
                   static_cast<double>(link.probe_us) / 1e6);
    if (!link.replicas) return;
    families.gauge("wayleave_redis_replicas", "Replicas of Redis that keep up, as the primary says.",
                   gauge(link.replicas->keep_up));
    families.counter("wayleave_redis_unconfirmed_total",
                     "Publications answered `unavailable`, since too few replicas had them in time.",
                     link.replicas->unconfirmed);
}

void add_broker(Families& families, const BrokerTotals& broker) {
    families.gauge("wayleave_broker_messages", "Messages of histories that are in memory.",
                   static_cast<double>(broker.messages));
    families.gauge("wayleave_broker_memory_bytes", "Bytes of the messages of histories that are in memory.",
                   static_cast<double>(broker.bytes));
    families.counter("wayleave_broker_duplicates_total",
                     "Publications that were not delivered again, since their id was known.",
                     broker.duplicates);
    if (broker.disk) add_disk(families, *broker.disk);
    if (broker.link) add_link(families, *broker.link);
}

void add_nodes(Families& families, const NodeList& list) {
    families.gauge("wayleave_redis_nodes", "Nodes whose lease is whole, this one included.",
                   static_cast<double>(list.nodes.size()));
    families.gauge("wayleave_redis_nodes_age_seconds", "How old what is known of the nodes is.",
                   static_cast<double>(list.age_ms) / 1000.0);
    families.counter("wayleave_redis_buried_total",
                     "Times that other nodes took this one for dead while it lived.", list.buried);
    families.counter("wayleave_redis_questions_dropped_total",
                     "Questions of other nodes that were not answered, since more than 20 came in a second.",
                     list.questions_dropped);
    families.gauge("wayleave_policy_skew", "1 while the nodes have had different policies for 5 minutes.",
                   list.skewed_ms >= tolerated_skew_ms ? 1 : 0);
}

void add_policy(Families& families, const Snapshot& snapshot) {
    const Totals& totals = snapshot.totals;
    families.family("wayleave_policy_info", "The hash of the policy in force.", MetricType::Gauge)
        .metric.push_back(Families::metric(MetricType::Gauge, 1.0, {{"policy", snapshot.policy_hash}}));
    auto& messages =
        families.family("wayleave_messages_by_type_total",
                        "Messages of clients, by the types that the policy names.", MetricType::Counter);
    for (const auto& [key, count] : totals.messages)
        messages.metric.push_back(Families::metric(MetricType::Counter, static_cast<double>(count),
                                                   {{"route", key.first}, {"type", key.second}}));
    auto& decisions = families.family("wayleave_decisions_total",
                                      "What the policy in force refused, by decision, route and reason.",
                                      MetricType::Counter);
    for (const auto& [key, count] : totals.decisions) {
        decisions.metric.push_back(Families::metric(MetricType::Counter, static_cast<double>(count),
                                                    {{"decision", key.decision},
                                                     {"reason", std::string(to_string(key.reason))},
                                                     {"route", key.route}}));
    }
}

// Those of the policy alone, so that no client makes a row.
void add_aliases(Families& families, const Snapshot& snapshot) {
    auto& came = families.family("wayleave_handshakes_by_alias_total",
                                 "Handshakes and plain requests that came by each alias of the policy.",
                                 MetricType::Counter);
    auto& there = families.family("wayleave_sessions_by_alias",
                                  "Connections that are open, and plain requests under way, by each alias.",
                                  MetricType::Gauge);
    for (const Snapshot::Alias& alias : snapshot.aliases) {
        const auto known = snapshot.totals.aliases.find(alias.address);
        const auto count = known == snapshot.totals.aliases.end() ? AliasBook::Count{} : known->second;
        const std::vector<ClientMetric::Label> labels{{"alias", alias.address}, {"route", alias.route}};
        came.metric.push_back(
            Families::metric(MetricType::Counter, static_cast<double>(count.handshakes), labels));
        there.metric.push_back(
            Families::metric(MetricType::Gauge, static_cast<double>(count.sessions), labels));
    }
}

void add_identity(Families& families, const IdentityTotals& identity) {
    const auto labelled = [](MetricFamily& family, MetricType type, uint64_t value,
                             std::vector<ClientMetric::Label> labels) {
        family.metric.push_back(Families::metric(type, static_cast<double>(value), std::move(labels)));
    };
    families.gauge("wayleave_used_tokens", "Tokens of one use that are remembered.",
                   static_cast<double>(identity.used_tokens));
    families.counter("wayleave_token_replays_total", "Tokens of one use that came again.", identity.replays);
    families.counter("wayleave_used_tokens_full_total",
                     "Tokens of one use that were refused because too many are remembered.",
                     identity.used_tokens_full);
    families.counter("wayleave_token_cache_hits_total", "Signatures that were known to be right.",
                     identity.cache_hits);
    families.counter("wayleave_token_cache_misses_total", "Signatures that had to be verified.",
                     identity.cache_misses);
    auto& checks = families.family("wayleave_checks_total", "Questions to backends about tokens, by result.",
                                   MetricType::Counter);
    for (const auto& [result, count] : identity.checks)
        labelled(checks, MetricType::Counter, count, {{"result", std::string(result)}});
    auto& fetches = families.family("wayleave_key_fetches_total", "Fetches of keys from URLs, by result.",
                                    MetricType::Counter);
    for (const auto& keys : identity.keys) {
        labelled(fetches, MetricType::Counter, keys.fetched, {{"url", keys.url}, {"result", "done"}});
        labelled(fetches, MetricType::Counter, keys.failed, {{"url", keys.url}, {"result", "failed"}});
    }
    auto& known =
        families.family("wayleave_keys_known", "1 when the keys of a URL are there.", MetricType::Gauge);
    for (const auto& keys : identity.keys)
        labelled(known, MetricType::Gauge, keys.known ? 1 : 0, {{"url", keys.url}});
}

void add_backends(Families& families, const std::vector<BackendStatus>& backends) {
    const auto add = [&](const char* name, const char* help, MetricType type, auto value) {
        auto& family = families.family(name, help, type);
        for (const BackendStatus& backend : backends) {
            family.metric.push_back(
                Families::metric(type, static_cast<double>(value(backend)), {{"backend", backend.name}}));
        }
    };
    using Status = const BackendStatus&;
    constexpr auto counter = MetricType::Counter;
    constexpr auto gauge = MetricType::Gauge;
    add("wayleave_backend_answers_total", "Requests to backends that were answered with anything but a 5xx.",
        counter, [](Status s) { return s.answered; });
    add("wayleave_backend_failures_total", "Requests to backends without an answer, or with a 5xx.", counter,
        [](Status s) { return s.failed; });
    add("wayleave_backend_retries_total", "Requests to backends that were made again.", counter,
        [](Status s) { return s.retried; });
    add("wayleave_backend_refused_total",
        "Requests that were not made: the backend is left alone, or too many wait.", counter,
        [](Status s) { return s.refused; });
    add("wayleave_backend_running", "Requests to backends that are under way.", gauge,
        [](Status s) { return s.running; });
    add("wayleave_backend_waiting", "Requests to backends that wait for their turn.", gauge,
        [](Status s) { return s.waiting; });
    add("wayleave_backend_bytes", "What requests to backends hold that are not answered yet.", gauge,
        [](const BackendStatus& one) { return one.bytes; });
    add("wayleave_backend_broken", "1 while a backend is left alone, since it failed too often.", gauge,
        [](Status s) { return s.broken ? 1U : 0U; });
    auto& times = families.family("wayleave_backend_seconds", "How long backends took, for each attempt.",
                                  MetricType::Histogram);
    for (const BackendStatus& backend : backends)
        times.metric.push_back(histogram(backend.time, {{"backend", backend.name}}));
}

void add_notices(Families& families, const NoticeTotals& notices) {
    auto& told = families.family("wayleave_notices_total", "What backends were told of sessions, by result.",
                                 MetricType::Counter);
    for (const auto& [result, count] : {std::pair{"told", notices.told},
                                        {"delivered", notices.delivered},
                                        {"refused", notices.refused},
                                        {"retried", notices.retried},
                                        {"lost", notices.lost}}) {
        told.metric.push_back(
            Families::metric(MetricType::Counter, static_cast<double>(count), {{"result", result}}));
    }
    families.gauge("wayleave_notices_waiting", "Notices that have not arrived yet, also those on disk.",
                   static_cast<double>(notices.waiting));
    families.gauge("wayleave_notice_bytes", "What notices hold in memory, and sessions whose end is told of.",
                   static_cast<double>(notices.bytes));
    families.gauge("wayleave_noticed_sessions", "Sessions whose end backends are told of.",
                   static_cast<double>(notices.sessions));
}

void add_canary(Families& families, const CanaryReport& canary) {
    families.counter("wayleave_canaries_total",
                     "Canaries: publications that were made to see whether they arrive.", canary.sung);
    families.counter("wayleave_canary_failures_total",
                     "Canaries that were not accepted, or not with every worker within 5 seconds.",
                     canary.failed);
    families.gauge("wayleave_canary_last_seconds", "How long the last canary took to the slowest worker.",
                   static_cast<double>(canary.last_us) / 1e6);
    auto& rounds = families.family("wayleave_canary_seconds", "How long canaries took to the slowest worker.",
                                   MetricType::Histogram);
    ClientMetric metric;
    metric.histogram.sample_count = canary.rounds;
    metric.histogram.sample_sum = static_cast<double>(canary.sum_us) / 1e6;
    for (size_t i = 0; i < canary.within.size(); ++i) {
        metric.histogram.bucket.push_back(
            {canary.within[i], static_cast<double>(CanaryReport::bounds_us[i]) / 1e6});
    }
    rounds.metric.push_back(std::move(metric));
}

void add_daemon(Families& families, const Snapshot& snapshot) {
    families.family("wayleave_build_info", "The version that runs.", MetricType::Gauge)
        .metric.push_back(Families::metric(MetricType::Gauge, 1.0, {{"version", snapshot.version}}));
    families.gauge("wayleave_start_time_seconds", "When the daemon started, since 1970.",
                   static_cast<double>(snapshot.started_wall_ms) / 1000.0);
    families.gauge("wayleave_draining", "1 while the daemon is stopping or drained.",
                   snapshot.draining ? 1.0 : 0.0);
    auto& turns = families.family("wayleave_loop_turns_total", "Turns of each worker's event loop.",
                                  MetricType::Counter);
    for (size_t i = 0; i < snapshot.loop_turns.size(); ++i) {
        turns.metric.push_back(Families::metric(MetricType::Counter,
                                                static_cast<double>(snapshot.loop_turns[i]),
                                                {{"worker", std::to_string(i)}}));
    }
    families.gauge("wayleave_policy_generation", "Counts the policies that were loaded.",
                   static_cast<double>(snapshot.generation));
    families.gauge("wayleave_policy_loaded_time_seconds", "When the policy in force was loaded, since 1970.",
                   static_cast<double>(snapshot.loaded_wall_ms) / 1000.0);
    auto& reloads = families.family("wayleave_reloads_total", "Reloads, by result.", MetricType::Counter);
    reloads.metric.push_back(Families::metric(MetricType::Counter, static_cast<double>(snapshot.reloads_done),
                                              {{"result", "done"}}));
    reloads.metric.push_back(Families::metric(
        MetricType::Counter, static_cast<double>(snapshot.reloads_refused), {{"result", "refused"}}));
    reloads.metric.push_back(Families::metric(MetricType::Counter, static_cast<double>(snapshot.reloads_busy),
                                              {{"result", "busy"}}));
    families.gauge("wayleave_limit_keys", "Keys that limits are counted for.",
                   static_cast<double>(snapshot.limit_keys));
    families.counter("wayleave_limit_evictions_total",
                     "Keys that made room for new ones, since the table of limits was full.",
                     snapshot.limit_evictions);
    auto& expiry =
        families.family("wayleave_certificate_expiry_time_seconds",
                        "When a certificate of a listener expires, since 1970.", MetricType::Gauge);
    for (const auto& [path, expires_s] : snapshot.certificates) {
        expiry.metric.push_back(
            Families::metric(MetricType::Gauge, static_cast<double>(expires_s), {{"path", path}}));
    }
    families.gauge("wayleave_bans", "Bans in force.", static_cast<double>(snapshot.bans_in_force));
    families.counter("wayleave_bans_total", "Bans that began.", snapshot.bans_begun);
    families.counter("wayleave_ban_overflows_total",
                     "Times that the table of bans was full and somebody was forgotten.",
                     snapshot.ban_overflows);
    families.gauge("wayleave_refusals_kept_bytes", "What the refusals take that wayleave why knows.",
                   static_cast<double>(snapshot.refusals_kept_bytes));
    families.counter("wayleave_refusals_forgotten_total",
                     "Refusals that wayleave why does not know any more.", snapshot.refusals_forgotten);
    auto& lost = families.family("wayleave_log_dropped_total", "Log lines that were lost, by cause.",
                                 MetricType::Counter);
    for (const auto& [cause, lines] : {std::pair{"queue", snapshot.log_lost.queue},
                                       {"write", snapshot.log_lost.write},
                                       {"rate", snapshot.log_lost.rate},
                                       {"turn", snapshot.totals.events_lost}}) {
        lost.metric.push_back(
            Families::metric(MetricType::Counter, static_cast<double>(lines), {{"cause", cause}}));
    }
}

std::string time_json(int64_t wall_ms) {
    const auto seconds = static_cast<std::time_t>(wall_ms / 1000);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    return fmt::format("\"{:%Y-%m-%dT%H:%M:%SZ}\"", parts);
}

std::string list_json(const std::vector<std::string>& texts) {
    return JsonArray(texts).text();
}

std::string refusals_json(const Totals& totals) {
    JsonObject out;
    for (size_t i = 0; i < totals.refused.size(); ++i)
        out.add(to_string(static_cast<Reason>(i)), totals.refused[i]);
    return out.text();
}

std::string aliases_json(const Snapshot& snapshot) {
    JsonArray out;
    for (const Snapshot::Alias& alias : snapshot.aliases) {
        const auto known = snapshot.totals.aliases.find(alias.address);
        const AliasBook::Count count =
            known == snapshot.totals.aliases.end() ? AliasBook::Count{} : known->second;
        JsonObject one;
        one.add("address", alias.address).add("route", alias.route);
        if (!alias.stream.empty()) one.add("stream", alias.stream);
        if (!alias.until.empty()) one.add("until", alias.until);
        out.raw(one.add("handshakes", count.handshakes).add("sessions", count.sessions).text());
    }
    return out.text();
}

std::string messages_json(const Totals& totals) {
    JsonArray out;
    for (const auto& [key, count] : totals.messages)
        out.raw(JsonObject().add("route", key.first).add("type", key.second).add("count", count).text());
    return out.text();
}

}  // namespace

void Totals::add(const Counters& counters) {
    for (size_t i = 0; i < counter_rows.size(); ++i) {
        const CounterRow& row = counter_rows[i];
        values[i] += row.gauge ? (counters.*row.gauge).get() : (counters.*row.counter).get();
    }
    events_lost += counters.events_lost.get();
    for (size_t i = 0; i < timed_rows.size(); ++i) times[i].add((counters.*timed_rows[i].histogram).read());
    for (const auto& [key, count] : counters.decisions.read()) decisions[key] += count;
    for (const auto& [key, count] : counters.messages.read()) messages[key] += count;
    for (const auto& [address, count] : counters.aliases.read()) {
        aliases[address].handshakes += count.handshakes;
        aliases[address].sessions += count.sessions;
    }
    for (size_t i = 0; i < refused.size(); ++i) refused[i] += counters.refused[i].get();
}

std::string metrics_page(const Snapshot& snapshot) {
    Families families;
    add_daemon(families, snapshot);
    add_canary(families, snapshot.canary);
    add_policy(families, snapshot);
    add_aliases(families, snapshot);
    add_door(families, snapshot);
    add_broker(families, snapshot.broker);
    if (snapshot.nodes) add_nodes(families, *snapshot.nodes);
    add_identity(families, snapshot.identity);
    add_backends(families, snapshot.identity.backends);
    add_notices(families, snapshot.notices);
    add_times(families, snapshot.totals);
    add_counters(families, snapshot.totals);
    return families.text();
}

std::string status_json(const Snapshot& snapshot) {
    const Totals& totals = snapshot.totals;
    std::string out = fmt::format(
        R"({{"version":{},"state":"{}","started":{},"uptime_seconds":{},"workers":{},"listeners":{},)",
        json_string(snapshot.version),
        snapshot.draining ? "draining" : (snapshot.healthy ? "running" : "stalled"),
        time_json(snapshot.started_wall_ms), snapshot.uptime_ms / 1000, snapshot.loop_turns.size(),
        list_json(snapshot.listeners));
    out += fmt::format(
        R"("connections":{},"sockets":{},"max_connections":{},"subscriptions":{},"channels":{},)",
        totals.of<&Counters::connections>(), totals.of<&Counters::sockets>(), snapshot.max_connections,
        totals.of<&Counters::subscriptions>(), totals.of<&Counters::channels>());
    out += fmt::format(R"("memory":{{"used":{},"budget":{},"state":{}}},)", snapshot.memory_used,
                       snapshot.memory_budget, json_string(to_string(snapshot.memory_state)));
    out += fmt::format(
        R"("policy":{{"hash":{},"generation":{},"loaded":{},"directory":{},"files":{},"routes":{},"tokens":{},"static_files":{},)",
        json_string(snapshot.policy_hash), snapshot.generation, time_json(snapshot.loaded_wall_ms),
        json_string(snapshot.policy_directory), snapshot.policy_files, list_json(snapshot.routes),
        snapshot.tokens, snapshot.static_files);
    out += fmt::format(R"("shadow":{},"shadow_compared":{},"shadow_differences":{},)", snapshot.shadow,
                       totals.of<&Counters::shadow_compared>(), totals.of<&Counters::shadow_differences>());
    out += fmt::format(R"("reloads":{},"reloads_refused":{},"last_reload_refused":{}}},)",
                       snapshot.reloads_done, snapshot.reloads_refused, snapshot.last_reload_refused);
    out += fmt::format(
        R"("counters":{{"handshakes":{},"http_requests":{},"messages_received":{},"received_bytes":{},)",
        totals.of<&Counters::handshakes>(), totals.of<&Counters::http_requests>(),
        totals.of<&Counters::messages_in>(), totals.of<&Counters::bytes_in>());
    out += fmt::format(R"("publications":{},"deliveries":{},"sent_bytes":{},"writes":{},)",
                       totals.of<&Counters::publications>(), totals.of<&Counters::deliveries>(),
                       totals.of<&Counters::bytes_out>(), totals.of<&Counters::writes>());
    out += fmt::format(
        R"("accepted":{},"accept_failures":{},"accept_refused":{},"limit_evictions":{},"bans_in_force":{},"bans_begun":{},"log_dropped":{}}},)",
        totals.of<&Counters::accepted>(), totals.of<&Counters::accept_failures>(),
        totals.of<&Counters::accept_refused>(), snapshot.limit_evictions, snapshot.bans_in_force,
        snapshot.bans_begun,
        snapshot.log_lost.queue + snapshot.log_lost.rate + snapshot.log_lost.write +
            snapshot.totals.events_lost);
    return out +
           fmt::format(R"("refusals":{},"messages":{},"aliases":{}}})", refusals_json(totals),
                       messages_json(totals), aliases_json(snapshot)) +
           "\n";
}

std::string status_line(const Snapshot& snapshot) {
    return fmt::format("{} connections, policy generation {}{}{}{}",
                       snapshot.totals.of<&Counters::connections>(), snapshot.generation,
                       snapshot.last_reload_refused ? ", the last reload was refused" : "",
                       snapshot.memory_state == MemoryState::ample ? "" : ", memory is short",
                       snapshot.stopping ? ", stopping" : (snapshot.draining ? ", draining" : ""));
}

}  // namespace wayleave
