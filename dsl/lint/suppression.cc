#include "dsl/lint/suppression.h"

#include <algorithm>
#include <array>

#include "dsl/text/catalogue.h"
#include "dsl/text/near_name.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

constexpr std::string_view remedy = "write `# lint: ignore W301 because \"why it is right here\"`";

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}
bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

// One comment, read from left to right.
class CommentReader {
  public:
    CommentReader(std::string_view text, Span span) : text_(text), span_(span) {}

    bool take(std::string_view wanted) {
        skip_blanks();
        if (!text_.substr(at_).starts_with(wanted)) return false;
        at_ += wanted.size();
        return true;
    }
    std::string_view word(Span& place) {
        skip_blanks();
        const size_t start = at_;
        while (at_ < text_.size() && is_word(text_[at_])) ++at_;
        place = part(start, at_);
        return text_.substr(start, at_ - start);
    }
    // A string as in the language, and nothing behind it.
    std::optional<std::string> last_string() {
        skip_blanks();
        if (at_ >= text_.size() || text_[at_] != '"') return std::nullopt;
        std::string out;
        for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
            if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
            out += text_[at_];
        }
        if (at_ >= text_.size()) return std::nullopt;
        ++at_;
        skip_blanks();
        return at_ == text_.size() ? std::optional(out) : std::nullopt;
    }
    [[nodiscard]] Span whole() const { return span_; }

  private:
    void skip_blanks() {
        while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
    }
    [[nodiscard]] Span part(size_t from, size_t to) const {
        return {span_.file, span_.begin + static_cast<uint32_t>(from),
                span_.begin + static_cast<uint32_t>(to)};
    }

    std::string_view text_;
    Span span_;
    size_t at_ = 0;
};

// Every comment of a file: from `#` to the end of the line, where the `#` is in no string.
template <class Visit>
void each_comment(std::string_view text, uint32_t file, const Visit& visit) {
    size_t at = 0;
    while (at < text.size()) {
        at = text.find_first_of("\"#", at);
        if (at == std::string_view::npos) return;
        if (text[at] == '#') {
            size_t end = std::min(text.find('\n', at), text.size());
            visit(Span{file, static_cast<uint32_t>(at), static_cast<uint32_t>(end)});
            at = end;
            continue;
        }
        for (++at; at < text.size() && text[at] != '"' && text[at] != '\n'; ++at) {
            if (text[at] == '\\' && at + 1 < text.size() && text[at + 1] != '\n') ++at;
        }
        ++at;
    }
}

void unknown_id(std::string_view given, Span span, Diagnostics& diagnostics) {
    std::vector<std::string_view> known;
    for (const Check& check : catalogue()) known.push_back(check.id);
    const std::string_view near = near_name(given, known);
    auto& diagnostic = diagnostics.warning("W404", span, "there is no check " + quoted(given), {},
                                           near.empty() ? "`wayleave lint --explain ID` tells about a check"
                                                        : "did you mean " + quoted(near) + "?");
    if (!near.empty()) diagnostic.replacement = Edit{span, std::string(near)};
}

// The ids before `because`, those that can be suppressed.
std::vector<Suppression> read_ids(CommentReader& reader, Diagnostics& diagnostics) {
    std::vector<Suppression> out;
    do {
        Span place;
        const std::string_view id = reader.word(place);
        const Check* check = find_check(id);
        if (id.empty()) {
            diagnostics.warning("W404", reader.whole(), "this names no check to ignore", {},
                                std::string(remedy));
        } else if (!check || check->id != id) {
            unknown_id(id, place, diagnostics);
        } else if (check->severity == Severity::error) {
            diagnostics.warning("W404", place, "an error cannot be ignored",
                                "with " + std::string(id) + " the daemon refuses the policy");
        } else {
            out.push_back({check->id, place, {}, {}});
        }
    } while (reader.take(","));
    return out;
}

// Whether nothing but blanks stands before it on its line.
bool has_own_line(std::string_view text, size_t at) {
    while (at > 0 && is_blank(text[at - 1])) --at;
    return at == 0 || text[at - 1] == '\n';
}

std::vector<Suppression> read_comment(std::string_view file, Span span, Diagnostics& diagnostics) {
    CommentReader reader(file.substr(span.begin, span.end - span.begin), span);
    if (!reader.take("#") || !reader.take("lint:")) return {};
    // Elsewhere it is taken for a word about its own line, and would silence the statement below it.
    if (!has_own_line(file, span.begin)) {
        diagnostics.warning(
            "W404", span, "this suppression stands behind something else", "nothing is suppressed by this",
            "it concerns the statement that follows it: give it a line of its own, above that");
        return {};
    }
    if (!reader.take("ignore ") && !reader.take("ignore")) {
        diagnostics.warning("W404", span, "lint knows nothing to do but `ignore`", {}, std::string(remedy));
        return {};
    }
    auto out = read_ids(reader, diagnostics);
    const bool because = reader.take("because");
    const auto reason = because ? reader.last_string() : std::nullopt;
    if (!reason || reason->empty()) {
        // Where an id was wrong already, the rest of the comment is probably not what it seems.
        if (!out.empty()) {
            diagnostics.warning("W404", span, "a finding is not ignored without a reason",
                                "nothing is suppressed by this", std::string(remedy));
        }
        return {};
    }
    for (Suppression& one : out) one.because = *reason;
    return out;
}

}  // namespace

Suppressions::Suppressions(const Sources& sources, const Statements& statements, Diagnostics& diagnostics)
    : statements_(statements) {
    for (uint32_t file = 0; file < sources.size(); ++file) {
        const std::string_view text = sources.file(file).text;
        each_comment(text, file, [&](Span span) {
            const auto found = read_comment(text, span, diagnostics);
            if (found.empty()) return;
            const Statement* next = statements.after(span);
            for (Suppression one : found) {
                one.concerns_something = next != nullptr;
                if (next) one.statement = next->span;
                if (next) by_statement_.emplace(key(next->span, one.id), all_.size());
                all_.push_back(std::move(one));
            }
        });
    }
}

std::optional<std::string> Suppressions::reason(std::string_view id, Span span) {
    for (const Statement* statement : statements_.around(span)) {
        const auto it = by_statement_.find(key(statement->span, id));
        if (it == by_statement_.end()) continue;
        all_[it->second].used = true;
        return all_[it->second].because;
    }
    return std::nullopt;
}

void Suppressions::report_unused(const std::function<bool(std::string_view)>& looked,
                                 Diagnostics& diagnostics) const {
    for (const Suppression& one : all_) {
        if (one.used || !looked(one.id)) continue;
        diagnostics.note(
            "N503", one.span, std::string(one.id) + " is not found here, so nothing is suppressed",
            one.concerns_something ? "" : "no statement follows in this block",
            one.concerns_something ? "take the comment away; it concerns the statement that follows it"
                                   : "write the comment above the statement");
    }
}

}  // namespace wayleave::dsl
