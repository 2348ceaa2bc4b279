#include "dsl/syntax/statements.h"

#include <algorithm>
#include <tuple>

namespace wayleave::dsl {
namespace {

class Collector {
  public:
    explicit Collector(std::vector<Statement>& out) : out_(out) {}

    void operator()(const ast::Let& let) { add(let.span, let.name.text, false); }
    void operator()(const ast::Token& token) {
        add(token.span, token.name.text, true);
        each(token.claims);
        each(token.settings);
        for (const ast::Source& source : token.from) add(source.span, owner_, false);
    }
    void operator()(const ast::Backend& backend) {
        add(backend.span, backend.name.text, true);
        each(backend.settings);
    }
    void operator()(const ast::Channel& channel) {
        add(channel.span, {}, true);
        each(channel.settings);
    }
    void operator()(const ast::Policy& policy) { body(policy.span, policy.name.text, policy.members); }
    void operator()(const ast::Defaults& defaults) { body(defaults.span, {}, defaults.members); }
    void operator()(const ast::Route& route) { body(route.span, route.name.text, route.members); }
    void operator()(const ast::Api& api) { body(api.span, api.name.text, api.members); }
    void operator()(const ast::Test& test) {
        add(test.span, "test", true);  // its title is no view into the sources
        for (const ast::TestItem& item : test.items) {
            std::visit([&](const auto& one) { add(one.span, owner_, false); }, item);
        }
    }

  private:
    void add(Span span, std::string_view owner, bool block) {
        owner_ = owner;
        out_.push_back({span, owner, block, Statement::npos});
    }
    template <class T>
    void each(const std::vector<T>& statements) {
        for (const T& one : statements) add(one.span, owner_, false);
    }
    void body(Span span, std::string_view name, const std::vector<ast::Member>& members) {
        add(span, name, true);
        for (const ast::Member& member : members) {
            const auto* stream = std::get_if<ast::Stream>(&member);
            const bool block = std::holds_alternative<ast::Message>(member) ||
                               std::holds_alternative<ast::Errors>(member) ||
                               (stream && !stream->members.empty());
            add(span_of(member), owner_, block);
            if (const auto* errors = std::get_if<ast::Errors>(&member)) each(errors->reasons);
            if (const auto* message = std::get_if<ast::Message>(&member)) inner(message->members);
            if (stream) inner(stream->members);
        }
    }
    void inner(const std::vector<ast::MessageMember>& members) {
        for (const ast::MessageMember& member : members)
            std::visit([&](const auto& one) { add(one.span, owner_, false); }, member);
    }

    std::vector<Statement>& out_;
    std::string_view owner_;
};

bool before(const Statement& a, const Statement& b) {
    return std::tuple(a.span.file, a.span.begin, b.span.end) <
           std::tuple(b.span.file, b.span.begin, a.span.end);
}

bool holds(Span outer, Span inner) {
    return outer.file == inner.file && outer.begin <= inner.begin && inner.end <= outer.end;
}

// The end of the string or comment that begins at `at`; `at` if none does.
size_t opaque_end(std::string_view text, size_t at) {
    if (text[at] == '#') return std::min(text.find('\n', at), text.size());
    if (text[at] != '"') return at;
    for (size_t i = at + 1; i < text.size() && text[i] != '\n'; ++i) {
        if (text[i] == '"') return i + 1;
        if (text[i] == '\\') ++i;
    }
    return at + 1;
}

constexpr size_t longest = 4096;  // bytes that tell one statement from another

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

void mix(uint64_t& hash, std::string_view text) {
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    hash = (hash ^ 0xff) * 0x100000001b3;
}

}  // namespace

Statements::Statements(const ast::File& file) {
    Collector collector(all_);
    for (const ast::Item& item : file.items) std::visit(collector, item);
    std::stable_sort(all_.begin(), all_.end(), before);
    std::vector<size_t> open;
    for (size_t i = 0; i < all_.size(); ++i) {
        while (!open.empty() && !holds(all_[open.back()].span, all_[i].span)) open.pop_back();
        if (!open.empty()) all_[i].parent = open.back();
        open.push_back(i);
    }
}

// The last that begins at or before the place, or one of those around it.
size_t Statements::index_at(Span span) const {
    const Statement wanted{{span.file, span.begin, 0}, {}, false, Statement::npos};
    const auto behind = std::upper_bound(all_.begin(), all_.end(), wanted, before);
    if (behind == all_.begin()) return Statement::npos;
    auto index = static_cast<size_t>(behind - all_.begin()) - 1;
    while (index != Statement::npos && !holds(all_[index].span, span)) index = all_[index].parent;
    return index;
}

const Statement* Statements::at(Span span) const {
    const size_t index = index_at(span);
    return index == Statement::npos ? nullptr : &all_[index];
}

std::vector<const Statement*> Statements::around(Span span) const {
    std::vector<const Statement*> out;
    for (size_t i = index_at(span); i != Statement::npos; i = all_[i].parent) out.push_back(&all_[i]);
    return out;
}

const Statement* Statements::after(Span place) const {
    const size_t block = index_at(place);
    const Statement wanted{{place.file, place.end, 0}, {}, false, Statement::npos};
    auto next =
        std::lower_bound(all_.begin(), all_.end(), wanted, [](const Statement& a, const Statement& b) {
            return std::pair(a.span.file, a.span.begin) < std::pair(b.span.file, b.span.begin);
        });
    if (next == all_.end() || next->span.file != place.file || next->parent != block) return nullptr;
    return &*next;
}

std::string normalised(const Sources& sources, const Statement& statement) {
    const std::string_view text = sources.text(statement.span);
    std::string out;
    for (size_t i = 0; i < text.size();) {
        const size_t end = opaque_end(text, i);
        if ((statement.block && text[i] == '{') || out.size() > longest) break;
        if (end > i && text[i] == '"') {
            out += text.substr(i, end - i);
        } else if (end > i || is_blank(text[i])) {
            if (!out.empty() && out.back() != ' ') out += ' ';
        } else {
            out += text[i];
        }
        i = std::max(end, i + 1);
    }
    while (!out.empty() && out.back() == ' ') out.pop_back();
    return out;
}

uint64_t fingerprint(std::string_view id, Span span, const Sources& sources, const Statements& statements) {
    uint64_t hash = 0xcbf29ce484222325;
    mix(hash, id);
    if (const Statement* statement = statements.at(span)) {
        mix(hash, statement->owner);
        mix(hash, normalised(sources, *statement));
        return hash;
    }
    std::string_view line = sources.line(span.file, sources.position(span.file, span.begin).line);
    while (!line.empty() && is_blank(line.front())) line.remove_prefix(1);
    while (!line.empty() && is_blank(line.back())) line.remove_suffix(1);
    mix(hash, line);
    return hash;
}

}  // namespace wayleave::dsl
