// Builds what statements are made of: names, literals, expressions, addresses, channels.
#pragma once

#include "dsl/syntax/ast.h"
#include "dsl/syntax/syntax_tree.h"
#include "dsl/text/diagnostic.h"
#include "dsl/text/source.h"

namespace wayleave::dsl {

// Borrows all it is given. Every function takes the empty node for one that is missing.
class PartBuilder {
  public:
    PartBuilder(const SyntaxTree& tree, const SourceFile& source, uint32_t file, Diagnostics& diagnostics)
        : tree_(tree), text_(source.text), file_(file), diagnostics_(diagnostics) {}

    [[nodiscard]] Children children(const SyntaxNode& node) const { return {tree_, node}; }
    [[nodiscard]] Span span(const SyntaxNode& node) const { return {file_, node.begin, node.end}; }
    [[nodiscard]] std::string_view text(const SyntaxNode& node) const;
    void error(std::string_view id, Span span, std::string message, std::string help = {});

    [[nodiscard]] ast::Name name(const SyntaxNode& node) const { return {text(node), span(node)}; }
    [[nodiscard]] ast::Path path(const SyntaxNode& node) const;
    [[nodiscard]] ast::Text string(const SyntaxNode& node);
    [[nodiscard]] ast::Literal literal(const SyntaxNode& node);
    [[nodiscard]] ast::TypeName type(const SyntaxNode& node, bool list);  // may it be a list?
    [[nodiscard]] ast::MessageType message_type(const SyntaxNode& node);

    [[nodiscard]] ast::Expr expr(const SyntaxNode& node);
    [[nodiscard]] ast::Expr operand(const SyntaxNode& node);
    [[nodiscard]] std::optional<ast::Expr> condition(Children& from);  // takes an `if`, if it is next

    [[nodiscard]] ast::Url url(const SyntaxNode& node);
    [[nodiscard]] ast::ChannelPattern channel(const SyntaxNode& node);
    [[nodiscard]] std::vector<ast::ChannelPattern> channels(Children& from);

    [[nodiscard]] ast::Outcome outcome(const SyntaxNode& node);
    [[nodiscard]] ast::Absent absent(const SyntaxNode& node);
    [[nodiscard]] ast::Source source(const SyntaxNode& node);
    [[nodiscard]] ast::SettingValue value(const SyntaxNode& node);
    [[nodiscard]] ast::Setting setting(const SyntaxNode& node);
    [[nodiscard]] std::vector<ast::Setting> settings(Children& from);

  private:
    [[nodiscard]] ast::Expr term(const SyntaxNode& node);
    [[nodiscard]] ast::Expr comparison(Children from);
    [[nodiscard]] ast::Expr braces(const SyntaxNode& node);
    [[nodiscard]] ast::Expr lookup(const SyntaxNode& node);
    [[nodiscard]] ast::Segment segment(const SyntaxNode& node);
    void check_host_label(const ast::Segment& label);

    const SyntaxTree& tree_;
    std::string_view text_;
    uint32_t file_;
    Diagnostics& diagnostics_;
};

}  // namespace wayleave::dsl
