// wayleave.route(5) is the specification: it lists what the code executes.
#include <catch2/catch.hpp>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

#include "dsl/policy/policy.h"
#include "dsl/policy/settings.h"
#include "dsl/syntax/words.h"

using namespace wayleave::dsl;

namespace {

std::string page() {
    std::ifstream file(PROJECT_DIR "/man/wayleave.route.5");
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

// A name may be a setting of several places.
std::string section(const std::string& page, Place place) {
    const char* heads[] = {"\n.Sh SETTINGS", "\n.Ss Settings of a token", "\n.Ss Settings of a message",
                           "\n.Ss Settings of a backend", "\n.Ss Settings of a channel"};
    const size_t at = page.find(heads[static_cast<size_t>(place)]);
    REQUIRE(at != std::string::npos);
    const size_t end = std::min(page.find("\n.Ss", at + 4), page.find("\n.Sh", at + 4));
    return page.substr(at, end - at);
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

TEST_CASE("the manual has every setting, with its default") {
    const std::string text = page();
    REQUIRE_FALSE(text.empty());
    for (const SettingRow& row : setting_rows()) {
        INFO(row.name);
        const std::string found = entry(section(text, row.place), row.name);
        REQUIRE_FALSE(found.empty());
        if (row.default_text.empty() || row.default_text == "{}") continue;
        std::string value(row.default_text);
        if (value.front() == '"') value = value.substr(1, value.size() - 2);
        const size_t at = found.find("Default:");
        REQUIRE(at != std::string::npos);
        CHECK(found.find(value, at) != std::string::npos);
    }
}

TEST_CASE("the manual has every keyword") {
    const std::string text = page();
    for (const Words list : {Words(keywords::item), Words(keywords::body), Words(keywords::message),
                             Words(keywords::token), Words(keywords::test)}) {
        for (const std::string_view word : list) {
            INFO(word);
            const bool told =
                heads(text, word) || text.find("\n.Cm " + std::string(word)) != std::string::npos;
            CHECK(told);
        }
    }
}

TEST_CASE("the manual has every reason for a refusal") {
    const std::string text = page();
    for (size_t i = 0; i < refusals; ++i) {
        const std::string name(to_string(static_cast<Refusal>(i)));
        INFO(name);
        CHECK(text.find("\n.It " + name + " Ta ") != std::string::npos);
    }
}
