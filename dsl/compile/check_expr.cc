#include "dsl/compile/check_expr.h"

#include <algorithm>

#include "dsl/policy/evaluate.h"
#include "dsl/policy/policy.h"
#include "dsl/text/near_name.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

using ast::CompareOp;
using ast::Expr;

constexpr size_t deepest_let = 32;

std::string_view symbol(CompareOp op) {
    switch (op) {
        case CompareOp::eq: return "==";
        case CompareOp::ne: return "!=";
        case CompareOp::lt: return "<";
        case CompareOp::le: return "<=";
        case CompareOp::gt: return ">";
        case CompareOp::ge: return ">=";
        case CompareOp::in: return "in";
        case CompareOp::like: return "like";
        case CompareOp::overlaps: return "overlaps";
    }
    return "";
}

bool is_condition(const Expr& expr) {
    return expr.kind == Expr::Kind::negation || expr.kind == Expr::Kind::all_of ||
           expr.kind == Expr::Kind::any_of || expr.kind == Expr::Kind::comparison;
}

bool ordered(Kind kind) {
    return kind == Kind::integer || kind == Kind::floating || kind == Kind::size || kind == Kind::time ||
           kind == Kind::date;
}

bool is_set(Type type) {
    return type.shape == Shape::set || type.shape == Shape::list;
}

Condition broken() {
    return Condition::constant(false);
}

Scalar to_scalar(const Value& value) {
    return std::visit(
        [](const auto& held) -> Scalar {
            if constexpr (std::is_same_v<std::decay_t<decltype(held)>, std::vector<Scalar>>) {
                return false;
            } else {
                return held;
            }
        },
        value.held);
}

Net as_net(const Scalar& scalar) {
    if (const auto* net = std::get_if<Net>(&scalar)) return *net;
    return {std::get<Address>(scalar), 128};
}

// Sorted, without those that lie in another.
std::vector<Scalar> merged(const std::vector<Scalar>& scalars) {
    std::vector<Net> nets;
    for (const Scalar& scalar : scalars) nets.push_back(as_net(scalar));
    std::sort(nets.begin(), nets.end());
    std::vector<Scalar> out;
    for (const Net& net : nets) {
        if (out.empty() || !std::get<Net>(out.back()).contains(net.address)) out.emplace_back(net);
    }
    return out;
}

std::vector<std::string_view> lines_of(std::string_view text) {
    std::vector<std::string_view> out;
    while (!text.empty()) {
        const size_t end = text.find('\n');
        std::string_view line = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        const size_t comment = line.starts_with('#') ? 0 : line.find(" #");  // `c#` is a value
        line = line.substr(0, comment);
        while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t'))
            line.remove_suffix(1);
        while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
        out.push_back(line);
    }
    return out;
}

std::optional<Scalar> read_scalar(Kind kind, std::string_view text) {
    if (kind == Kind::string) return Scalar(std::string(text));
    if (kind == Kind::integer) {
        if (const auto number = parse_integer(text)) return Scalar(*number);
    } else if (kind == Kind::ip) {
        if (const auto ip = parse_address(text)) return Scalar(*ip);
    } else if (kind == Kind::net) {
        if (const auto net = parse_net(text); net && canonical(*net) == *net) return Scalar(*net);
        if (const auto ip = parse_address(text)) return Scalar(Net{*ip, 128});
    } else if (kind == Kind::date) {
        if (const auto date = parse_date(text)) return Scalar(*date);
    }
    return std::nullopt;
}

// What a line of a list is not, as a literal would be told of it, and what helps.
std::pair<std::string, std::string> why_no_scalar(Kind kind, std::string_view line) {
    const auto net = kind == Kind::net ? parse_net(line) : std::nullopt;
    if (!net)
        return {quoted(line.substr(0, 64)) + " is no " + to_string(Type{kind}),
                "one value a line; `#` begins a comment"};
    return {quoted(line) + " has bits set behind its length", "write " + quoted(canonical(*net).text()) +
                                                                  ", or " + quoted(net->address.text()) +
                                                                  " for the one address"};
}

constexpr size_t told_of_list = 5;  // lines of one file

}  // namespace

