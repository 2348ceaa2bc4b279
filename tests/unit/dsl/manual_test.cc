// wayleave.route(5) is the specification: it lists what the code executes, and nothing else.
#include <catch2/catch.hpp>

#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "dsl/policy.h"
#include "dsl/settings.h"
#include "dsl/words.h"

using namespace wayleave::dsl;

namespace {

// Parsed, and refused by name: E025.
const std::set<std::string_view> later{"backend", "channel", "api",   "ban",     "stream",
                                       "alias",   "notify",  "proxy", "forward", "reply"};

std::string page() {
    std::ifstream file(std::string(PROJECT_DIR) + "/man/wayleave.route.5");
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

// The text under `.It Cm NAME` up to the next entry.
std::string entry(const std::string& page, std::string_view name) {
    const std::string head = "\n.It Cm " + std::string(name);
    for (size_t at = page.find(head); at != std::string::npos; at = page.find(head, at + 1)) {
        const char after = page[at + head.size()];
        if (after == '\n' || after == ' ') return page.substr(at, page.find("\n.It", at + 1) - at);
    }
    return "";
}

// Whether some entry's head line names the word.
bool heads(const std::string& page, std::string_view word) {
    std::istringstream lines(page);
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(".It Cm") &&
            (line + " ").find(" " + std::string(word) + " ") != std::string::npos)
            return true;
    }
    return false;
}

}  // namespace

TEST_CASE("the manual has every setting that is executed, with its default, and no other") {
    const std::string text = page();
    REQUIRE_FALSE(text.empty());
    for (const SettingRow& row : setting_rows()) {
        INFO(row.name);
        const std::string found = entry(text, row.name);
        CHECK(found.empty() == row.sentence.empty());
        if (row.sentence.empty() || row.default_text.empty() || row.default_text == "{}") continue;
        std::string value(row.default_text);
        if (value.front() == '"') value = value.substr(1, value.size() - 2);
        const size_t at = found.find("Default:");
        REQUIRE(at != std::string::npos);
        CHECK(found.find(value, at) != std::string::npos);
    }
}

TEST_CASE("the manual has every keyword that is executed, and no other") {
    const std::string text = page();
    for (const Words list : {Words(keywords::item), Words(keywords::body), Words(keywords::message),
                             Words(keywords::token), Words(keywords::test)}) {
        for (const std::string_view word : list) {
            INFO(word);
            const bool told =
                heads(text, word) || text.find("\n.Cm " + std::string(word)) != std::string::npos;
            if (word != "channel") CHECK(told != later.contains(word));  // `channel` is also an attribute
        }
    }
}

TEST_CASE("the manual has every reason for a refusal") {
    const std::string text = page();
    for (size_t i = 0; i < refusals; ++i) {
        const std::string name(to_string(static_cast<Refusal>(i)));
        INFO(name);
        CHECK((text.find("\n.It " + name + " Ta ") != std::string::npos) == (name != "banned"));
    }
}
