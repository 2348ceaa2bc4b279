// The editors' files know the words of the language: all of them, and no others.
#include <catch2/catch.hpp>

#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "dsl/compile/names.h"
#include "dsl/policy/pattern.h"
#include "dsl/policy/policy.h"
#include "dsl/policy/settings.h"
#include "dsl/syntax/words.h"

using namespace wayleave::dsl;

namespace {

using WordSet = std::set<std::string>;

std::string read(const std::string& path) {
    std::ifstream file(std::string(PROJECT_DIR) + path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

template <class List>
WordSet set_of(const List& list) {
    WordSet out;
    for (const auto& word : list) out.emplace(word);
    return out;
}

WordSet operator+(WordSet a, const WordSet& b) {
    a.insert(b.begin(), b.end());
    return a;
}

// Every word that stands in quotes in a piece of C++.
void add_quoted(WordSet& out, const std::string& text) {
    const std::regex quoted("\"([a-z_]+)\"");
    for (std::sregex_iterator it(text.begin(), text.end(), quoted), end; it != end; ++it)
        out.insert((*it)[1].str());
}

// The words that the grammar knows: kw<"on">, word<"allow">, any_word<"int", "bool">, exactly<"true">.
WordSet grammar_words() {
    const std::string grammar = read("/dsl/syntax/grammar.h");
    const std::regex rule("\\b(?:kw|word|any_word)<([^>]*)>|\\bexactly<(\"[a-z]{3,}\")>");
    WordSet out;
    for (std::sregex_iterator it(grammar.begin(), grammar.end(), rule), end; it != end; ++it) {
        add_quoted(out, (*it)[1].str());
        add_quoted(out, (*it)[2].str());
    }
    return out;
}

template <class Enum>
WordSet names_of(Enum last) {
    WordSet out;
    for (size_t i = 0; i <= static_cast<size_t>(last); ++i) out.emplace(to_string(static_cast<Enum>(i)));
    return out;
}

WordSet types() {
    WordSet out{"set", "list", "of"};
    for (size_t i = 0; i <= static_cast<size_t>(Kind::date); ++i)
        out.insert(to_string(Type{static_cast<Kind>(i)}));
    return out;
}

WordSet setting_names() {
    WordSet out;
    for (const SettingRow& row : setting_rows()) out.emplace(row.name);
    return out;
}

// What settings take without quotes.
WordSet setting_words() {
    WordSet out;
    const std::regex plain("[a-z_]+");
    for (const SettingRow& row : setting_rows()) {
        std::istringstream words{std::string(row.words)};
        for (std::string word; words >> word;) {
            if (std::regex_match(word, plain)) out.insert(word);
        }
    }
    return out;
}

WordSet statements() {
    return set_of(keywords::body) + set_of(keywords::message) + set_of(keywords::token) +
           set_of(keywords::test);
}

// Each group of an editor's file, and the table its words are from.
std::map<std::string, WordSet> tables() {
    return {{"item", set_of(keywords::item)},
            {"statement", statements()},
            {"action", names_of(Action::message)},
            {"meter", names_of(Meter::bytes)},
            {"type", types()},
            {"setting", setting_names()},
            {"reason", names_of(static_cast<Refusal>(refusals - 1))},
            {"attribute", set_of(builtin_names())},
            {"capture", {"int", "slug", "uuid", "hex", "date"}},
            {"constant", {"true", "false", "none", "any"}},
            {"value", setting_words()},
            {"operator", grammar_words()},
            {"outcome", grammar_words()},
            {"clause", grammar_words()}};
}

// The words of `(?:a|b|c)` or, in Vim, `%(a|b|c)`: where all the choices are words.
WordSet choices(std::string pattern) {
    pattern = std::regex_replace(pattern, std::regex("\\\\\\\\?\\."), ".");
    WordSet out;
    const std::regex list("(?:\\(\\?:|%\\()([a-z_.]+(?:\\|[a-z_.]+)*)\\)");
    for (std::sregex_iterator it(pattern.begin(), pattern.end(), list), end; it != end; ++it) {
        std::istringstream words((*it)[1].str());
        for (std::string word; std::getline(words, word, '|');) out.insert(word);
    }
    return out;
}

using Groups = std::map<std::string, WordSet>;

Groups vim_groups() {
    const std::string text = read("/examples/editors/vim/syntax/wayleave.vim");
    Groups out;
    const std::regex line("\nsyn match wayleave(\\w+) /([^\n]*)");
    for (std::sregex_iterator it(text.begin(), text.end(), line), end; it != end; ++it) {
        std::string name = (*it)[1].str();
        name.front() = static_cast<char>(name.front() + 32);
        out[name] = out[name] + choices((*it)[2].str());
    }
    return out;
}

Groups textmate_groups() {
    const std::string text = read("/examples/editors/vscode/syntaxes/wayleave.tmLanguage.json");
    Groups out;
    const std::regex entry("\"(\\w+)\": \\{[^{}]*?\"match\": \"((?:\\\\.|[^\"\\\\])*)\"");
    for (std::sregex_iterator it(text.begin(), text.end(), entry), end; it != end; ++it)
        out[(*it)[1].str()] = choices((*it)[2].str());
    return out;
}

void check(const Groups& groups) {
    WordSet known;
    for (const auto& [group, table] : tables()) {
        INFO(group);
        const auto it = groups.find(group);
        REQUIRE(it != groups.end());
        // The look-ahead of some groups names words of others.
        const WordSet elsewhere = group == "action"      ? WordSet{"on", "if", "then", "because"}
                                  : group == "attribute" ? WordSet{"in", "like", "overlaps", "for"}
                                                         : WordSet{};
        for (const std::string& word : it->second) {
            INFO(word);
            CHECK((table.contains(word) || elsewhere.contains(word)));
            if (table.contains(word)) known.insert(word);
        }
        // A word may be of two tables, and then stands in one group: `let`, `backend`, `none`. The words of
        // the grammar and of settings are spread over the groups; whether they are in one is asked below.
        const bool spread =
            group == "operator" || group == "outcome" || group == "clause" || group == "value";
        for (const std::string& word : spread ? WordSet{} : table) {
            INFO(word);
            CHECK((it->second.contains(word) ||
                   (group == "statement" && (word == "let" || word == "backend"))));
        }
    }
    for (const WordSet& table : {grammar_words(), setting_words()}) {
        for (const std::string& word : table) {
            INFO(word);
            CHECK(known.contains(word));
        }
    }
}

}  // namespace

TEST_CASE("the tables of words are found") {
    CHECK(grammar_words().size() > 80);
    CHECK(grammar_words().contains("excess"));
    CHECK(grammar_words().contains("replace") == false);
    for (const std::string type : {"int", "slug", "uuid", "hex", "date"}) CHECK(capture_type(type));
}

TEST_CASE("the syntax file of Vim has the words of the language and no others") {
    check(vim_groups());
}

TEST_CASE("the TextMate grammar has the words of the language and no others") {
    check(textmate_groups());
}