std::string resolve_path(const Sources& sources, Span span, const std::string& path) {
    if (path.starts_with('/')) return path;
    const std::string& file = sources.file(span.file).path;
    const size_t slash = file.rfind('/');
    return slash == std::string::npos ? path : file.substr(0, slash + 1) + path;
}

std::string written_file(const ast::FileValue& file) {
    return (file.credential ? std::string(credential_prefix) : std::string()) + file.path.text;
}

std::string resolve_file(const Sources& sources, const ast::FileValue& file) {
    return file.credential ? written_file(file) : resolve_path(sources, file.path.span, file.path.text);
}

// --- conditions ---

Condition ExprChecker::condition(const Expr& expr, const Context& context) {
    if (!builder_.spend()) {
        diagnostics_.error("E026", expr.span, "this route's conditions are too large",
                           "more than 200,000 parts when all definitions are put in");
        return broken();
    }
    std::vector<Condition> args;
    switch (expr.kind) {
        case Expr::Kind::negation: return Condition::negation(condition(expr.args.front(), context));
        case Expr::Kind::all_of:
        case Expr::Kind::any_of:
            for (const Expr& arg : expr.args) args.push_back(condition(arg, context));
            return expr.kind == Expr::Kind::all_of ? Condition::all_of(std::move(args))
                                                   : Condition::any_of(std::move(args));
        case Expr::Kind::comparison: return compare(expr, context);
        default: return truth(expr, context);
    }
}

Condition ExprChecker::truth(const Expr& expr, const Context& context) {
    if (expr.kind == Expr::Kind::path && expr.path.parts.size() == 1 && names_.lets != nullptr &&
        names_.find(expr.path.parts.front().text) == nullptr) {
        const ast::Let* let = names_.lets->find(expr.path.parts.front().text);
        const Expr* value = let ? std::get_if<Expr>(&let->value) : nullptr;
        if (value && (is_condition(*value) || value->kind == Expr::Kind::path)) {
            if (!enter(*let, expr.span)) return broken();
            Condition inner = condition(*value, context);
            open_.pop_back();
            return inner;
        }
    }
    const auto typed = operand(expr, context);
    if (!typed) return broken();
    if (typed->type != Type{Kind::boolean, Shape::one}) {
        diagnostics_.error("E003", expr.span,
                           "a condition is needed here, but this is " + a_type(typed->type), {},
                           "compare it with something");
        return broken();
    }
    if (typed->value) return Condition::constant(std::get<bool>(typed->value->held));
    return atom(Test::is_true, *typed, {});
}

Condition ExprChecker::compare(const Expr& expr, const Context& context) {
    const auto left = operand(expr.args[0], context);
    const auto right = operand(expr.args[1], context);
    if (!left || !right) return broken();
    switch (expr.op) {
        case CompareOp::eq: return equality(expr, *left, *right);
        case CompareOp::ne: return Condition::negation(equality(expr, *left, *right));
        case CompareOp::in: return membership(expr, *left, *right, context);
        case CompareOp::like: return like(expr, *left, *right);
        case CompareOp::overlaps: return overlaps(expr, *left, *right);
        default: return order(expr, *left, *right);
    }
}

Condition ExprChecker::mismatch(const Expr& expr, const Typed& left, const Typed& right, std::string help) {
    auto& diagnostic = diagnostics_.error("E003", expr.op_span,
                                          "`" + std::string(symbol(expr.op)) + "` cannot compare these two",
                                          {}, std::move(help));
    diagnostic.secondary.push_back({left.span, "this is " + a_type(left.type)});
    diagnostic.secondary.push_back({right.span, "this is " + a_type(right.type)});
    return broken();
}

Condition ExprChecker::equality(const Expr& expr, const Typed& left, const Typed& right) {
    if (left.type != right.type || left.type.shape != Shape::one) {
        const bool in = is_set(right.type) || (left.type.kind == Kind::ip && right.type.kind == Kind::net);
        return mismatch(expr, left, right, in ? "use `in`" : "");
    }
    return atom(Test::equal, left, right);
}

Condition ExprChecker::order(const Expr& expr, const Typed& left, const Typed& right) {
    if (left.type != right.type || left.type.shape != Shape::one || !ordered(left.type.kind)) {
        return mismatch(expr, left, right,
                        "only numbers, sizes, times and dates have an order, each with its like");
    }
    switch (expr.op) {
        case CompareOp::lt: return atom(Test::less, left, right);
        case CompareOp::le: return atom(Test::less_equal, left, right);
        case CompareOp::gt: return atom(Test::less, right, left);
        default: return atom(Test::less_equal, right, left);
    }
}

