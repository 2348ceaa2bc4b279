#include <algorithm>

#include "dsl/lint/parts.h"

namespace wayleave::dsl {

void Walker::walk(const ast::File& file) {
    Scope top;
    for (const ast::Item& item : file.items) {
        if (const auto* let = std::get_if<ast::Let>(&item)) top.emplace(let->name.text, let);
    }
    scopes_.push_back(std::move(top));
    for (const ast::Item& one : file.items) item(one);
    scopes_.pop_back();
}

const ast::Let* Walker::find_let(std::string_view name) const {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
        if (const auto it = scope->find(name); it != scope->end()) return it->second;
    }
    return nullptr;
}

const ast::Expr* Walker::resolved(const ast::Expr& expr) const {
    const ast::Expr* at = &expr;
    for (size_t depth = 0; depth < 32; ++depth) {
        if (at->kind != ast::Expr::Kind::path || at->path.parts.size() != 1) return at;
        const ast::Let* let = find_let(at->path.parts.front().text);
        const auto* value = let ? std::get_if<ast::Expr>(&let->value) : nullptr;
        if (!value) return at;
        at = value;
    }
    return at;
}

void Walker::item(const ast::Item& item) {
    if (const auto* one = std::get_if<ast::Let>(&item)) let(*one);
    if (const auto* token = std::get_if<ast::Token>(&item)) {
        settings(token->settings);
        for (const ast::Claim& claim : token->claims) absent(claim.absent);
    }
    if (const auto* backend = std::get_if<ast::Backend>(&item)) {
        settings(backend->settings);
        for (const ast::Rule& rule : backend->rules) tail(rule.tail);
    }
    if (const auto* channel = std::get_if<ast::Channel>(&item)) settings(channel->settings);
    if (const auto* policy = std::get_if<ast::Policy>(&item)) members(policy->members);
    if (const auto* defaults = std::get_if<ast::Defaults>(&item)) members(defaults->members);
    if (const auto* route = std::get_if<ast::Route>(&item)) members(route->members);
    if (const auto* api = std::get_if<ast::Api>(&item)) members(api->members);
    if (const auto* one = std::get_if<ast::Test>(&item)) test(*one);
}

void Walker::members(const std::vector<ast::Member>& members) {
    Scope scope;
    for (const ast::Member& one : members) {
        if (const auto* found = std::get_if<ast::Let>(&one)) scope.emplace(found->name.text, found);
    }
    scopes_.push_back(std::move(scope));
    on_part(&members);
    for (const ast::Member& one : members) member(one);
    on_part(nullptr);
    scopes_.pop_back();
}

void Walker::member(const ast::Member& member) {
    if (const auto* setting = std::get_if<ast::Setting>(&member)) value(setting->value);
    if (const auto* rule = std::get_if<ast::Rule>(&member)) tail(rule->tail);
    if (const auto* one = std::get_if<ast::Limit>(&member)) limit(*one);
    if (const auto* one = std::get_if<ast::Let>(&member)) let(*one);
    if (const auto* one = std::get_if<ast::Message>(&member)) message(*one);
    if (const auto* errors = std::get_if<ast::Errors>(&member)) settings(errors->reasons);
    if (const auto* input = std::get_if<ast::Input>(&member)) absent(input->absent);
    if (const auto* notify = std::get_if<ast::Notify>(&member)) text(notify->path);
    if (const auto* ban = std::get_if<ast::Ban>(&member)) {
        paths(ban->keys);
        if (ban->because) text(*ban->because);
    }
    if (const auto* join = std::get_if<ast::Join>(&member)) {
        channels(join->channels);
        maybe(join->condition);
    }
    if (const auto* stream = std::get_if<ast::Stream>(&member)) {
        text(stream->path);
        maybe(stream->condition);
        Scope scope;
        each_in<ast::Let>(stream->members, [&](const ast::Let& one) { scope.emplace(one.name.text, &one); });
        scopes_.push_back(std::move(scope));
        each_in<ast::Let>(stream->members, [&](const ast::Let& one) { let(one); });
        each_in<ast::Rule>(stream->members, [&](const ast::Rule& rule) { tail(rule.tail); });
        each_in<ast::Limit>(stream->members, [&](const ast::Limit& one) { limit(one); });
        each_in<ast::Setting>(stream->members, [&](const ast::Setting& setting) { value(setting.value); });
        scopes_.pop_back();
    }
    if (const auto* proxy = std::get_if<ast::Proxy>(&member)) {
        if (proxy->path) text(*proxy->path);
        maybe(proxy->condition);
    }
}

