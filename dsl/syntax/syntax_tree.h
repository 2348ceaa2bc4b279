// What the grammar recognised, before it means anything: nodes in the order of the text, each knowing where
// its subtree ends. Flat, so that giving up a statement half-way is a resize.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace wayleave::dsl {

// clang-format off
enum class NodeKind : uint8_t {
    none,
    // tokens
    name, word, string, integer, floating, size, time, rate, date, ip, net, boolean,
    text, label, any, rest, trailing_slash, message_type,
    // expressions
    expr, term, negation, conjunction, disjunction, compare_op, group, braces, entry, lookup, path,
    // addresses and channels
    capture, insert, channel_pattern, host, url,
    // parts of statements
    type, as_name, split_at, in_set, absent, source, file_value, backend_call, outcome, setting,
    on, with, by, condition, then, because, on_excess, burst, up_to, binding, stream_name, first_use, plain_http, after, priority, as_type, at, times, object, test_member,
    // statements
    rule, limit, ban, let, use, join, message, stream, alias, notify, proxy, input, errors,
    field, stamp, publish, subscribe, unsubscribe, forward, reply, claim, carried, as, expect, answers,
    // items
    token, backend, channel, policy, defaults, route, api, test
};
// clang-format on

struct SyntaxNode {
    NodeKind kind = NodeKind::none;
    uint32_t begin = 0;  // byte offsets in the file; blanks and comments at the end do not count
    uint32_t end = 0;
    uint32_t next = 0;  // index of the first node behind this one's subtree
};

using SyntaxTree = std::vector<SyntaxNode>;

// Walks the children of one node, or the items of the whole tree, from left to right. A child that is not
// there is the empty node: a statement with a mistake in it is built like any other.
class Children {
  public:
    explicit Children(const SyntaxTree& tree) : tree_(&tree), end_(static_cast<uint32_t>(tree.size())) {}
    Children(const SyntaxTree& tree, const SyntaxNode& parent) : tree_(&tree) {
        if (parent.kind == NodeKind::none) return;
        at_ = static_cast<uint32_t>(&parent - tree.data()) + 1;
        end_ = parent.next;
    }

    [[nodiscard]] bool done() const { return at_ >= end_; }
    [[nodiscard]] NodeKind peek() const { return done() ? NodeKind::none : (*tree_)[at_].kind; }

    [[nodiscard]] size_t count() const {
        size_t out = 0;
        for (uint32_t at = at_; at < end_; at = (*tree_)[at].next) ++out;
        return out;
    }

    const SyntaxNode& take() {
        if (done()) return nothing;
        const SyntaxNode& node = (*tree_)[at_];
        at_ = node.next;
        return node;
    }
    const SyntaxNode& take(NodeKind kind) { return peek() == kind ? take() : nothing; }

  private:
    static constexpr SyntaxNode nothing{};

    const SyntaxTree* tree_;
    uint32_t at_ = 0;
    uint32_t end_ = 0;
};

}  // namespace wayleave::dsl
