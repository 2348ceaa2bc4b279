#include "dsl/format/layout.h"

#include <algorithm>

#include "dsl/syntax/words.h"

namespace wayleave::dsl {
namespace {

constexpr size_t step = 4;

bool has_block(NodeKind kind) {
    switch (kind) {
        case NodeKind::message:
        case NodeKind::errors:
        case NodeKind::as:
        case NodeKind::token:
        case NodeKind::backend:
        case NodeKind::channel:
        case NodeKind::policy:
        case NodeKind::defaults:
        case NodeKind::route:
        case NodeKind::api:
        case NodeKind::test: return true;
        default: return false;
    }
}

// Parts before which a long statement is broken.
bool is_clause(NodeKind kind) {
    switch (kind) {
        case NodeKind::as_name:
        case NodeKind::split_at:
        case NodeKind::in_set:
        case NodeKind::absent:
        case NodeKind::on:
        case NodeKind::with:
        case NodeKind::by:
        case NodeKind::condition:
        case NodeKind::then:
        case NodeKind::because:
        case NodeKind::on_excess:
        case NodeKind::burst:
        case NodeKind::up_to:
        case NodeKind::stream_name:
        case NodeKind::first_use:
        case NodeKind::plain_http:
        case NodeKind::after:
        case NodeKind::as_type:
        case NodeKind::priority:
        case NodeKind::at:
        case NodeKind::times: return true;
        default: return false;
    }
}

// The sign that adjacent statements of this kind have in one column.
std::string_view sign_of(NodeKind kind) {
    switch (kind) {
        case NodeKind::setting:
        case NodeKind::let:
        case NodeKind::stamp: return "=";
        case NodeKind::claim:
        case NodeKind::field:
        case NodeKind::input: return ":";
        default: return {};
    }
}

// At the start of a line such a word could be taken for a statement of its own.
bool begins_badly(std::string_view word) {
    for (const Words list : {Words(keywords::item), Words(keywords::body), Words(keywords::message),
                             Words(keywords::token), Words(keywords::test)}) {
        if (keywords::holds(list, word)) return true;
    }
    return false;
}

bool ignores_lint(std::string_view comment) {
    comment.remove_prefix(1);
    comment.remove_prefix(std::min(comment.find_first_not_of(" \t"), comment.size()));
    return comment.starts_with("lint:");
}

}  // namespace

FormatLayout::FormatLayout(FormatTokens& tokens, const SyntaxTree& tree) : tokens_(tokens), tree_(tree) {
    for (const SyntaxNode& node : tree) space(node);
    size_t end = 0;
    size_t comments = 0;
    for (size_t i = 0; i < tokens.size(); ++i) {
        end += tokens[i].spaces + width(tokens[i].text);
        ends_.push_back(end);
        comments_.push_back(comments);
        comments += tokens[i].comment ? 1 : 0;
    }
    comments_.push_back(comments);
}

void FormatLayout::run() {
    Nodes items;
    for (Children all(tree_); !all.done();) items.push_back(&all.take());
    statements(items, tokens_.size(), 0);
}

FormatLayout::Nodes FormatLayout::children(const SyntaxNode& node) const {
    Nodes out;
    for (Children all(tree_, node); !all.done();) out.push_back(&all.take());
    return out;
}

// --- spaces ---

void FormatLayout::space(const SyntaxNode& node) {
    const TokenRange range = tokens_.of(node);
    if (node.kind == NodeKind::entry) {
        const Nodes parts = children(node);
        if (parts.size() == 2)
            tokens_[tokens_.find(":", {tokens_.of(*parts[0]).last, range.last})].spaces = 0;
        return;
    }
    if (!has_block(node.kind) && node.kind != NodeKind::object) return;
    const TokenRange braces{tokens_.find("{", range), range.last};
    Nodes members = children(node);
    std::erase_if(members,
                  [&](const SyntaxNode* member) { return tokens_.of(*member).first < braces.first; });
    if (!one_line(braces, members)) return;
    for (const SyntaxNode* member : members) {
        if (member != members.front()) tokens_[tokens_.of(*member).first].spaces = 2;
    }
}

// Whether it is empty, or the user wrote it so and it is simple enough to stay so.
bool FormatLayout::one_line(TokenRange braces, const Nodes& members) const {
    if (braces.last - braces.first == 2) return true;
    for (size_t i = braces.first + 1; i < braces.last; ++i) {
        if (tokens_[i].breaks > 0) return false;
    }
    const auto plain = [](const SyntaxNode* member) {
        return member->kind == NodeKind::setting || member->kind == NodeKind::test_member;
    };
    return std::all_of(members.begin(), members.end(), plain) ||
           (members.size() == 1 && !has_block(members.front()->kind));
}

// --- tokens ---

void FormatLayout::place(size_t indent) {
    FormatToken& token = tokens_[next_++];
    if (token.trailing()) {
        break_ = true;
        return;
    }
    if (token.comment || break_) {
        token.newlines = std::max<size_t>(token.newlines, next_ > 1 ? 1 : 0);
        token.indent = indent;
        line_indent_ = indent;
        column_ = indent + width(token.text);
        ++line_;
    } else {
        column_ += token.spaces + width(token.text);
    }
    break_ = token.comment;
}

void FormatLayout::place_until(size_t token, size_t indent) {
    while (next_ < token) place(indent);
}

// The next token begins a line between statements: there one empty line of the source is kept.
void FormatLayout::begin_line(size_t indent) {
    FormatToken& token = tokens_[next_];
    size_t before = next_;
    while (before > 0 && tokens_[before - 1].trailing()) --before;
    const bool apart = before > 0 && token.breaks > 1 && tokens_[before - 1].text != "{" && token.text != "}";
    const bool bound = next_ > 0 && tokens_[next_ - 1].comment && ignores_lint(tokens_[next_ - 1].text);
    token.newlines = apart && !bound ? 2 : 0;
    break_ = true;
    place(indent);
}

void FormatLayout::place_comments(size_t token, size_t indent) {
    while (next_ < token) {
        if (tokens_[next_].trailing()) {
            place(indent);
        } else {
            begin_line(indent);
        }
    }
}

bool FormatLayout::fits(TokenRange range, size_t indent) const {
    if (comments_[range.last] > comments_[range.first]) return false;
    const size_t start = break_ ? indent : column_ + tokens_[range.first].spaces;
    size_t last = range.last;
    while (last < tokens_.size() && tokens_[last].spaces == 0) ++last;  // what sticks to it
    return start + width(tokens_[range.first].text) + ends_[last - 1] - ends_[range.first] <= format_width;
}

// --- statements ---

void FormatLayout::statements(const Nodes& nodes, size_t end, size_t indent) {
    for (const SyntaxNode* node : nodes) {
        place_comments(tokens_.of(*node).first, indent);
        statement(*node, indent);
    }
    place_comments(end, indent);
}

void FormatLayout::statement(const SyntaxNode& node, size_t indent) {
    const TokenRange range = tokens_.of(node);
    begin_line(indent);
    const size_t braces = block_of(node);
    if (has_block(node.kind) || (node.kind == NodeKind::stream && braces < range.last))
        return block(node, {braces, range.last}, indent);
    if (const std::string_view sign = sign_of(node.kind); !sign.empty())
        aligned_.push_back({node.kind, range, tokens_.find(sign, range)});
    walk(node, indent + step);
}

// Where its block begins; its end if it has none. A stream's condition before it may have braces of its own.
size_t FormatLayout::block_of(const SyntaxNode& node) const {
    TokenRange range = tokens_.of(node);
    for (const SyntaxNode* part : node.kind == NodeKind::stream ? children(node) : Nodes()) {
        const bool before = part->kind == NodeKind::string || part->kind == NodeKind::first_use ||
                            part->kind == NodeKind::condition;
        if (before) range.first = tokens_.of(*part).last;
    }
    return tokens_.find("{", range);
}

void FormatLayout::block(const SyntaxNode& node, TokenRange braces, size_t indent) {
    bool broken = false;
    Nodes members;
    for (const SyntaxNode* part : children(node)) {
        if (tokens_.of(*part).first > braces.first) {
            members.push_back(part);
        } else {
            child(*part, indent + step, broken);
        }
    }
    place_until(braces.first, indent);
    place(indent);
    if (one_line(braces, members) && fits({braces.first + 1, braces.last}, indent))
        return place_until(braces.last, indent);
    statements(members, braces.last - 1, indent + step);
    begin_line(indent);
}

// --- inside a statement ---

void FormatLayout::walk(const SyntaxNode& node, size_t indent) {
    bool broken = false;
    if (!is_token(node.kind)) {
        for (const SyntaxNode* part : children(node)) child(*part, indent, broken);
    }
    place_until(tokens_.of(node).last, indent);
}

void FormatLayout::child(const SyntaxNode& node, size_t indent, bool& broken) {
    const TokenRange range = tokens_.of(node);
    place_until(range.first, indent);
    const bool clause = is_clause(node.kind);
    const bool listed = range.first > 0 && tokens_[range.first - 1].text == ",";
    if ((clause || (listed && !begins_badly(tokens_[range.first].text))) && !fits(range, indent))
        break_ = true;
    if (clause && broken) break_ = true;
    const bool begins = break_;
    const size_t line = line_ + (begins ? 1 : 0);
    switch (node.kind) {
        case NodeKind::expr: expression(node, indent); break;
        case NodeKind::braces: braces(node, indent); break;
        case NodeKind::object: object(node, indent); break;
        case NodeKind::group: walk(node, indent + step); break;
        default:
            if (clause && begins) {
                enter(node, indent);
            } else {
                walk(node, indent);
            }
    }
    broken = broken || line_ > line;
}

// A line begins with this node: what does not fit is indented once more.
void FormatLayout::enter(const SyntaxNode& node, size_t indent) {
    place(indent);
    walk(node, indent + step);
}

void FormatLayout::expression(const SyntaxNode& node, size_t indent) {
    const bool whole = fits(tokens_.of(node), indent);
    bool broken = false;
    for (const SyntaxNode* part : children(node)) {
        const bool joins = part->kind == NodeKind::conjunction || part->kind == NodeKind::disjunction;
        place_until(tokens_.of(*part).first, indent);
        if (joins && !whole) break_ = true;
        child(*part, indent, broken);
    }
}

void FormatLayout::braces(const SyntaxNode& node, size_t indent) {
    const TokenRange range = tokens_.of(node);
    if (fits(range, indent)) return place_until(range.last, indent);
    place_until(range.first + 1, indent);
    const size_t base = line_indent_;
    const Nodes entries = children(node);
    // Maps, sets with remarks and sets of sets read best with one entry a line.
    const bool own_lines = tokens_.comments_in(range) ||
                           std::any_of(entries.begin(), entries.end(), [&](const SyntaxNode* entry) {
                               return children(*entry).size() > 1 ||
                                      tokens_.find("{", tokens_.of(*entry)) < tokens_.of(*entry).last;
                           });
    for (const SyntaxNode* entry : entries) {
        const TokenRange mine = tokens_.of(*entry);
        place_until(mine.first, base + step);
        if (own_lines || entry == entries.front() ||
            (!fits(mine, base + step) && !begins_badly(tokens_[mine.first].text)))
            break_ = true;
        bool broken = false;
        for (const SyntaxNode* part : children(*entry)) child(*part, base + step, broken);
        place_until(mine.last, base + step);
    }
    place_until(range.last - 1, base + step);
    break_ = true;
    place(base);
}

// The literal of a message: like a block, but in the middle of a statement.
void FormatLayout::object(const SyntaxNode& node, size_t indent) {
    const TokenRange range = tokens_.of(node);
    const Nodes members = children(node);
    if (one_line(range, members) && fits(range, indent)) return place_until(range.last, indent);
    place_until(range.first + 1, indent);
    const size_t base = line_indent_;
    for (const SyntaxNode* member : members) {
        place_until(tokens_.of(*member).first, base + step);
        break_ = true;
        enter(*member, base + step);
    }
    place_until(range.last - 1, base + step);
    break_ = true;
    place(base);
}

}  // namespace wayleave::dsl
