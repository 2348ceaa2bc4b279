#include "daemon/cli/event_lines.h"

#include <array>
#include <string_view>

#include "daemon/base/escape.h"

namespace wayleave {
namespace {

constexpr size_t longest_shown = 512;

std::string member(const simdjson::dom::object& event, const char* name) {
    std::string_view text;
    if (event[name].get(text) != simdjson::SUCCESS) return {};
    return escape_peer_text(text, longest_shown);
}

std::string with(const std::string& before, const std::string& text) {
    return text.empty() ? std::string() : before + text;
}

bool is_head(std::string_view key) {
    constexpr std::array heads{"time", "event", "message"};
    for (const char* head : heads)
        if (key == head) return true;
    return false;
}

}  // namespace

std::string event_line(const simdjson::dom::object& event) {
    const std::string time = member(event, "time");
    const std::string clock = time.size() == 24 ? time.substr(11, 12) : time;
    std::string out = clock + "  " + member(event, "message");
    for (const auto& [key, value] : event) {
        std::string_view text;
        if (is_head(key) || value.get(text) != simdjson::SUCCESS) continue;
        out += "  " + std::string(key) + "=" + escape_peer_text(text, longest_shown);
    }
    return out + "\n";
}

std::string refusal_text(const simdjson::dom::object& event) {
    std::string out = member(event, "time") + "  " + member(event, "message") + "\n";
    const std::string what = with("", member(event, "action")) + with(" ", member(event, "target"));
    out += with("    asked:    ", what) + (what.empty() ? "" : "\n");
    const std::string user = member(event, "user");
    out += "    by:       " + (user.empty() ? "nobody known" : "user " + user) +
           with(" from ", member(event, "ip")) + with(", session ", member(event, "session")) +
           with(", origin ", member(event, "origin")) + "\n";
    const std::string route = member(event, "route");
    const std::string rule = member(event, "rule");
    out += "    where:    " + (route.empty() ? "no route" : "route " + route) + with(", ", rule) +
           with(", decision ", member(event, "decision")) + "\n";
    const std::string text = member(event, "rule_text");
    if (!text.empty()) out += "    the line: " + text + "\n";
    const std::string facts = member(event, "facts");
    if (!facts.empty()) out += "    known:    " + facts + "\n";
    const std::string more = member(event, "more");
    if (!more.empty()) out += "    and " + more + " more like it\n";
    return out;
}

}  // namespace wayleave
