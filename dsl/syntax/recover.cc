#include "dsl/syntax/recover.h"

#include <algorithm>

#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace keywords {

bool holds(Words list, std::string_view word) {
    return std::find(list.begin(), list.end(), word) != list.end();
}

}  // namespace keywords

namespace {

bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_word(char c) {
    return is_lower(c) || is_digit(c) || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
}
bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

size_t line_end(std::string_view text, size_t at) {
    return std::min(text.find('\n', at), text.size());
}

// A string that is not closed ends with its line: the next line is not swallowed.
size_t string_end(std::string_view text, size_t at) {
    for (size_t i = at + 1; i < text.size() && text[i] != '\n'; ++i) {
        if (text[i] == '"') return i + 1;
        if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] != '\n') ++i;
    }
    return line_end(text, at);
}

// Behind one character, which may have several bytes.
size_t character_end(std::string_view text, size_t at) {
    ++at;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) ++at;
    return at;
}

// Words that hold a `{ }` of statements: inside it nothing belongs to the block around.
bool opens_block(std::string_view text, size_t at) {
    constexpr std::array<std::string_view, 4> openers{"message", "errors", "as", "expect"};
    return keywords::holds(openers, word_at(text, at)) && !begins_setting(text, at);
}

// `mesage chat.say {` at the end of a line: what is inside belongs to it, whatever it is. A set is one, too,
// but that says `=` before.
bool begins_unknown_block(std::string_view text, size_t at) {
    const size_t brace = block_brace(text, at);
    return brace != std::string_view::npos && text.substr(at, brace - at).find('=') == std::string_view::npos;
}

// Words in the middle of a statement, which some people write at the start of a line.
bool continues_statement(std::string_view text, size_t at) {
    constexpr std::array<std::string_view, 18> middle{"on",  "with",  "by",   "if",       "then", "because",
                                                      "per", "burst", "else", "required", "and",  "or",
                                                      "to",  "up",    "for",  "after",    "as",   "in"};
    return !is_word(text[at]) || keywords::holds(middle, word_at(text, at));
}

bool begins_any_statement(std::string_view text, size_t at, Words words) {
    return begins_statement(text, at, words) || begins_statement(text, at, keywords::body) ||
           begins_statement(text, at, keywords::message);
}

}  // namespace

size_t blank_end(std::string_view text, size_t at) {
    while (at < text.size()) {
        if (text[at] == '#') {
            at = line_end(text, at);
        } else if (is_blank(text[at])) {
            ++at;
        } else {
            break;
        }
    }
    return at;
}

size_t token_end(std::string_view text, size_t at) {
    if (at >= text.size()) return text.size();
    if (text[at] == '"') return string_end(text, at);
    if (is_word(text[at])) {
        while (at < text.size() && (is_word(text[at]) || text[at] == '.')) ++at;
        return at;
    }
    constexpr std::array<std::string_view, 9> doubles{"&&", "||", "==", "!=", "<=", ">=", "=~", "**", "//"};
    if (keywords::holds(doubles, text.substr(at, 2))) return at + 2;
    return character_end(text, at);
}

std::string_view word_at(std::string_view text, size_t at) {
    size_t end = at;
    while (end < text.size() && is_word(text[end])) ++end;
    return at < text.size() ? text.substr(at, end - at) : std::string_view();
}

bool first_on_line(std::string_view text, size_t at) {
    while (at > 0 && (text[at - 1] == ' ' || text[at - 1] == '\t')) --at;
    return at == 0 || text[at - 1] == '\n';
}

size_t indentation(std::string_view text, size_t at) {
    const size_t newline = at == 0 ? std::string_view::npos : text.rfind('\n', at - 1);
    const size_t start = newline == std::string_view::npos ? 0 : newline + 1;
    size_t end = start;
    while (end < text.size() && (text[end] == ' ' || text[end] == '\t')) ++end;
    return end - start;
}

