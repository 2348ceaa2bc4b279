#include "dsl/syntax/consequences.h"

#include <algorithm>
#include <array>
#include <utility>

#include "dsl/syntax/recover.h"

namespace wayleave::dsl {
namespace {

using namespace std::string_view_literals;

// Something is not known, or not there.
constexpr std::array unknown{"E002"sv, "E004"sv, "E007"sv, "E008"sv, "E012"sv, "E018"sv};
constexpr std::array absent{"E007"sv, "E011"sv, "E018"sv, "E021"sv, "E022"sv, "E023"sv, "E027"sv};

template <class List>
bool holds(const List& list, std::string_view id) {
    return std::find(list.begin(), list.end(), id) != list.end();
}

bool within(Span inner, Span outer) {
    return inner.file == outer.file && outer.begin <= inner.begin && inner.begin < outer.end;
}

bool declares(std::string_view word) {
    constexpr std::array words{"let"sv, "token"sv, "backend"sv, "policy"sv, "claim"sv, "field"sv, "input"sv};
    return holds(words, word);
}

// `let x …`, and not `let = …`. Of a head such as `token {` nothing is left but its place.
bool names_something(std::string_view declaration) {
    const size_t next = blank_end(declaration, word_at(declaration, 0).size());
    return !word_at(declaration, next).empty();
}

bool before(Span a, Span b) {
    return std::pair(a.file, a.begin) < std::pair(b.file, b.begin);
}

template <class See>
void each_word(std::string_view text, const See& see) {
    for (size_t at = 0; at < text.size();) {
        const std::string_view word = word_at(text, at);
        if (!word.empty()) see(word);
        at += std::max<size_t>(word.size(), 1);
    }
}

Span span_of(const ast::Item& item) {
    return std::visit([](const auto& one) { return one.span; }, item);
}

}  // namespace

Consequences::Consequences(const ast::File& file, const Sources& sources, const Diagnostics& told)
    : sources_(sources) {
    for (const Diagnostic& diagnostic : told.all()) {
        const Span span = diagnostic.primary.span;
        told_.push_back(span);
        lines_.emplace(span.file, sources.position(span.file, span.begin).line);
    }
    std::vector<Span> holes = file.holes;
    std::sort(holes.begin(), holes.end(), before);
    for (const Span hole : holes)
        each_word(sources.text(hole), [&](std::string_view word) { words_.insert(word); });
    for (const ast::Item& item : file.items) {
        const Span span = span_of(item);
        const auto hole = std::lower_bound(holes.begin(), holes.end(), span, before);
        if (hole == holes.end() || !within(*hole, span)) continue;
        torn_.push_back(span);
        shared_hole_ = shared_hole_ || std::holds_alternative<ast::Defaults>(item) ||
                       std::holds_alternative<ast::Policy>(item);
    }
    std::sort(torn_.begin(), torn_.end(), before);
    // A whole item that could not be read; the word begins no statement of a block.
    for (const Span hole : holes) {
        const std::string_view word = word_at(sources.text(hole), 0);
        // A word that begins no item may have been meant as `defaults`.
        const bool item = sources.position(hole.file, hole.begin).column == 1;
        shared_hole_ = shared_hole_ || word == "defaults" || word == "policy" ||
                       (item && !keywords::holds(keywords::item, word));
        claims_torn_ = claims_torn_ || shared_hole_ || word.empty() || word == "auth" || word == "use" ||
                       word == "token";
        nameless_ =
            nameless_ || hole.begin == hole.end || (declares(word) && !names_something(sources.text(hole)));
    }
}

bool Consequences::hold(const Diagnostic& diagnostic) const {
    const Span span = diagnostic.primary.span;
    if (diagnostic.severity != Severity::error) return true;
    if (span.begin == 0 && span.end == 0) return true;  // about what stands for a hole
    if (told_there(span)) return true;
    // What stands before a mistake on its line is most likely half a statement.
    if (lines_.contains({span.file, sources_.position(span.file, span.begin).line})) return true;
    if (holds(unknown, diagnostic.id) && (nameless_ || named_in_hole(span))) return true;
    if (claims_torn_ && diagnostic.id == "E002" && sources_.text(span).starts_with("user.")) return true;
    return holds(absent, diagnostic.id) && (shared_hole_ || beside_hole(span));
}

bool Consequences::told_there(Span span) const {
    return std::any_of(told_.begin(), told_.end(), [&](Span other) {
        return other.file == span.file && span.begin < std::max(other.end, other.begin + 1) &&
               other.begin < std::max(span.end, span.begin + 1);
    });
}

bool Consequences::named_in_hole(Span span) const {
    constexpr std::array common{"user"sv, "connection"sv, "message"sv};
    bool found = false;
    each_word(sources_.text(span), [&](std::string_view word) {
        found = found || (words_.contains(word) && !holds(common, word));
    });
    return found;
}

bool Consequences::beside_hole(Span span) const {
    const auto behind = std::upper_bound(torn_.begin(), torn_.end(), span, before);
    return behind != torn_.begin() && within(span, *std::prev(behind));
}

}  // namespace wayleave::dsl
