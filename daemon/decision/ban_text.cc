#include "daemon/decision/ban_text.h"

#include <simdjson.h>

#include <algorithm>
#include <utility>

#include "daemon/base/escape.h"
#include "daemon/base/json_text.h"
#include "daemon/base/json_writer.h"

namespace wayleave {
namespace {

constexpr size_t most_bytes = 16'384;
constexpr size_t most_values = 32;
constexpr size_t most_shown = 1024;
constexpr size_t id_size = 12;

using simdjson::dom::object;

// What is escaped already stays as it is; nothing else that could move a terminal does.
std::string printable(std::string_view text) {
    std::string out;
    const std::string escaped = escape_peer_text(text, most_shown);
    for (size_t i = 0; i < escaped.size(); ++i) {
        out += escaped[i];
        if (escaped[i] == '\\' && i + 1 < escaped.size() && escaped[i + 1] == '\\') ++i;
    }
    return out;
}

std::string text_in(const object& members, std::string_view name) {
    std::string_view text;
    return members[name].get(text) == simdjson::SUCCESS ? printable(text) : std::string();
}

int64_t number_in(const object& members, std::string_view name) {
    int64_t number = 0;
    return members[name].get(number) == simdjson::SUCCESS ? std::max<int64_t>(0, number) : 0;
}

std::vector<std::string> texts_in(const object& members, std::string_view name) {
    std::vector<std::string> out;
    simdjson::dom::array list;
    if (members[name].get(list) != simdjson::SUCCESS) return out;
    for (const auto element : list) {
        std::string_view text;
        if (element.get(text) == simdjson::SUCCESS && out.size() < most_values) out.emplace_back(text);
    }
    return out;
}

bool is_id(std::string_view id) {
    return id.size() == id_size && id.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

std::string write_ban(const BanNews& news) {
    std::vector<std::string> networks;
    for (const dsl::Net& net : news.ban.networks) networks.push_back(net.text());
    return JsonObject()
        .add("v", 1)
        .add("id", news.ban.id)
        .add("who", news.ban.who)
        .add("route", news.ban.route)
        .add("place", news.ban.place)
        .add("because", news.ban.because)
        .add("times", news.ban.times)
        .add("remembered_ms", news.remembered_ms)
        .add("values", news.ban.values)
        .add("networks", networks)
        .text();
}

Result<BanNews> read_ban(std::string_view text) {
    thread_local simdjson::dom::parser parser;
    simdjson::dom::element root;
    object members;
    if (text.size() > most_bytes || parse_json(parser, text, root) != simdjson::SUCCESS ||
        root.get(members) != simdjson::SUCCESS)
        return failure("it is no JSON object of a ban");
    BanNews out;
    out.ban.id = text_in(members, "id");
    if (number_in(members, "v") != 1 || !is_id(out.ban.id)) return failure("it is no ban that is known here");
    out.ban.who = text_in(members, "who");
    out.ban.route = text_in(members, "route");
    out.ban.place = text_in(members, "place");
    out.ban.because = text_in(members, "because");
    out.ban.times = static_cast<uint32_t>(std::min<int64_t>(number_in(members, "times"), 1 << 20));
    out.remembered_ms = number_in(members, "remembered_ms");
    out.ban.values = texts_in(members, "values");
    for (const std::string& net : texts_in(members, "networks")) {
        if (const auto read = dsl::parse_net(net)) out.ban.networks.push_back(*read);
    }
    return out;
}

}  // namespace wayleave