size_t previous_token_end(std::string_view text, size_t from, size_t at) {
    size_t last = from;
    for (size_t next = blank_end(text, from); next < at; next = blank_end(text, last)) {
        last = std::min(token_end(text, next), at);
    }
    return last;
}

bool begins_setting(std::string_view text, size_t at) {
    const std::string_view word = word_at(text, at);
    if (word.empty() || !is_lower(word.front())) return false;
    const size_t next = blank_end(text, at + word.size());
    return next < text.size() && text[next] == '=' && text.substr(next, 2) != "==";
}

bool begins_item(std::string_view text, size_t at) {
    return at < text.size() && (at == 0 || text[at - 1] == '\n') &&
           keywords::holds(keywords::item, word_at(text, at)) && !begins_setting(text, at);
}

bool begins_statement(std::string_view text, size_t at, Words words) {
    if (begins_setting(text, at)) return true;
    const std::string_view word = word_at(text, at);
    if (!keywords::holds(words, word)) return false;
    const size_t behind = at + word.size();
    if (behind < text.size() && std::string_view("./[:(").find(text[behind]) != std::string_view::npos)
        return false;
    // A name in the middle of something longer is followed by an operator.
    constexpr std::array<std::string_view, 13> operators{"in",   "like",     "overlaps", "and",   "or",
                                                         "if",   "then",     "because",  "burst", "per",
                                                         "else", "required", "of"};
    const size_t next = blank_end(text, behind);
    if (next < text.size() && std::string_view(",)]}=!<>:").find(text[next]) != std::string_view::npos) {
        // `allow }` is a whole statement, `{ a, stream }` is not: only rules consist of one word.
        return text[next] == '}' && (word == "allow" || word == "deny");
    }
    return !keywords::holds(operators, word_at(text, next)) || word == "allow" || word == "deny";
}

size_t next_statement(std::string_view text, size_t start, Words words) {
    // A stray separator costs nothing but itself.
    if (start < text.size() && (text[start] == ';' || text[start] == ',')) return blank_end(text, start + 1);
    const bool own_block = opens_block(text, start) || begins_unknown_block(text, start);
    const bool own_line = first_on_line(text, start);
    const size_t left = indentation(text, start);
    size_t depth = 0;
    for (size_t at = blank_end(text, token_end(text, start)); at < text.size();
         at = blank_end(text, token_end(text, at))) {
        if (first_on_line(text, at)) {
            const size_t column = own_line ? indentation(text, at) : std::string_view::npos;
            if (begins_item(text, at)) return at;
            if (text[at] == '}' && column < left) return at;  // of the block around
            // A set that was never closed must not hide what follows it.
            if (depth == 0 || !own_block) {
                if (begins_any_statement(text, at, words)) return at;
                // What is indented like the broken statement is another one, whatever it says.
                if (column <= left && !continues_statement(text, at)) return at;
            }
        }
        if (text[at] == '{') ++depth;
        if (text[at] == '}' && depth-- == 0) return at;
    }
    return text.size();
}

size_t next_item(std::string_view text, size_t start) {
    if (start < text.size() && (text[start] == ';' || text[start] == '}')) return blank_end(text, start + 1);
    size_t depth = 0;
    for (size_t at = blank_end(text, token_end(text, start)); at < text.size();
         at = blank_end(text, token_end(text, at))) {
        const bool column_one = text[at - 1] == '\n';
        if (begins_item(text, at) || (column_one && depth == 0 && is_word(text[at]))) return at;
        if (text[at] == '{') ++depth;
        if (text[at] == '}' && depth > 0) --depth;
    }
    return text.size();
}

size_t block_brace(std::string_view text, size_t from) {
    for (size_t at = from; at < text.size() && text[at] != '\n' && text[at] != '#';
         at = token_end(text, at)) {
        if (text[at] != '{') continue;
        const size_t next = std::min(text.find_first_not_of(" \t\r", at + 1), text.size());
        if (next == text.size() || text[next] == '\n' || text[next] == '#') return at;
    }
    return std::string_view::npos;
}

}  // namespace wayleave::dsl