Condition ExprChecker::membership(const Expr& expr, const Typed& left, const Typed& right,
                                  const Context& context) {
    const bool addresses =
        left.type == Type{Kind::ip, Shape::one} || left.type == Type{Kind::net, Shape::one};
    if (right.mixed) {  // { owner, "admin" }: each by itself
        std::vector<Condition> any;
        for (const Expr& element : right.elements) {
            const auto typed = operand(element, context);
            if (!typed) return broken();
            Typed shown = *typed;
            shown.span = element.span;
            any.push_back(addresses ? within(expr, left, shown) : equality(expr, left, shown));
        }
        return Condition::any_of(std::move(any));
    }
    const bool nets_right = right.type.kind == Kind::net || right.type.kind == Kind::ip;
    if (addresses && nets_right && (is_set(right.type) || right.type.kind == Kind::net))
        return nets(left, right);
    if (left.type.shape != Shape::one || !is_set(right.type) || left.type.kind != right.type.kind) {
        if (right.value && is_set(right.type) && std::get<std::vector<Scalar>>(right.value->held).empty())
            return broken();
        return mismatch(expr, left, right, "the right side is a set of what stands on the left");
    }
    return atom(Test::element, left, right);
}

// An address beside one element of a set: a net has what lies within it, an address is the net of itself.
Condition ExprChecker::within(const Expr& expr, const Typed& left, const Typed& element) {
    if (element.type == Type{Kind::net, Shape::one}) return nets(left, element);
    const bool alone = element.type == Type{Kind::ip, Shape::one} && left.type.kind == Kind::net;
    if (!alone || !element.value) return equality(expr, left, element);
    Typed net = element;
    net.type.kind = Kind::net;
    net.value = Value(Net{std::get<Address>(element.value->held), 128});
    net.operand = builder_.constant(*net.value);
    return nets(left, net);
}

Condition ExprChecker::nets(const Typed& left, const Typed& right) {
    if (right.type.shape == Shape::one) {
        return atom(left.type.kind == Kind::ip ? Test::in_net : Test::net_in_net, left, right);
    }
    if (!right.value) {
        return atom(Test::element, left, right);
    }
    const auto all = merged(std::get<std::vector<Scalar>>(right.value->held));
    if (left.type.kind == Kind::ip) {
        Typed intervals = right;
        intervals.value = Value(all);
        intervals.operand = builder_.constant(*intervals.value);
        return atom(Test::in_nets, left, intervals);
    }
    std::vector<Condition> any;
    for (const Scalar& net : all) {
        Typed one = right;
        one.value = to_value(net);
        one.operand = builder_.constant(*one.value);
        any.push_back(atom(Test::net_in_net, left, one));
    }
    return Condition::any_of(std::move(any));
}

Condition ExprChecker::like(const Expr& expr, const Typed& left, const Typed& right) {
    const Type text{Kind::string, Shape::one};
    if (left.type != text || right.type != text) return mismatch(expr, left, right, "`like` compares texts");
    if (right.value && std::get<std::string>(right.value->held).find('*') == std::string::npos) {
        diagnostics_.warning("W111", right.span, "a `like` without `*` is an equality", {}, "use `==`");
    }
    return atom(Test::like, left, right);
}

Condition ExprChecker::overlaps(const Expr& expr, const Typed& left, const Typed& right) {
    for (const Typed* side : {&left, &right}) {
        if (side->mixed) {
            diagnostics_.error("E003", side->span, "a set beside `overlaps` holds constants only");
            return broken();
        }
        if (side->value && is_set(side->type) && std::get<std::vector<Scalar>>(side->value->held).empty())
            return broken();
    }
    if (!is_set(left.type) || !is_set(right.type) || left.type.kind != right.type.kind) {
        return mismatch(expr, left, right, "`overlaps` compares two sets; for one element use `in`");
    }
    return atom(Test::overlaps, left, right);
}

