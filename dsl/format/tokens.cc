#include "dsl/format/tokens.h"

#include <algorithm>

namespace wayleave::dsl {
namespace {

bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool touches(std::string_view before, std::string_view text) {
    return text == "," || text == ")" || text == "]" || text == "[" || before == "(" || before == "[" ||
           (before == "{" && text == "}");
}

}  // namespace

bool is_token(NodeKind kind) {
    return (kind >= NodeKind::name && kind <= NodeKind::message_type) || kind == NodeKind::negation ||
           kind == NodeKind::conjunction || kind == NodeKind::disjunction || kind == NodeKind::compare_op ||
           kind == NodeKind::path || kind == NodeKind::channel_pattern || kind == NodeKind::url;
}

size_t width(std::string_view text) {
    return static_cast<size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

FormatTokens::FormatTokens(std::string_view text, const SyntaxTree& tree) : text_(text) {
    size_t at = 0;
    for (size_t i = 0; i < tree.size();) {
        const SyntaxNode& node = tree[i];
        if (!is_token(node.kind)) {
            ++i;
            continue;
        }
        add_between(at, node.begin);
        add(node.begin, node.end, false);
        at = node.end;
        i = node.next;
    }
    add_between(at, text.size());
}

// Words of the language, punctuation and comments: what the tree has no nodes for.
void FormatTokens::add_between(size_t at, size_t end) {
    while (at < end) {
        size_t next = at + 1;
        if (is_blank(text_[at])) {
            at = next;
            continue;
        }
        const bool comment = text_[at] == '#';
        if (comment) {
            next = std::min(text_.find('\n', at), end);
        } else if (is_word(text_[at])) {
            while (next < end && is_word(text_[next])) ++next;
        }
        add(at, next, comment);
        at = next;
    }
}

void FormatTokens::add(size_t begin, size_t end, bool comment) {
    FormatToken token;
    const size_t before = tokens_.empty() ? 0
                                          : static_cast<size_t>(tokens_.back().text.data() - text_.data()) +
                                                tokens_.back().text.size();
    const std::string_view gap = text_.substr(before, begin - before);
    token.begin = static_cast<uint32_t>(begin);
    token.breaks = static_cast<uint32_t>(std::count(gap.begin(), gap.end(), '\n'));
    token.comment = comment;
    token.first = tokens_.empty() || token.breaks > 0;
    if (comment) {
        while (is_blank(text_[end - 1])) --end;
    }
    token.text = text_.substr(begin, end - begin);
    if (comment) {
        token.spaces = 2;
    } else if (!tokens_.empty() && touches(tokens_.back().text, token.text)) {
        token.spaces = 0;
    }
    tokens_.push_back(token);
}

TokenRange FormatTokens::of(const SyntaxNode& node) const {
    const auto at = [&](uint32_t offset) {
        const auto it =
            std::lower_bound(tokens_.begin(), tokens_.end(), offset,
                             [](const FormatToken& token, uint32_t o) { return token.begin < o; });
        return static_cast<size_t>(it - tokens_.begin());
    };
    return {at(node.begin), at(node.end)};
}

size_t FormatTokens::find(std::string_view text, TokenRange range) const {
    while (range.first < range.last && tokens_[range.first].text != text) ++range.first;
    return range.first;
}

bool FormatTokens::comments_in(TokenRange range) const {
    const auto at = [&](size_t index) { return tokens_.begin() + static_cast<std::ptrdiff_t>(index); };
    return std::any_of(at(range.first), at(range.last),
                       [](const FormatToken& token) { return token.comment; });
}

std::string FormatTokens::print() const {
    std::string out;
    out.reserve(text_.size());
    for (const FormatToken& token : tokens_) {
        if (&token != &tokens_.front() || token.newlines > 0) {
            out.append(token.newlines, '\n');
            out.append(token.newlines > 0 ? token.indent : token.spaces, ' ');
        }
        out += token.text;
    }
    if (!out.empty()) out += '\n';
    return out;
}

}  // namespace wayleave::dsl