void Walker::message(const ast::Message& message) {
    Scope scope;
    each_in<ast::Let>(message.members, [&](const ast::Let& one) { scope.emplace(one.name.text, &one); });
    scopes_.push_back(std::move(scope));
    for (const ast::MessageType& type : message.types) on_text(type.text, type.span);
    each_in<ast::Let>(message.members, [&](const ast::Let& one) { let(one); });
    each_in<ast::Rule>(message.members, [&](const ast::Rule& rule) { tail(rule.tail); });
    each_in<ast::Limit>(message.members, [&](const ast::Limit& one) { limit(one); });
    each_in<ast::Setting>(message.members, [&](const ast::Setting& setting) { value(setting.value); });
    each_in<ast::Reply>(message.members, [&](const ast::Reply& reply) {
        if (reply.type) on_text(reply.type->text, reply.type->span);
        maybe(reply.condition);
    });
    each_in<ast::Field>(message.members, [&](const ast::Field& field) {
        maybe(field.in);
        absent(field.absent);
    });
    each_in<ast::Stamp>(message.members, [&](const ast::Stamp& stamp) { expr(stamp.value); });
    each_in<ast::PublishTo>(message.members, [&](const ast::PublishTo& publish) {
        if (publish.as) on_text(publish.as->text, publish.as->span);
        channels(publish.channels);
        maybe(publish.condition);
    });
    each_in<ast::SubscribeTo>(message.members, [&](const ast::SubscribeTo& one) {
        channels(one.channels);
        maybe(one.condition);
    });
    each_in<ast::Forward>(message.members, [&](const ast::Forward& forward) {
        text(forward.path);
        maybe(forward.condition);
    });
    scopes_.pop_back();
}

void Walker::settings(const std::vector<ast::Setting>& settings) {
    for (const ast::Setting& setting : settings) value(setting.value);
}

void Walker::value(const ast::SettingValue& value) {
    if (const auto* one = std::get_if<ast::Expr>(&value)) expr(*one);
    if (const auto* file = std::get_if<ast::FileValue>(&value)) text(file->path);
    if (const auto* call = std::get_if<ast::BackendCall>(&value)) text(call->path);
    if (const auto* outcome = std::get_if<ast::Outcome>(&value)) text(outcome->name);
}

void Walker::expr(const ast::Expr& expr) {
    on_expr(expr);
    if (expr.kind == ast::Expr::Kind::path || expr.kind == ast::Expr::Kind::lookup) path(expr.path);
    if (const std::string* literal = string_of(expr)) on_text(*literal, expr.span);
    for (const ast::Expr& key : expr.keys) this->expr(key);
    for (const ast::Expr& arg : expr.args) this->expr(arg);
}

void Walker::maybe(const std::optional<ast::Expr>& expr) {
    if (expr) this->expr(*expr);
}

void Walker::path(const ast::Path& path) {
    if (!path.parts.empty()) on_name(path.parts.front().text, path.span);
}

void Walker::paths(const std::vector<ast::Path>& paths) {
    for (const ast::Path& one : paths) path(one);
}

void Walker::tail(const ast::Tail& tail) {
    channels(tail.on);
    if (tail.by) text(tail.by->path);
    maybe(tail.condition);
    if (tail.because) text(*tail.because);
    if (tail.then) text(tail.then->name);
}

void Walker::channels(const std::vector<ast::ChannelPattern>& channels) {
    for (const ast::ChannelPattern& channel : channels) {
        for (const ast::Segment& segment : channel.segments) {
            if (segment.kind == ast::Segment::Kind::insert) path(segment.insert);
        }
    }
}

void Walker::limit(const ast::Limit& limit) {
    expr(limit.to);
    paths(limit.per);
    tail(limit.tail);
}

void Walker::let(const ast::Let& let) {
    on_let(let);
    value(let.value);
}

void Walker::test(const ast::Test& test) {
    for (const ast::TestItem& item : test.items) {
        if (const auto* as = std::get_if<ast::As>(&item)) settings(as->claims);
        if (const auto* setting = std::get_if<ast::Setting>(&item)) value(setting->value);
        if (const auto* one = std::get_if<ast::Let>(&item)) value(one->value);
        if (const auto* expect = std::get_if<ast::Expect>(&item)) {
            test_members(expect->members);
            if (expect->with) test_members(expect->with->claims);
        }
        if (const auto* said = std::get_if<ast::Answers>(&item)) test_members(said->members);
    }
}

void Walker::test_members(const std::vector<ast::TestMember>& members) {
    for (const ast::TestMember& one : members) {
        if (const auto* value = std::get_if<ast::Expr>(&one.value)) {
            expr(*value);
        } else {
            test_members(std::get<1>(one.value));
        }
    }
}

}  // namespace wayleave::dsl
