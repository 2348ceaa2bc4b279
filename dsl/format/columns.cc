#include "dsl/format/columns.h"

#include <algorithm>

namespace wayleave::dsl {
namespace {

using Statements = std::vector<AlignedStatement>;

bool on_one_line(const FormatTokens& tokens, TokenRange range) {
    for (size_t i = range.first + 1; i < range.last; ++i) {
        if (tokens[i].newlines > 0 || tokens[i].comment) return false;
    }
    return true;
}

// The columns that the tokens of a line take, up to one of them.
size_t columns(const FormatTokens& tokens, size_t first, size_t last) {
    size_t out = tokens[first].indent + width(tokens[first].text);
    for (size_t i = first + 1; i < last; ++i) out += tokens[i].spaces + width(tokens[i].text);
    return out;
}

bool adjacent(const FormatTokens& tokens, const AlignedStatement& above, const AlignedStatement& below) {
    size_t behind = above.tokens.last;
    if (behind < tokens.size() && tokens[behind].trailing()) ++behind;
    return above.kind == below.kind && behind == below.tokens.first && tokens[behind].newlines == 1 &&
           on_one_line(tokens, below.tokens);
}

void align(FormatTokens& tokens, Statements::const_iterator begin, Statements::const_iterator end) {
    size_t widest = 0;
    for (auto it = begin; it != end; ++it)
        widest = std::max(widest, columns(tokens, it->tokens.first, it->sign));
    // What fits into its line must still do so.
    for (auto it = begin; it != end; ++it) {
        const size_t added = widest - columns(tokens, it->tokens.first, it->sign);
        if (added > 0 && columns(tokens, it->tokens.first, it->tokens.last) + added > format_width) return;
    }
    for (auto it = begin; it != end; ++it)
        tokens[it->sign].spaces += widest - columns(tokens, it->tokens.first, it->sign);
}

}  // namespace

void align_signs(FormatTokens& tokens, const Statements& statements) {
    for (auto begin = statements.begin(); begin != statements.end();) {
        auto end = begin + 1;
        if (on_one_line(tokens, begin->tokens)) {
            while (end != statements.end() && adjacent(tokens, *(end - 1), *end)) ++end;
            align(tokens, begin, end);
        }
        begin = end;
    }
}

void align_comments(FormatTokens& tokens) {
    struct Line {
        size_t comment;
        size_t column;
    };
    std::vector<Line> group;
    size_t indent = 0;
    const auto flush = [&] {
        size_t widest = 0;
        for (const Line& line : group) widest = std::max(widest, line.column);
        for (const Line& line : group) tokens[line.comment].spaces = widest - line.column + 2;
        group.clear();
    };
    for (size_t first = 0; first < tokens.size();) {
        size_t last = first + 1;
        while (last < tokens.size() && tokens[last].newlines == 0) ++last;
        const bool remark = tokens[last - 1].trailing();
        if (!remark || tokens[first].newlines > 1 || tokens[first].indent != indent) flush();
        indent = tokens[first].indent;
        if (remark) group.push_back({last - 1, columns(tokens, first, last - 1)});
        first = last;
    }
    flush();
}

}  // namespace wayleave::dsl
