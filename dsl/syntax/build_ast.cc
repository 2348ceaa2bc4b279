#include "dsl/syntax/build_ast.h"

#include <array>

#include "dsl/syntax/build_parts.h"

namespace wayleave::dsl {
namespace {

Action action_of(std::string_view word) {
    for (const Action action : {Action::subscribe, Action::publish, Action::presence, Action::history,
                                Action::disconnect, Action::message}) {
        if (to_string(action) == word) return action;
    }
    return Action::connect;
}

Meter meter_of(std::string_view word) {
    for (const Meter meter : {Meter::connections, Meter::subscriptions, Meter::messages, Meter::bytes}) {
        if (to_string(meter) == word) return meter;
    }
    return Meter::connects;
}

// One function for each statement of the grammar, in its order.
class AstBuilder : PartBuilder {
  public:
    using PartBuilder::children;
    using PartBuilder::PartBuilder;

    ast::Item item(const SyntaxNode& node);

  private:
    ast::Tail tail(Children& from);
    ast::Rule rule(const SyntaxNode& node);
    ast::Limit limit(const SyntaxNode& node);
    ast::Ban ban(const SyntaxNode& node);
    ast::Let let(const SyntaxNode& node);
    ast::Use use(const SyntaxNode& node);
    ast::Join join(const SyntaxNode& node);
    ast::Stream stream(const SyntaxNode& node);
    ast::Proxy proxy(const SyntaxNode& node);
    ast::Alias alias(const SyntaxNode& node);
    ast::Notify notify(const SyntaxNode& node);
    ast::Input input(const SyntaxNode& node);
    ast::Errors errors(const SyntaxNode& node);
    ast::Field field(const SyntaxNode& node);
    ast::Stamp stamp(const SyntaxNode& node);
    ast::PublishTo publish(const SyntaxNode& node);
    ast::SubscribeTo subscribe(const SyntaxNode& node);
    ast::Forward forward(const SyntaxNode& node);
    ast::Reply reply(const SyntaxNode& node);
    ast::Message message(const SyntaxNode& node);
    ast::MessageMember message_member(const SyntaxNode& node);
    ast::Member member(const SyntaxNode& node);
    std::vector<ast::Member> members(Children& from);
    ast::Claim claim(const SyntaxNode& node);
    ast::Token token(const SyntaxNode& node);
    ast::As as(const SyntaxNode& node);
    std::vector<ast::TestMember> object(const SyntaxNode& node);
    ast::Answers answers(const SyntaxNode& node);
    ast::Expect expect(const SyntaxNode& node);
    ast::Test test(const SyntaxNode& node);
    void test_item(ast::Test& test, const SyntaxNode& node);
    void set_at(ast::Test& test, ast::Text at);

