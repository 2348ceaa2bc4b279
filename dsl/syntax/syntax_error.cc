#include "dsl/syntax/syntax_error.h"

#include <algorithm>
#include <array>
#include <optional>

#include "dsl/syntax/mistakes.h"
#include "dsl/syntax/recover.h"
#include "dsl/text/near_name.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

using Topic = Complaint::Topic;

// "did you mean" for words of the language; case is the most frequent slip.
std::string nearest(std::string_view word, Words known) {
    std::string lower(word);
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return std::string(near_name(lower, known));
}

std::string choice_of(Words known) {
    std::string out = "one of ";
    for (size_t i = 0; i < known.size(); ++i) (out += i == 0 ? "" : ", ") += known[i];
    return out;
}

Wording expected(std::string_view text, size_t at, const Complaint& complaint) {
    Wording wording{"expected " + std::string(complaint.text) + ", found " + found(text, at), {}, 0};
    const std::string_view word = word_at(text, at);
    if (complaint.words.empty() || word.empty()) return wording;
    const std::string near = nearest(word, complaint.words);
    wording.help = near.empty() ? choice_of(complaint.words) : "did you mean " + quoted(near) + "?";
    return wording;
}

// `a and b or c`: the part that was read is what the parentheses belong around, most of the time.
Wording mixture(std::string_view text, const SyntaxError& error) {
    const size_t end = previous_token_end(text, error.context, error.offset);
    const std::string_view left = text.substr(error.context, end - error.context);
    const bool short_enough = left.size() <= 60 && left.find('\n') == std::string_view::npos;
    const std::string_view other = error.complaint->help;
    std::string help = "write parentheses: `(" + (short_enough ? printable(left) : "…") + ") ";
    return {std::string(error.complaint->text), help.append(other).append(" …`"), 0};
}

std::string block_of(std::string_view word) {
    if (keywords::holds(keywords::item, word)) return "at the top, outside of every block";
    if (keywords::holds(keywords::body, word)) return "inside `route`, `api`, `policy` or `defaults`";
    if (keywords::holds(keywords::message, word)) return "inside `message`";
    if (keywords::holds(keywords::token, word)) return "inside `token`";
    if (keywords::holds(keywords::test, word)) return "inside `test`";
    return {};
}

// Words that go on with a statement; met where one should begin, they came too late or twice.
Wording clause(std::string_view word) {
    if (word == "else")
        return {"`else` continues nothing here", "only a look-up, a field, a claim and an input have one", 0};
    return {quoted(word) + " continues nothing here",
            "a rule is written in the order `on … with … by … if … then … because …`, each at most once", 0};
}

Wording unknown_word(std::string_view text, size_t at, const Complaint& complaint) {
    constexpr std::array<std::string_view, 12> clauses{"on",  "with",  "by",   "if",  "then", "because",
                                                       "per", "burst", "else", "and", "or",   "until"};
    const std::string_view word = word_at(text, at);
    const size_t next = blank_end(text, at + word.size());
    const std::string_view behind = text.substr(std::min(next, text.size()));
    if (keywords::holds(clauses, word)) return clause(word);
    if (behind.starts_with("==") || behind.starts_with(':')) {
        return {"expected `=` after " + quoted(word), "a setting is written `name = value`", 0};
    }
    if (behind.starts_with('=')) {
        return is_bad_name(word) ? bad_name(word) : Wording{"a setting stands inside a block", {}, 0};
    }
    if (auto foreign = foreign_word(word)) return std::move(*foreign);
    if (const std::string where = block_of(word); !where.empty()) {
        return {quoted(word) + " has no place here", "it stands " + where, 0};
    }
    if (!first_on_line(text, at)) {
        std::string meant = nearest(word, clauses);
        if (meant.empty()) meant = nearest(word, complaint.words);
        return {"unexpected " + quoted(word), meant.empty() ? "" : "did you mean " + quoted(meant) + "?", 0};
    }
    const std::string near = nearest(word, complaint.words);
    if (!near.empty())
        return {"there is no statement " + quoted(word), "did you mean " + quoted(near) + "?", 0};
    return {"there is no statement " + quoted(word),
            complaint.topic == Topic::item ? choice_of(complaint.words)
                                           : "a setting is written `" + printable(word) + " = value`",
            0};
}

std::string sign_help(std::string_view text, size_t at) {
    if (text.substr(at).starts_with('('))
        return "there are no functions; parentheses stand around a condition";
    if (text.substr(at).starts_with('['))
        return "a key is looked up in a map of `let`: `plan_rate[user.plan] else 1/s`";
    return {};
}

// No statement begins here.
Wording unknown(std::string_view text, size_t at, const Complaint& complaint) {
    if (!word_at(text, at).empty()) return unknown_word(text, at, complaint);
    if (at < text.size() && text[at] == '"') {
        return {"a string alone says nothing", "write `because` before a reason", 0};
    }
    if (at < text.size() && text[at] == '}') return {"this `}` closes nothing", "remove it", 0};
    return {"unexpected " + found(text, at), sign_help(text, at), 0};
}

Wording wording_of(std::string_view text, const SyntaxError& error) {
    const Complaint& complaint = *error.complaint;
    const size_t at = error.offset;
    if (complaint.topic == Topic::mixture) return mixture(text, error);
    if (complaint.topic == Topic::address) {
        if (auto known = address_mistake(text, at, complaint.refused)) return std::move(*known);
    }
    if (complaint.topic == Topic::channel) {
        if (auto known = channel_mistake(text, at, complaint.refused)) return std::move(*known);
    }
    if (auto known = common_mistake(text, at)) return std::move(*known);
    if (complaint.topic == Topic::statement || complaint.topic == Topic::item)
        return unknown(text, at, complaint);
    if (complaint.topic == Topic::name || complaint.topic == Topic::expression) {
        if (is_bad_name(word_at(text, at))) return bad_name(word_at(text, at));
    }
    if (complaint.refused) return {std::string(complaint.text), std::string(complaint.help), 0};
    return expected(text, at, complaint);
}

}  // namespace

Diagnostic explain(const SyntaxError& error, const SourceFile& source, uint32_t file, uint32_t statement) {
    const std::string_view text = source.text;
    const Complaint& complaint = *error.complaint;
    Diagnostic out{"E001", Severity::error, {}, {}, {}, {}};
    const bool begins = complaint.topic == Topic::statement || complaint.topic == Topic::item;
    const size_t before = previous_token_end(text, statement, error.offset);
    const bool next_line = text.substr(before, error.offset - before).find('\n') != std::string_view::npos;
    // What is missing is missing behind the last token; that something else stands on a later line is no
    // news.
    if (!complaint.refused && !begins && (next_line || error.offset >= text.size())) {
        const auto place = static_cast<uint32_t>(before);
        out.primary.span = {file, place, place};
        out.message = error.offset >= text.size() ? "unexpected end of file: expected " : "expected ";
        out.message += complaint.text;
        return out;
    }
    Wording wording = wording_of(text, error);
    const size_t end = wording.length > 0 ? error.offset + wording.length : token_end(text, error.offset);
    out.primary.span = {file, error.offset, static_cast<uint32_t>(end)};
    out.message = std::move(wording.message);
    out.help = std::move(wording.help);
    return out;
}

}  // namespace wayleave::dsl