Condition ExprChecker::atom(Test test, const Typed& left, const Typed& right) {
    Atom made{test, left.operand, right.operand, std::max(left.stage, right.stage)};
    if (made.stage == Stage::constant) return Condition::constant(holds(builder_.program(), made, {}));
    if (test == Test::equal && made.right < made.left) std::swap(made.left, made.right);
    return Condition::test(builder_.atom(made));
}

// --- operands ---

std::optional<Typed> ExprChecker::operand(const Expr& expr, const Context& context) {
    std::optional<Typed> typed;
    switch (expr.kind) {
        case Expr::Kind::literal: typed = literal(expr.literal); break;
        case Expr::Kind::path: typed = path(expr.path, context); break;
        case Expr::Kind::set: typed = set(expr, context); break;
        case Expr::Kind::map: typed = map(expr, context); break;
        case Expr::Kind::lookup: typed = lookup(expr, context); break;
        default:
            diagnostics_.error("E003", expr.span, "a value is needed here, and this is a condition", {},
                               "join conditions with `and` and `or`");
            return std::nullopt;
    }
    if (typed) typed->span = expr.span;
    return typed;
}

std::optional<Typed> ExprChecker::constant(const Expr& expr) {
    const Context nothing{false, false, false, "here"};
    auto typed = operand(expr, nothing);
    if (typed && !typed->value && typed->type.shape != Shape::map) {
        diagnostics_.error("E003", expr.span, "a constant is needed here", "this is known only later");
        return std::nullopt;
    }
    return typed;
}

std::optional<Typed> ExprChecker::literal(const ast::Literal& literal) {
    Typed typed;
    typed.operand = builder_.constant(literal.value);
    typed.type = literal.type;
    typed.value = literal.value;
    return typed;
}

std::optional<Typed> ExprChecker::path(const ast::Path& path, const Context& context) {
    const std::string name = path.text();
    if (const Symbol* symbol = names_.find(name)) {
        // connection.* is read as the connection stands at that moment: at a channel's action or at a
        // message.
        const bool either = name.starts_with("connection.");
        const bool granted = symbol->operand.from == Operand::From::attribute &&
                             symbol->operand.attribute == Attribute::grant;  // the rule says `with`
        const bool known = granted                            ? context.when != "here"
                           : either                           ? context.channel || context.message
                           : symbol->stage == Stage::channel  ? context.channel
                           : symbol->stage == Stage::message  ? context.message
                           : symbol->stage == Stage::identity ? context.identity
                                                              : context.when != "here";
        if (!known) {
            diagnostics_.error("E004", path.span, quoted(name) + " is not known " + std::string(context.when),
                               symbol->stage == Stage::channel   ? "known at subscribe and publish"
                               : symbol->stage == Stage::message ? "known when a message has arrived"
                                                                 : "known when a client connects");
            return std::nullopt;
        }
        Typed typed;
        typed.operand = symbol->operand;
        typed.type = symbol->type;
        typed.stage = symbol->stage;
        return typed;
    }
    if (path.parts.size() == 1 && names_.lets != nullptr) {
        if (const ast::Let* let = names_.lets->find(name)) return let_operand(*let, path.span, context);
    }
    return unknown(path);
}

std::optional<Typed> ExprChecker::unknown(const ast::Path& path) {
    const std::string name = path.text();
    if (names_.incomplete) return std::nullopt;
    if (names_.claims_unknown && name.starts_with("user.")) return std::nullopt;  // told at `auth`
    const bool of_token = path.parts.size() > 1 && names_.tokens &&
                          names_.tokens->contains(path.parts.front().text) && !name.starts_with("user.");
    const std::string token(path.parts.front().text);
    if (of_token && token != names_.with) {
        diagnostics_.error("E004", path.span, quoted(name) + " is not known here",
                           "known in a rule that says `with " + token + "`");
        return std::nullopt;
    }
    // What is not shown needs no help, and looking for it takes long where there are many names.
    const bool shown = diagnostics_.errors() < Diagnostics::most;
    const auto known = shown ? names_.all() : std::vector<std::string_view>();
    std::string label;
    if (const auto it = names_.reasons.find(name); it != names_.reasons.end()) {
        label = it->second;
    } else if (name.starts_with("user.")) {
        label = names_.claims_of.empty() ? "this route has no token: `auth = none`" : names_.claims_of;
    } else if (of_token) {
        label = quoted(token) + " does not declare this claim";
    }
    const bool differs = names_.reasons.contains(name);
    const std::string_view near = differs ? std::string_view() : near_name(name, known);
    diagnostics_.misspelt(differs ? "E018" : "E002", path.span,
                          differs ? quoted(name) + " is not the same in all tokens of this route"
                                  : "there is no " + quoted(name),
                          near, std::move(label));
    return std::nullopt;
}