    template <class Block>
    Block with_urls(const SyntaxNode& node);
    template <class Block>
    Block with_settings(const SyntaxNode& node);
    std::optional<ast::Text> text_in(Children& from, NodeKind wrapper);
};

// The string inside a `because`, `as` or `at`, if that is next.
std::optional<ast::Text> AstBuilder::text_in(Children& from, NodeKind wrapper) {
    const SyntaxNode& node = from.take(wrapper);
    if (node.kind == NodeKind::none) return std::nullopt;
    return string(children(node).take(NodeKind::string));
}

// --- rules ---

ast::Tail AstBuilder::tail(Children& from) {
    ast::Tail out;
    Children on = children(from.take(NodeKind::on));
    out.on = channels(on);
    if (from.peek() == NodeKind::with) out.with = name(children(from.take()).take(NodeKind::name));
    if (from.peek() == NodeKind::by) {
        const SyntaxNode& node = from.take();
        Children parts = children(node);
        const ast::Name backend = name(parts.take(NodeKind::name));
        out.by = ast::By{backend, string(parts.take(NodeKind::string)), span(node)};
    }
    out.condition = condition(from);
    if (from.peek() == NodeKind::then) out.then = outcome(children(from.take()).take(NodeKind::outcome));
    out.because = text_in(from, NodeKind::because);
    return out;
}

ast::Rule AstBuilder::rule(const SyntaxNode& node) {
    Children parts = children(node);
    ast::Rule out;
    out.span = span(node);
    out.allow = text(parts.take(NodeKind::word)) == "allow";
    while (parts.peek() == NodeKind::word) {
        const SyntaxNode& word = parts.take();
        out.actions.push_back({action_of(text(word)), span(word)});
    }
    out.tail = tail(parts);
    return out;
}

ast::Limit AstBuilder::limit(const SyntaxNode& node) {
    Children parts = children(node);
    ast::Limit out;
    out.span = span(node);
    const SyntaxNode& meter = parts.take(NodeKind::word);
    out.meter = meter_of(text(meter));
    out.meter_span = span(meter);
    out.to = operand(parts.take());
    while (parts.peek() == NodeKind::path) out.per.push_back(path(parts.take()));
    if (parts.peek() == NodeKind::burst) out.burst = literal(children(parts.take()).take());
    if (parts.peek() == NodeKind::on_excess)
        out.on_excess = name(children(parts.take()).take(NodeKind::name));
    out.tail = tail(parts);
    return out;
}

ast::Ban AstBuilder::ban(const SyntaxNode& node) {
    Children parts = children(node);
    ast::Ban out;
    out.span = span(node);
    while (parts.peek() == NodeKind::path) out.keys.push_back(path(parts.take()));
    out.duration = literal(parts.take(NodeKind::time));
    if (parts.peek() == NodeKind::up_to) out.up_to = literal(children(parts.take()).take(NodeKind::time));
    out.after = literal(parts.take(NodeKind::integer));
    out.counted = name(parts.take(NodeKind::word));
    out.per = literal(parts.take(NodeKind::time));
    out.because = text_in(parts, NodeKind::because);
    return out;
}

// --- other members ---

ast::Let AstBuilder::let(const SyntaxNode& node) {
    const ast::Setting same = setting(node);
    return {same.name, same.value, same.span};
}

ast::Use AstBuilder::use(const SyntaxNode& node) {
    ast::Use out{{}, span(node)};
    for (Children parts = children(node); !parts.done();) out.names.push_back(name(parts.take()));
    return out;
}

ast::Join AstBuilder::join(const SyntaxNode& node) {
    Children parts = children(node);
    ast::Join out;
    out.span = span(node);
    out.channels = channels(parts);
    out.condition = condition(parts);
    return out;
}

ast::Stream AstBuilder::stream(const SyntaxNode& node) {
    Children parts = children(node);
    ast::Stream out;
    out.span = span(node);
    out.name = name(parts.take(NodeKind::name));
    out.backend = name(parts.take(NodeKind::name));
    out.path = string(parts.take(NodeKind::string));
    out.on_first_use = parts.take(NodeKind::first_use).kind == NodeKind::first_use;
    out.condition = condition(parts);
    out.members.reserve(parts.count());
    while (!parts.done()) out.members.push_back(message_member(parts.take()));
    return out;
}

ast::Alias AstBuilder::alias(const SyntaxNode& node) {
    Children parts = children(node);
    ast::Alias out;
    out.span = span(node);
    out.url = url(parts.take(NodeKind::url));
    if (parts.peek() == NodeKind::stream_name) out.stream = name(children(parts.take()).take(NodeKind::name));
    while (parts.peek() == NodeKind::binding) {
        Children pair = children(parts.take());
        ast::Binding binding{name(pair.take(NodeKind::name)), ast::Literal{}};
        if (pair.peek() == NodeKind::source) {
            binding.value = source(pair.take());
        } else {
            binding.value = literal(pair.take());
        }
        out.where.push_back(std::move(binding));
    }
    if (!parts.done()) out.until = literal(parts.take(NodeKind::date));
    return out;
}

ast::Notify AstBuilder::notify(const SyntaxNode& node) {
    Children parts = children(node);
    ast::Notify out;
    out.span = span(node);
    out.backend = name(parts.take(NodeKind::name));
    out.path = string(parts.take(NodeKind::string));
    while (parts.peek() == NodeKind::word) out.events.push_back(name(parts.take()));
    if (parts.peek() == NodeKind::after) out.after = literal(children(parts.take()).take(NodeKind::time));
    return out;
}

ast::Input AstBuilder::input(const SyntaxNode& node) {
    Children parts = children(node);
    ast::Input out;
    out.span = span(node);
    out.name = name(parts.take(NodeKind::name));
    out.type = type(parts.take(NodeKind::type), false);
    out.from = source(parts.take(NodeKind::source));
    out.absent = absent(parts.take(NodeKind::absent));
    return out;
}

ast::Errors AstBuilder::errors(const SyntaxNode& node) {
    Children parts = children(node);
    return {settings(parts), span(node)};
}

// --- messages ---

ast::Field AstBuilder::field(const SyntaxNode& node) {
    Children parts = children(node);
    ast::Field out;
    out.span = span(node);
    out.name = name(parts.take(NodeKind::name));
    out.type = type(parts.take(NodeKind::type), true);
    out.as = text_in(parts, NodeKind::as_name);
    if (parts.peek() == NodeKind::in_set) out.in = operand(children(parts.take()).take());
    out.absent = absent(parts.take(NodeKind::absent));
    return out;
}

ast::Stamp AstBuilder::stamp(const SyntaxNode& node) {
    Children parts = children(node);
    ast::Stamp out;
    out.span = span(node);
    const SyntaxNode& key = parts.take();
    out.name = key.kind == NodeKind::string ? string(key) : ast::Text{std::string(text(key)), span(key)};
    out.value = expr(parts.take(NodeKind::expr));
    return out;
}

ast::PublishTo AstBuilder::publish(const SyntaxNode& node) {
    Children parts = children(node);
    ast::PublishTo out;
    out.span = span(node);
    out.channels = channels(parts);
    out.except_self = parts.take(NodeKind::word).kind == NodeKind::word;
    while (parts.peek() == NodeKind::as_type || parts.peek() == NodeKind::priority) {
        Children word = children(parts.take());
        if (word.peek() == NodeKind::message_type) {
            out.as = message_type(word.take());
        } else {
            out.priority = name(word.take(NodeKind::name));
        }
    }
    out.condition = condition(parts);
    return out;
}

// Also an `unsubscribe`.
ast::SubscribeTo AstBuilder::subscribe(const SyntaxNode& node) {
    Children parts = children(node);
    ast::SubscribeTo out;
    out.span = span(node);
    out.leave = node.kind == NodeKind::unsubscribe;
    out.channels = channels(parts);
    out.condition = condition(parts);
    return out;
}

ast::Proxy AstBuilder::proxy(const SyntaxNode& node) {
    Children parts = children(node);
    ast::Proxy out;
    out.span = span(node);
    out.backend = name(parts.take(NodeKind::name));
    if (parts.peek() == NodeKind::string) out.path = string(parts.take());
    out.http = parts.take(NodeKind::plain_http).kind == NodeKind::plain_http;
    out.condition = condition(parts);
    return out;
}

ast::Forward AstBuilder::forward(const SyntaxNode& node) {
    Children parts = children(node);
    ast::Forward out;
    out.span = span(node);
    out.backend = name(parts.take(NodeKind::name));
    out.path = string(parts.take(NodeKind::string));
    out.condition = condition(parts);
    return out;
}

ast::Reply AstBuilder::reply(const SyntaxNode& node) {
    Children parts = children(node);
    ast::Reply out;
    out.span = span(node);
    if (parts.peek() == NodeKind::message_type) out.type = message_type(parts.take());
    out.condition = condition(parts);
    return out;
}

ast::MessageMember AstBuilder::message_member(const SyntaxNode& node) {
    switch (node.kind) {
        case NodeKind::field: return field(node);
        case NodeKind::stamp: return stamp(node);
        case NodeKind::rule: return rule(node);
        case NodeKind::limit: return limit(node);
        case NodeKind::publish: return publish(node);
        case NodeKind::subscribe:
        case NodeKind::unsubscribe: return subscribe(node);
        case NodeKind::forward: return forward(node);
        case NodeKind::reply: return reply(node);
        case NodeKind::let: return let(node);
        default: return setting(node);
    }
}

ast::Message AstBuilder::message(const SyntaxNode& node) {
    Children parts = children(node);
    ast::Message out;
    out.span = span(node);
    while (parts.peek() == NodeKind::message_type) out.types.push_back(message_type(parts.take()));
    out.members.reserve(parts.count());
    while (!parts.done()) out.members.push_back(message_member(parts.take()));
    return out;
}

// --- bodies ---

ast::Member AstBuilder::member(const SyntaxNode& node) {
    switch (node.kind) {
        case NodeKind::rule: return rule(node);
        case NodeKind::limit: return limit(node);
        case NodeKind::ban: return ban(node);
        case NodeKind::let: return let(node);
        case NodeKind::use: return use(node);
        case NodeKind::join: return join(node);
        case NodeKind::message: return message(node);
        case NodeKind::stream: return stream(node);
        case NodeKind::alias: return alias(node);
        case NodeKind::notify: return notify(node);
        case NodeKind::input: return input(node);
        case NodeKind::errors: return errors(node);
        case NodeKind::proxy: return proxy(node);
        default: return setting(node);
    }
}

std::vector<ast::Member> AstBuilder::members(Children& from) {
    std::vector<ast::Member> out;
    out.reserve(from.count());  // members are large: no room for more than there are
    while (!from.done()) out.push_back(member(from.take()));
    return out;
}

template <class Block>
Block AstBuilder::with_urls(const SyntaxNode& node) {
    Children parts = children(node);
    Block out;
    out.span = span(node);
    out.name = name(parts.take(NodeKind::name));
    while (parts.peek() == NodeKind::url) out.urls.push_back(url(parts.take()));
    out.members = members(parts);
    return out;
}

template <class Block>
Block AstBuilder::with_settings(const SyntaxNode& node) {
    Children parts = children(node);
    Block out;
    out.span = span(node);
    if constexpr (requires { out.pattern; }) {
        out.pattern = channel(parts.take(NodeKind::channel_pattern));
    } else {
        out.name = name(parts.take(NodeKind::name));
    }
    if constexpr (requires { out.rules; }) {
        while (!parts.done()) {
            const SyntaxNode& member = parts.take();
            if (member.kind == NodeKind::rule) {
                out.rules.push_back(rule(member));
            } else {
                out.settings.push_back(setting(member));
            }
        }
    } else {
        out.settings = settings(parts);
    }
    return out;
}

// --- tokens ---

ast::Claim AstBuilder::claim(const SyntaxNode& node) {
    Children parts = children(node);
    ast::Claim out;
    out.span = span(node);
    out.name = name(parts.take(NodeKind::name));
    out.type = type(parts.take(NodeKind::type), false);
    out.as = text_in(parts, NodeKind::as_name);
    out.split = text_in(parts, NodeKind::split_at);
    out.absent = absent(parts.take(NodeKind::absent));
    out.secret = !parts.done();
    return out;
}

ast::Token AstBuilder::token(const SyntaxNode& node) {
    Children parts = children(node);
    ast::Token out;
    out.span = span(node);
    out.name = name(parts.take(NodeKind::name));
    while (!parts.done()) {
        const SyntaxNode& part = parts.take();
        if (part.kind == NodeKind::claim) {
            out.claims.push_back(claim(part));
        } else if (part.kind == NodeKind::carried) {
            out.from.push_back(source(children(part).take(NodeKind::source)));
        } else {
            out.settings.push_back(setting(part));
        }
    }
    return out;
}

// --- tests ---

ast::As AstBuilder::as(const SyntaxNode& node) {
    Children parts = children(node);
    ast::As out;
    out.span = span(node);
    out.token = name(parts.take(NodeKind::name));
    out.claims = settings(parts);
    return out;
}

std::vector<ast::TestMember> AstBuilder::object(const SyntaxNode& node) {
    std::vector<ast::TestMember> out;
    for (Children entries = children(node); !entries.done();) {
        Children parts = children(entries.take());
        ast::TestMember entry{{}, ast::Expr{}};
        const SyntaxNode& key = parts.take();
        entry.name =
            key.kind == NodeKind::string ? string(key) : ast::Text{std::string(text(key)), span(key)};
        if (parts.peek() == NodeKind::object) {
            entry.value = object(parts.take());
        } else {
            entry.value = expr(parts.take(NodeKind::expr));
        }
        out.push_back(std::move(entry));
    }
    return out;
}

ast::Answers AstBuilder::answers(const SyntaxNode& node) {
    Children parts = children(node);
    ast::Answers out;
    out.span = span(node);
    out.backend = name(parts.take(NodeKind::name));
    out.status = literal(parts.take(NodeKind::integer));
    out.members = object(parts.take(NodeKind::object));
    return out;
}

ast::Expect AstBuilder::expect(const SyntaxNode& node) {
    Children parts = children(node);
    ast::Expect out;
    out.span = span(node);
    out.verdict = name(parts.take(NodeKind::word));
    out.action = name(parts.take(NodeKind::word));
    out.target = string(parts.take(NodeKind::string));
    out.members = object(parts.take(NodeKind::object));
    if (parts.peek() == NodeKind::with) {
        Children brought = children(parts.take());
        const ast::Name token = name(brought.take(NodeKind::name));
        out.with = ast::Brought{token, object(brought.take(NodeKind::object))};
    }
    out.at = text_in(parts, NodeKind::at);
    if (parts.peek() == NodeKind::times) out.times = literal(children(parts.take()).take(NodeKind::integer));
    out.because = text_in(parts, NodeKind::because);
    return out;
}

void AstBuilder::set_at(ast::Test& test, ast::Text at) {
    if (test.at) error("E001", at.span, "this test already has an address", "a test is about one connection");
    test.at = std::move(at);
}

void AstBuilder::test_item(ast::Test& out, const SyntaxNode& node) {
    if (node.kind == NodeKind::as) return void(out.items.emplace_back(as(node)));
    if (node.kind == NodeKind::let) return void(out.items.emplace_back(let(node)));
    if (node.kind == NodeKind::expect) return void(out.items.emplace_back(expect(node)));
    if (node.kind == NodeKind::answers) return void(out.items.emplace_back(answers(node)));
    if (node.kind == NodeKind::at) return set_at(out, string(children(node).take(NodeKind::string)));
    ast::Setting pair = setting(node);
    const auto* value = std::get_if<ast::Expr>(&pair.value);
    const auto* address = value != nullptr ? std::get_if<std::string>(&value->literal.value.held) : nullptr;
    // `at = "…"` is what one writes beside `origin = "…"`.
    if (pair.name.text == "at" && address != nullptr) return set_at(out, {*address, value->span});
    out.items.emplace_back(std::move(pair));
}

ast::Test AstBuilder::test(const SyntaxNode& node) {
    Children parts = children(node);
    ast::Test out;
    out.span = span(node);
    out.title = string(parts.take(NodeKind::string));
    while (!parts.done()) test_item(out, parts.take());
    return out;
}

ast::Item AstBuilder::item(const SyntaxNode& node) {
    switch (node.kind) {
        case NodeKind::let: return let(node);
        case NodeKind::token: return token(node);
        case NodeKind::backend: return with_settings<ast::Backend>(node);
        case NodeKind::channel: return with_settings<ast::Channel>(node);
        case NodeKind::route: return with_urls<ast::Route>(node);
        case NodeKind::api: return with_urls<ast::Api>(node);
        case NodeKind::test: return test(node);
        case NodeKind::policy: {
            Children parts = children(node);
            const ast::Name title = name(parts.take(NodeKind::name));
            return ast::Policy{title, members(parts), span(node)};
        }
        default: {
            Children parts = children(node);
            return ast::Defaults{members(parts), span(node)};
        }
    }
}

}  // namespace

void build_ast(const SyntaxTree& tree, const SourceFile& source, uint32_t file, Diagnostics& diagnostics,
               ast::File& out) {
    AstBuilder builder(tree, source, file, diagnostics);
    Children items(tree);
    if (out.items.empty()) out.items.reserve(items.count());
    while (!items.done()) out.items.push_back(builder.item(items.take()));
}

}  // namespace wayleave::dsl
