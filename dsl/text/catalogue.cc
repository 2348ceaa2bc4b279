#include "dsl/text/catalogue.h"

#include <algorithm>
#include <vector>

namespace wayleave::dsl {
namespace {

// Without a static constructor: built when first asked.
const std::vector<Check>& table() {
    static const std::vector<Check> all = [] {
        std::vector<Check> out;
        for (const auto part :
             {policy_errors(), more_errors(), name_warnings(), limit_warnings(), door_warnings(), notes()}) {
            out.insert(out.end(), part.begin(), part.end());
        }
        return out;
    }();
    return all;
}

bool same_id(std::string_view given, std::string_view id) {
    return std::equal(given.begin(), given.end(), id.begin(), id.end(),
                      [](char a, char b) { return a == b || (a >= 'a' && a <= 'z' && a - 'a' + 'A' == b); });
}

constexpr size_t columns = 79;

// Broken between words.
std::string wrapped(std::string_view text) {
    std::string out;
    size_t column = 0;
    while (!text.empty()) {
        const size_t end = std::min(text.find(' '), text.size());
        if (column > 0 && column + 1 + end > columns) {
            out += '\n';
            column = 0;
        }
        if (column > 0) out += ' ';
        out += text.substr(0, end);
        column += end + (column > 0 ? 1 : 0);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out + '\n';
}

std::string indented(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const size_t end = std::min(text.find('\n'), text.size());
        if (end > 0) out.append("    ").append(text.substr(0, end));
        out += '\n';
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out;
}

constexpr std::string_view before_route = R"(token session {
    keys = file "keys/app.jwks"
    from header "Authorization"
    claim sub   : string required
    claim plan  : string else "free"
    claim roles : set of string else {}
}
route chat app.example.com/ws/chat {
    auth    = session
    origins = { "https://app.example.com" }
    allow connect
    limit connections to 5 per user.sub
    limit messages to 5/s per user.sub
)";

}  // namespace

std::span<const Check> catalogue() {
    return table();
}

const Check* find_check(std::string_view id_or_name) {
    for (const Check& check : table()) {
        if (same_id(id_or_name, check.id) || id_or_name == check.name) return &check;
    }
    return nullptr;
}

std::string framed(Frame frame, std::string_view example) {
    if (frame != Frame::route) return std::string(example);
    return std::string(before_route) + std::string(example) + "\n}\n";
}

std::string page(const Check& check) {
    const std::string where = check.frame == Frame::route      ? ", in a route"
                              : check.frame == Frame::settings ? ", in the settings"
                                                               : "";
    std::string out(check.id);
    out.append(" ").append(check.name).append(" (").append(to_string(check.severity)).append(")\n\n");
    out += wrapped(check.sentence) + "\n" + wrapped(check.means) + "\n" + wrapped(check.matters) + "\n" +
           wrapped(check.todo) + "\n";
    out += "For example" + where + ":\n\n" + indented(check.bad) + "\nBetter:\n\n" + indented(check.good);
    return out;
}

}  // namespace wayleave::dsl