bool ExprChecker::enter(const ast::Let& let, Span use) {
    if (std::find(open_.begin(), open_.end(), &let) != open_.end()) {
        diagnostics_.error("E010", let.name.span, quoted(let.name.text) + " is defined by itself");
        return false;
    }
    if (open_.size() == deepest_let) {
        diagnostics_.error("E010", use, "definitions lead to each other more than 32 levels deep");
        return false;
    }
    open_.push_back(&let);
    return true;
}

std::optional<Typed> ExprChecker::let_operand(const ast::Let& let, Span use, const Context& context) {
    if (const auto* file = std::get_if<ast::FileValue>(&let.value)) return file_set(*file);
    const auto* expr = std::get_if<Expr>(&let.value);
    if (!expr) {
        diagnostics_.error("E003", use, quoted(let.name.text) + " is no value");
        return std::nullopt;
    }
    if (is_condition(*expr)) {
        auto& diagnostic =
            diagnostics_.error("E003", use, quoted(let.name.text) + " is a condition, not a value");
        diagnostic.secondary.push_back({let.name.span, "defined here"});
        return std::nullopt;
    }
    if (!enter(let, use)) return std::nullopt;
    auto typed = operand(*expr, context);
    open_.pop_back();
    return typed;
}

// Each once. One that stands twice is told of, as lint does it of a literal.
std::vector<Scalar> ExprChecker::sorted_list(const ast::FileValue& file, const std::string& path,
                                             std::vector<std::pair<Scalar, size_t>> found) {
    std::sort(found.begin(), found.end());
    std::vector<Scalar> out;
    size_t doubled = 0;
    for (size_t i = 0; i < found.size(); ++i) {
        if (i == 0 || found[i].first != found[i - 1].first) {
            out.push_back(found[i].first);
        } else if (++doubled <= told_of_list) {
            diagnostics_.warning("W109", file.path.span,
                                 path + ":" + std::to_string(found[i].second) +
                                     ": this is in the list already, in line " +
                                     std::to_string(found[i - 1].second),
                                 {}, "leave it out");
        }
    }
    return out;
}

std::optional<Typed> ExprChecker::file_set(const ast::FileValue& file) {
    const std::string path = resolve_file(sources_, file);
    const auto text = files_(path);
    if (!text) {
        diagnostics_.error("E013", file.path.span, "cannot read " + path + ": " + text.error(), {},
                           "check the path and that the user of the daemon may read it");
        return std::nullopt;
    }
    const Kind kind = file.of ? file.of->type.kind : Kind::string;
    std::vector<std::pair<Scalar, size_t>> found;  // and its line
    size_t number = 0;
    size_t wrong = 0;
    for (const std::string_view line : lines_of(*text)) {
        ++number;
        if (line.empty()) continue;
        if (auto scalar = read_scalar(kind, line)) {
            found.emplace_back(std::move(*scalar), number);
            continue;
        }
        if (++wrong > told_of_list) continue;
        auto [what, help] = why_no_scalar(kind, line);
        diagnostics_.error("E013", file.path.span, path + ":" + std::to_string(number) + ": " + what, {},
                           help);
    }
    if (wrong > 0) return std::nullopt;
    if (found.empty())
        diagnostics_.warning("W109", file.path.span, path + " holds no value", "so nothing is in this set",
                             "one value a line; `#` begins a comment");
    std::vector<Scalar> elements = sorted_list(file, path, std::move(found));
    Typed typed;
    typed.type = {kind, Shape::set};
    typed.value = Value(std::move(elements));
    typed.operand = builder_.constant(*typed.value);
    return typed;
}

