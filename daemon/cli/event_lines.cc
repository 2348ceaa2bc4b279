#include "daemon/cli/event_lines.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "daemon/base/escape.h"

namespace wayleave {
namespace {

constexpr size_t longest_shown = 512;
constexpr size_t longest_facts = 4096;

std::string_view text_in(const simdjson::dom::object& event, const char* name) {
    std::string_view text;
    return event[name].get(text) == simdjson::SUCCESS ? text : std::string_view();
}

// In quotes where it could be taken for more than one word. An `=` is only ever ours, as in the log.
std::string word(std::string_view text) {
    std::string out;
    for (const char c : escape_peer_text(text, longest_shown)) {
        if (c == '=' || c == '"') {
            out += c == '=' ? "\\x3D" : "\\x22";
        } else {
            out += c;
        }
    }
    const bool plain = !out.empty() && out.find_first_of(" ,;()") == std::string::npos;
    return plain ? out : '"' + out + '"';
}

std::string member(const simdjson::dom::object& event, const char* name) {
    const std::string_view text = text_in(event, name);
    return text.empty() ? std::string() : word(text);
}

// A sentence of ours, which may quote what a client has written.
std::string sentence(const simdjson::dom::object& event, const char* name) {
    return escape_peer_text(text_in(event, name), longest_shown);
}

// Values of facts are in quotes already, with their own escapes: only what a terminal would obey is shown
// otherwise.
std::string with_values(std::string_view rest) {
    std::string out;
    while (!rest.empty()) {
        const size_t stroke = std::min(rest.find('\\'), rest.size());
        out += escape_peer_text(rest.substr(0, stroke), longest_facts);
        if (stroke < rest.size()) out += '\\';
        rest.remove_prefix(std::min(rest.size(), stroke + 1));
    }
    return out;
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
    const std::string time = sentence(event, "time");
    const std::string clock = time.size() == 24 ? time.substr(11, 12) : time;
    std::string out = clock + "  " + sentence(event, "message");
    for (const auto& [key, value] : event) {
        std::string_view text;
        if (is_head(key) || value.get(text) != simdjson::SUCCESS) continue;
        out += "  " + std::string(key) + "=" + word(text);
    }
    return out + "\n";
}

std::string refusal_text(const simdjson::dom::object& event) {
    std::string out = sentence(event, "time") + "  " + sentence(event, "message") + "\n";
    const std::string what = with("", member(event, "action")) + with(" ", member(event, "target"));
    out += with("    asked:    ", what) + (what.empty() ? "" : "\n");
    const std::string user = member(event, "user");
    out += "    by:       " + (user.empty() ? "nobody known" : "user " + user) +
           with(" from ", sentence(event, "ip")) + with(", session ", member(event, "session")) +
           with(", origin ", member(event, "origin")) + "\n";
    const std::string route = member(event, "route");
    const std::string rule = sentence(event, "rule");
    out += "    where:    " + (route.empty() ? "no route" : "route " + route) + with(", ", rule) +
           with(", decision ", sentence(event, "decision")) + "\n";
    const std::string text = sentence(event, "rule_text");
    if (!text.empty()) out += "    the line: " + text + "\n";
    std::string_view holds = text_in(event, "rule_holds");
    while (!holds.empty()) {
        const size_t end = std::min(holds.find('\n'), holds.size());
        out += "        holds: " + with_values(holds.substr(0, end)) + "\n";
        holds.remove_prefix(std::min(holds.size(), end + 1));
    }
    const std::string known = with_values(text_in(event, "facts"));
    if (!known.empty()) out += "    known:    " + known + "\n";
    const std::string more = member(event, "more");
    if (!more.empty()) out += "    and " + more + " more like it\n";
    return out;
}

}  // namespace wayleave
