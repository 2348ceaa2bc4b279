#include "dsl/syntax/build_parts.h"

#include <array>

#include "dsl/syntax/literal.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

constexpr size_t longest_label = 63;  // RFC 1035

ast::CompareOp compare_op(std::string_view text) {
    using ast::CompareOp;
    if (text == "!=") return CompareOp::ne;
    if (text == "<") return CompareOp::lt;
    if (text == "<=") return CompareOp::le;
    if (text == ">") return CompareOp::gt;
    if (text == ">=") return CompareOp::ge;
    if (text == "in") return CompareOp::in;
    if (text == "like") return CompareOp::like;
    if (text == "overlaps") return CompareOp::overlaps;
    return CompareOp::eq;
}

template <class Enum, size_t N>
Enum from_word(std::string_view word, const std::array<std::string_view, N>& words) {
    size_t i = 0;
    while (i + 1 < N && words[i] != word) ++i;
    return static_cast<Enum>(i);
}

}  // namespace

std::string_view PartBuilder::text(const SyntaxNode& node) const {
    return text_.substr(node.begin, node.end - node.begin);
}

void PartBuilder::error(std::string_view id, Span span, std::string message, std::string help) {
    diagnostics_.error(id, span, std::move(message), {}, std::move(help));
}

ast::Path PartBuilder::path(const SyntaxNode& node) const {
    ast::Path out;
    out.span = span(node);
    for (Children parts = children(node); !parts.done();) out.parts.push_back(name(parts.take()));
    return out;
}

ast::Literal PartBuilder::literal(const SyntaxNode& node) {
    ast::Literal out;
    out.span = span(node);
    if (node.kind == NodeKind::none) return out;
    LiteralReading reading = read_literal(node.kind, text(node));
    out.value = std::move(reading.value);
    out.type = reading.type;
    if (auto& fault = reading.fault) {
        const auto begin = node.begin + static_cast<uint32_t>(fault->at);
        const auto end = fault->length == 0 ? node.end : begin + static_cast<uint32_t>(fault->length);
        error(fault->id, {file_, begin, end}, std::move(fault->message), std::move(fault->help));
    }
    return out;
}

ast::Text PartBuilder::string(const SyntaxNode& node) {
    ast::Literal read = literal(node);
    auto* content = std::get_if<std::string>(&read.value.held);
    return {content != nullptr ? std::move(*content) : std::string(), read.span};
}

ast::MessageType PartBuilder::message_type(const SyntaxNode& node) {
    Children quoted = children(node);
    if (quoted.peek() != NodeKind::string) return {std::string(text(node)), span(node)};
    return {string(quoted.take()).text, span(node)};
}

ast::TypeName PartBuilder::type(const SyntaxNode& node, bool list) {
    constexpr std::array<std::string_view, 10> kinds{"bool", "int",  "float", "string", "ip",
                                                     "net",  "size", "time",  "rate",   "date"};
    Shape shape = Shape::one;
    std::string_view word;
    for (Children words = children(node); !words.done();) {
        word = text(words.take());
        if (word == "set") shape = Shape::set;
        if (word == "list") shape = Shape::list;
    }
    if (shape == Shape::list && !list) {
        error("E001", span(node), "only a field of a message can be a list", "write `set of`");
    }
    return {{from_word<Kind>(word, kinds), shape}, span(node)};
}

// --- expressions; their nesting is bounded by the grammar ---

ast::Expr PartBuilder::expr(const SyntaxNode& node) {
    Children parts = children(node);
    ast::Expr first = term(parts.take(NodeKind::term));
    if (parts.done()) return first;
    ast::Expr out;
    out.kind = parts.peek() == NodeKind::conjunction ? ast::Expr::Kind::all_of : ast::Expr::Kind::any_of;
    out.span = span(node);
    out.args.push_back(std::move(first));
    while (!parts.done()) {
        const SyntaxNode& part = parts.take();
        if (part.kind == NodeKind::term) out.args.push_back(term(part));
    }
    return out;
}