bool ExprChecker::add_element(std::vector<Scalar>& elements, Type& type, const Typed& element, bool first) {
    const bool addresses = (element.type.kind == Kind::ip || element.type.kind == Kind::net) &&
                           (type.kind == Kind::ip || type.kind == Kind::net);
    if (element.type.shape != Shape::one || (!first && !addresses && element.type.kind != type.kind)) {
        diagnostics_.error(
            "E003", element.span,
            first ? "a set holds single values"
                  : "this is " + a_type(element.type) + " in a set of " + to_string(Type{type.kind}));
        return false;
    }
    if (first) type = {element.type.kind, Shape::set};
    if (addresses && element.type.kind != type.kind) type.kind = Kind::net;
    elements.push_back(to_scalar(*element.value));
    return true;
}

std::optional<Typed> ExprChecker::set(const Expr& expr, const Context& context) {
    Typed typed;
    typed.type = {Kind::string, Shape::set};
    std::vector<Scalar> elements;
    bool first = true;
    for (const Expr& arg : expr.args) {
        auto element = operand(arg, context);
        if (!element) return std::nullopt;
        typed.stage = std::max(typed.stage, element->stage);
        if (!element->value) typed.mixed = true;
        if (!typed.mixed && !add_element(elements, typed.type, *element, first)) return std::nullopt;
        if (typed.mixed) typed.type.kind = element->type.kind;
        first = false;
    }
    if (typed.mixed) {
        typed.elements = expr.args;
        return typed;
    }
    if (typed.type.kind == Kind::net) {
        for (Scalar& scalar : elements) scalar = as_net(scalar);
    }
    std::sort(elements.begin(), elements.end());
    elements.erase(std::unique(elements.begin(), elements.end()), elements.end());
    typed.value = Value(std::move(elements));
    typed.operand = builder_.constant(*typed.value);
    return typed;
}

std::optional<Typed> ExprChecker::map(const Expr& expr, const Context&) {
    Typed typed;
    typed.type.shape = Shape::map;
    for (size_t i = 0; i < expr.args.size(); ++i) {
        const auto key = constant(expr.keys[i]);
        const auto value = constant(expr.args[i]);
        if (!key || !value) return std::nullopt;
        if (i > 0 && (key->type != Type{typed.type.kind, Shape::one} || value->type != typed.value_type)) {
            diagnostics_.error("E003", expr.keys[i].span, "the entries of a map are all of one type",
                               to_string(key->type) + " : " + to_string(value->type));
            return std::nullopt;
        }
        typed.type.kind = key->type.kind;
        typed.value_type = value->type;
        typed.entries.emplace_back(to_scalar(*key->value), *value->value);
    }
    std::stable_sort(typed.entries.begin(), typed.entries.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (size_t i = 1; i < typed.entries.size(); ++i) {
        if (typed.entries[i].first != typed.entries[i - 1].first) continue;
        diagnostics_.error("E005", expr.span,
                           "the key " + print(to_value(typed.entries[i].first)) + " stands twice");
        return std::nullopt;
    }
    return typed;
}

std::optional<Typed> ExprChecker::lookup(const Expr& expr, const Context& context) {
    const ast::Let* let = names_.lets ? names_.lets->find(expr.path.text()) : nullptr;
    if (!let) return unknown(expr.path);
    const auto table = let_operand(*let, expr.path.span, context);
    if (!table) return std::nullopt;
    if (table->type.shape != Shape::map) {
        auto& diagnostic = diagnostics_.error("E003", expr.path.span, quoted(let->name.text) + " is no map");
        diagnostic.secondary.push_back({let->name.span, "this is " + a_type(table->type)});
        return std::nullopt;
    }
    const auto key = operand(expr.args.front(), context);
    if (!key) return std::nullopt;
    if (!table->entries.empty() && key->type != Type{table->type.kind, Shape::one}) {
        diagnostics_.error("E003", expr.args.front().span,
                           "the keys of " + quoted(let->name.text) + " are of type " +
                               to_string(Type{table->type.kind}) + ", this is " + a_type(key->type));
        return std::nullopt;
    }
    if (!table->entries.empty() && expr.literal.type != table->value_type) {
        diagnostics_.error("E003", expr.literal.span,
                           "the values of " + quoted(let->name.text) + " are of type " +
                               to_string(table->value_type) + ", this is " + a_type(expr.literal.type));
        return std::nullopt;
    }
    Typed typed;
    typed.type = expr.literal.type;
    typed.stage = key->stage;
    typed.operand = builder_.lookup({key->operand, table->entries, expr.literal.value});
    return typed;
}

}  // namespace wayleave::dsl
