#include "daemon/cli/top_frame.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <utility>

#include "daemon/base/escape.h"
#include "daemon/base/json_writer.h"

namespace wayleave {
namespace {

constexpr size_t most_rows = 10;
constexpr size_t longest_name = 64;

// Of the counters that status has, in the order in which they are shown.
constexpr std::array<std::pair<std::string_view, std::string_view>, 8> shown_rates{
    {{"handshakes", "handshakes"},
     {"messages_received", "messages in"},
     {"publications", "publications"},
     {"deliveries", "deliveries"},
     {"received_bytes", "bytes in"},
     {"sent_bytes", "bytes out"},
     {"http_requests", "requests"},
     {"writes", "writes"}}};

struct Parsed {
    simdjson::dom::parser parsers[3];
    simdjson::dom::element status;
    simdjson::dom::element sessions;
    simdjson::dom::element channels;

    [[nodiscard]] bool read(const TopSample& sample) {
        return parsers[0].parse(sample.status).get(status) == simdjson::SUCCESS &&
               parsers[1].parse(sample.sessions).get(sessions) == simdjson::SUCCESS &&
               parsers[2].parse(sample.channels).get(channels) == simdjson::SUCCESS;
    }
};

uint64_t number_in(const simdjson::simdjson_result<simdjson::dom::element>& element) {
    uint64_t out = 0;
    return element.get(out) == simdjson::SUCCESS ? out : 0;
}

std::string text_in(const simdjson::simdjson_result<simdjson::dom::element>& element) {
    std::string_view out;
    return element.get(out) == simdjson::SUCCESS ? escape_peer_text(out, longest_name) : std::string();
}

double per_second(uint64_t before, uint64_t now, double seconds) {
    return now > before && seconds > 0 ? static_cast<double>(now - before) / seconds : 0;
}

using Counts = std::map<std::string, uint64_t, std::less<>>;

Counts members_of(const simdjson::simdjson_result<simdjson::dom::element>& element) {
    Counts out;
    simdjson::dom::object object;
    if (element.get(object) != simdjson::SUCCESS) return out;
    for (const auto& [key, value] : object) {
        uint64_t count = 0;
        if (value.get(count) == simdjson::SUCCESS) out[std::string(key)] = count;
    }
    return out;
}

uint64_t count_in(const Counts& counts, std::string_view name) {
    const auto found = counts.find(name);
    return found == counts.end() ? 0 : found->second;
}

Counts by_name(const simdjson::simdjson_result<simdjson::dom::element>& list, const char* name,
               uint64_t (*count)(const simdjson::dom::element&)) {
    Counts out;
    simdjson::dom::array array;
    if (list.get(array) != simdjson::SUCCESS) return out;
    for (const simdjson::dom::element one : array) out[text_in(one[name])] = count(one);
    return out;
}

uint64_t messages_of(const simdjson::dom::element& session) {
    return number_in(session["messages_in"]) + number_in(session["messages_out"]);
}

uint64_t offset_of(const simdjson::dom::element& channel) {
    return number_in(channel["offset"]);
}

template <class Row, class By>
void keep_largest(std::vector<Row>& rows, By by) {
    std::erase_if(rows, [&](const Row& row) { return by(row) <= 0; });
    std::stable_sort(rows.begin(), rows.end(), [&](const Row& a, const Row& b) { return by(a) > by(b); });
    if (rows.size() > most_rows) rows.resize(most_rows);
}

void add_rates(TopFrame& out, const Parsed& before, const Parsed& now, double seconds) {
    const Counts earlier = members_of(before.status["counters"]);
    const Counts later = members_of(now.status["counters"]);
    for (const auto& [counter, name] : shown_rates)
        out.rates.push_back(
            {std::string(name), per_second(count_in(earlier, counter), count_in(later, counter), seconds)});
    const Counts refused = members_of(before.status["refusals"]);
    for (const auto& [reason, count] : members_of(now.status["refusals"]))
        out.refusals.push_back({reason, per_second(count_in(refused, reason), count, seconds)});
    keep_largest(out.refusals, [](const TopFrame::Rate& one) { return one.a_second; });
    out.bans = count_in(later, "bans_in_force");
}

void add_sessions(TopFrame& out, const Parsed& before, const Parsed& now) {
    const Counts earlier = by_name(before.sessions["sessions"], "session", messages_of);
    simdjson::dom::array list;
    if (now.sessions["sessions"].get(list) != simdjson::SUCCESS) return;
    for (const simdjson::dom::element one : list) {
        TopFrame::Session row{text_in(one["session"]), text_in(one["user"]), text_in(one["route"]), 0,
                              number_in(one["waiting"])};
        const uint64_t messages = messages_of(one);
        row.messages = messages - std::min(messages, count_in(earlier, row.session));
        out.slow.push_back(row);
        out.busy.push_back(std::move(row));
    }
    keep_largest(out.slow, [](const TopFrame::Session& one) { return static_cast<double>(one.waiting); });
    keep_largest(out.busy, [](const TopFrame::Session& one) { return static_cast<double>(one.messages); });
}

void add_channels(TopFrame& out, const Parsed& before, const Parsed& now, double seconds) {
    const Counts earlier = by_name(before.channels["channels"], "channel", offset_of);
    simdjson::dom::array list;
    if (now.channels["channels"].get(list) != simdjson::SUCCESS) return;
    for (const simdjson::dom::element one : list) {
        TopFrame::Channel row{text_in(one["channel"]), number_in(one["subscribers"]), 0};
        const uint64_t offset = offset_of(one);
        row.messages_a_second = per_second(
            earlier.contains(row.channel) ? count_in(earlier, row.channel) : offset, offset, seconds);
        out.channels.push_back(std::move(row));
    }
    keep_largest(out.channels, [](const TopFrame::Channel& one) {
        return static_cast<double>(one.subscribers) + 1000 * one.messages_a_second;
    });
}

std::string type_key(const simdjson::dom::element& one) {
    return text_in(one["route"]) + '\0' + text_in(one["type"]);
}

void add_types(TopFrame& out, const Parsed& before, const Parsed& now, double seconds) {
    Counts earlier;
    simdjson::dom::array list;
    if (before.status["messages"].get(list) == simdjson::SUCCESS)
        for (const simdjson::dom::element one : list) earlier[type_key(one)] = number_in(one["count"]);
    if (now.status["messages"].get(list) != simdjson::SUCCESS) return;
    for (const simdjson::dom::element one : list)
        out.types.push_back({text_in(one["route"]), text_in(one["type"]),
                             per_second(count_in(earlier, type_key(one)), number_in(one["count"]), seconds)});
    keep_largest(out.types, [](const TopFrame::Type& one) { return one.a_second; });
}

JsonArray rates_json(const std::vector<TopFrame::Rate>& rates) {
    JsonArray out;
    for (const TopFrame::Rate& rate : rates)
        out.raw(JsonObject()
                    .add("name", rate.name)
                    .raw("per_second", fmt::format("{:.1f}", rate.a_second))
                    .text());
    return out;
}

JsonArray sessions_json(const std::vector<TopFrame::Session>& sessions) {
    JsonArray out;
    for (const TopFrame::Session& one : sessions) {
        JsonObject row;
        row.add("session", one.session).add("user", one.user).add("route", one.route);
        out.raw(row.add("messages", one.messages).add("waiting", one.waiting).text());
    }
    return out;
}

void add_rows(std::vector<std::string>& out, const std::string& title,
              const std::vector<TopFrame::Session>& rows) {
    if (rows.empty()) return;
    out.emplace_back();
    out.push_back(title);
    for (const TopFrame::Session& one : rows)
        out.push_back(fmt::format("{:>12} {:>12}  {:<16}  {:<16} {}", one.messages, one.waiting, one.session,
                                  one.route, one.user));
}

std::string mebibytes(uint64_t bytes) {
    return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

}  // namespace

Result<TopFrame> top_frame(const TopSample& before, const TopSample& now) {
    Parsed earlier;
    Parsed later;
    if (!earlier.read(before) || !later.read(now)) return failure(std::string("a sample is no JSON"));
    TopFrame out;
    if (later.status["version"].error() != simdjson::SUCCESS)
        return failure(std::string("a sample is no status"));
    const double seconds = static_cast<double>(now.at_ms - before.at_ms) / 1000;
    out.state = text_in(later.status["state"]);
    out.version = text_in(later.status["version"]);
    out.policy = text_in(later.status["policy"]["hash"]);
    out.generation = number_in(later.status["policy"]["generation"]);
    out.uptime_s = number_in(later.status["uptime_seconds"]);
    out.connections = number_in(later.status["connections"]);
    out.most_connections = number_in(later.status["max_connections"]);
    out.channels_open = number_in(later.status["channels"]);
    out.memory = number_in(later.status["memory"]["used"]);
    out.budget = number_in(later.status["memory"]["budget"]);
    add_rates(out, earlier, later, seconds);
    add_sessions(out, earlier, later);
    add_channels(out, earlier, later, seconds);
    add_types(out, earlier, later, seconds);
    return out;
}

std::string json_of(const TopFrame& frame) {
    JsonArray channels;
    for (const TopFrame::Channel& one : frame.channels) {
        JsonObject row;
        row.add("channel", one.channel).add("subscribers", one.subscribers);
        channels.raw(row.raw("messages_per_second", fmt::format("{:.1f}", one.messages_a_second)).text());
    }
    JsonArray types;
    for (const TopFrame::Type& one : frame.types) {
        JsonObject row;
        row.add("route", one.route).add("type", one.type);
        types.raw(row.raw("messages_per_second", fmt::format("{:.1f}", one.a_second)).text());
    }
    JsonObject out;
    out.add("state", frame.state).add("version", frame.version).add("policy", frame.policy);
    out.add("generation", frame.generation).add("uptime_seconds", frame.uptime_s);
    out.add("connections", frame.connections).add("max_connections", frame.most_connections);
    out.add("channels_open", frame.channels_open)
        .add("memory", frame.memory)
        .add("memory_budget", frame.budget);
    out.add("bans", frame.bans)
        .add("rates", rates_json(frame.rates))
        .add("refusals", rates_json(frame.refusals));
    out.add("slow", sessions_json(frame.slow)).add("busy", sessions_json(frame.busy));
    return out.add("channels", channels).add("types", types).text() + "\n";
}

std::vector<std::string> lines_of(const TopFrame& frame, size_t most) {
    std::vector<std::string> out;
    out.push_back(fmt::format("wayleave {}  {}  up {}h{:02}m  policy {} generation {}", frame.version,
                              frame.state, frame.uptime_s / 3600, frame.uptime_s / 60 % 60, frame.policy,
                              frame.generation));
    out.push_back(fmt::format("connections {} of {}  channels {}  bans {}  memory {}{}", frame.connections,
                              frame.most_connections, frame.channels_open, frame.bans,
                              mebibytes(frame.memory),
                              frame.budget == 0 ? "" : " of " + mebibytes(frame.budget)));
    out.emplace_back();
    for (size_t i = 0; i + 1 < frame.rates.size(); i += 2)
        out.push_back(fmt::format("{:>14} {:>12.1f}/s    {:>14} {:>12.1f}/s", frame.rates[i].name,
                                  frame.rates[i].a_second, frame.rates[i + 1].name,
                                  frame.rates[i + 1].a_second));
    if (!frame.refusals.empty()) {
        std::string refusals = "refused: ";
        for (const TopFrame::Rate& one : frame.refusals)
            refusals += fmt::format(" {} {:.1f}/s", one.name, one.a_second);
        out.push_back(std::move(refusals));
    }
    if (!frame.channels.empty()) {
        out.emplace_back();
        out.emplace_back("  SUBSCRIBERS   MESSAGES/S  CHANNEL");
        for (const TopFrame::Channel& one : frame.channels)
            out.push_back(
                fmt::format("{:>13} {:>12.1f}  {}", one.subscribers, one.messages_a_second, one.channel));
    }
    if (!frame.types.empty()) {
        out.emplace_back();
        out.emplace_back("               MESSAGES/S  ROUTE            TYPE");
        for (const TopFrame::Type& one : frame.types)
            out.push_back(fmt::format("{:>25.1f}  {:<16} {}", one.a_second, one.route, one.type));
    }
    add_rows(out, "    MESSAGES      WAITING  SLOW CONNECTION   ROUTE            USER", frame.slow);
    add_rows(out, "    MESSAGES      WAITING  BUSY CONNECTION   ROUTE            USER", frame.busy);
    if (out.size() > most) out.resize(most);
    return out;
}

}  // namespace wayleave