ast::Expr PartBuilder::term(const SyntaxNode& node) {
    Children parts = children(node);
    if (parts.peek() != NodeKind::negation) return comparison(parts);
    (void)parts.take();
    ast::Expr out;
    out.kind = ast::Expr::Kind::negation;
    out.span = span(node);
    out.args.push_back(comparison(parts));
    return out;
}

ast::Expr PartBuilder::comparison(Children parts) {
    ast::Expr left = operand(parts.take());
    if (parts.peek() != NodeKind::compare_op) return left;
    const SyntaxNode& op = parts.take();
    ast::Expr out;
    out.kind = ast::Expr::Kind::comparison;
    out.op = compare_op(text(op));
    out.op_span = span(op);
    out.args.push_back(std::move(left));
    out.args.push_back(operand(parts.take()));
    out.span = {file_, out.args[0].span.begin, out.args[1].span.end};
    return out;
}

ast::Expr PartBuilder::operand(const SyntaxNode& node) {
    ast::Expr out;
    switch (node.kind) {
        case NodeKind::group: out = expr(children(node).take(NodeKind::expr)); break;
        case NodeKind::braces: out = braces(node); break;
        case NodeKind::lookup: out = lookup(node); break;
        case NodeKind::path:
            out.kind = ast::Expr::Kind::path;
            out.path = path(node);
            break;
        default: out.literal = literal(node); break;
    }
    out.span = span(node);
    return out;
}

ast::Expr PartBuilder::braces(const SyntaxNode& node) {
    ast::Expr out;
    out.kind = ast::Expr::Kind::set;
    for (Children entries = children(node); !entries.done();) {
        Children parts = children(entries.take());
        ast::Expr first = expr(parts.take(NodeKind::expr));
        const bool map = parts.peek() == NodeKind::expr;
        if (!out.args.empty() && map != (out.kind == ast::Expr::Kind::map)) {
            error("E001", first.span, "a set and a map are mixed", "every entry of a map is `key: value`");
            break;
        }
        if (map) {
            out.kind = ast::Expr::Kind::map;
            out.keys.push_back(std::move(first));
            out.args.push_back(expr(parts.take()));
        } else {
            out.args.push_back(std::move(first));
        }
    }
    return out;
}

ast::Expr PartBuilder::lookup(const SyntaxNode& node) {
    Children parts = children(node);
    ast::Expr out;
    out.kind = ast::Expr::Kind::lookup;
    const ast::Name map = name(parts.take(NodeKind::name));
    out.path = {{map}, map.span};
    out.args.push_back(expr(parts.take(NodeKind::expr)));
    out.literal = literal(parts.take());
    return out;
}

std::optional<ast::Expr> PartBuilder::condition(Children& from) {
    const SyntaxNode& node = from.take(NodeKind::condition);
    if (node.kind == NodeKind::none) return std::nullopt;
    return expr(children(node).take(NodeKind::expr));
}

// --- addresses and channels ---

ast::Segment PartBuilder::segment(const SyntaxNode& node) {
    ast::Segment out;
    out.span = span(node);
    Children parts = children(node);
    switch (node.kind) {
        case NodeKind::capture:
            out.kind = ast::Segment::Kind::capture;
            out.capture = name(parts.take(NodeKind::name));
            if (!parts.done()) out.narrow = name(parts.take());
            break;
        case NodeKind::insert:
            out.kind = ast::Segment::Kind::insert;
            out.insert = path(parts.take(NodeKind::path));
            break;
        case NodeKind::any: out.kind = ast::Segment::Kind::any; break;
        case NodeKind::rest: out.kind = ast::Segment::Kind::rest; break;
        default: out.text = text(node); break;
    }
    return out;
}

void PartBuilder::check_host_label(const ast::Segment& label) {
    if (label.kind != ast::Segment::Kind::text) return;
    if (label.text.size() > longest_label) {
        error("E001", label.span, "a part of a host name has at most 63 characters");
    } else if (label.text.front() == '-' || label.text.back() == '-') {
        error("E001", label.span, "a part of a host name does not begin or end with `-`");
    }
}

ast::Url PartBuilder::url(const SyntaxNode& node) {
    ast::Url out;
    out.span = span(node);
    for (Children parts = children(node); !parts.done();) {
        const SyntaxNode& part = parts.take();
        if (part.kind == NodeKind::trailing_slash) {
            out.trailing_slash = true;
        } else if (part.kind == NodeKind::host) {
            for (Children labels = children(part); !labels.done();) {
                out.host.push_back(segment(labels.take()));
                check_host_label(out.host.back());
            }
        } else {
            out.path.push_back(segment(part));
            const std::string_view dots = out.path.back().text;
            if (dots == "." || dots == "..") {
                error("E001", out.path.back().span, quoted(dots) + " cannot stand in an address",
                      "addresses that clients send are refused with it");
            }
        }
    }
    if (out.path.empty()) out.trailing_slash = true;
    return out;
}

ast::ChannelPattern PartBuilder::channel(const SyntaxNode& node) {
    ast::ChannelPattern out;
    out.span = span(node);
    for (Children parts = children(node); !parts.done();) out.segments.push_back(segment(parts.take()));
    return out;
}

std::vector<ast::ChannelPattern> PartBuilder::channels(Children& from) {
    std::vector<ast::ChannelPattern> out;
    while (from.peek() == NodeKind::channel_pattern) out.push_back(channel(from.take()));
    return out;
}

// --- values ---

ast::Outcome PartBuilder::outcome(const SyntaxNode& node) {
    constexpr std::array<std::string_view, 4> kinds{"status", "close", "error", "drop"};
    Children parts = children(node);
    ast::Outcome out;
    out.span = span(node);
    out.kind = from_word<OutcomeKind>(text(parts.take(NodeKind::word)), kinds);
    if (parts.peek() == NodeKind::string) out.name = string(parts.take());
    if (parts.peek() == NodeKind::integer) out.code = std::get<int64_t>(literal(parts.take()).value.held);
    return out;
}

ast::Absent PartBuilder::absent(const SyntaxNode& node) {
    ast::Absent out;
    out.span = span(node);
    Children parts = children(node);
    out.required = parts.peek() == NodeKind::word;
    if (!out.required && !parts.done()) out.otherwise = operand(parts.take());
    return out;
}

ast::Source PartBuilder::source(const SyntaxNode& node) {
    constexpr std::array<std::string_view, 5> kinds{"query", "header", "cookie", "subprotocol",
                                                    "certificate"};
    Children parts = children(node);
    ast::Source out;
    out.span = span(node);
    out.kind = from_word<SourceKind>(text(parts.take(NodeKind::word)), kinds);
    if (!parts.done()) out.name = string(parts.take(NodeKind::string));
    return out;
}

ast::SettingValue PartBuilder::value(const SyntaxNode& node) {
    Children parts = children(node);
    if (node.kind == NodeKind::outcome) return outcome(node);
    if (node.kind == NodeKind::file_value) {
        ast::FileValue out;
        out.span = span(node);
        out.credential = parts.take(NodeKind::word).kind != NodeKind::none;
        out.path = string(parts.take(NodeKind::string));
        if (!parts.done()) out.of = type(parts.take(NodeKind::type), false);
        return out;
    }
    if (node.kind == NodeKind::backend_call) {
        const ast::Name backend = name(parts.take(NodeKind::name));
        return ast::BackendCall{backend, string(parts.take(NodeKind::string)), span(node)};
    }
    return expr(node);
}

ast::Setting PartBuilder::setting(const SyntaxNode& node) {
    Children parts = children(node);
    const ast::Name key = name(parts.take(NodeKind::name));
    return {key, value(parts.take()), span(node)};
}

std::vector<ast::Setting> PartBuilder::settings(Children& from) {
    std::vector<ast::Setting> out;
    while (from.peek() == NodeKind::setting) out.push_back(setting(from.take()));
    return out;
}

}  // namespace wayleave::dsl
