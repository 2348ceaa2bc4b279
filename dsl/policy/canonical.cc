#include "dsl/policy/canonical.h"

#include <algorithm>
#include <map>

#include "dsl/policy/attributes.h"
#include "dsl/policy/describe.h"
#include "dsl/policy/message_type.h"
#include "dsl/policy/settings.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

using Lines = std::vector<Meaning>;

// FNV-1a. Nobody gains by a collision: an author of the policy has no need of one.
uint64_t mix(uint64_t hash, std::string_view text) {
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return (hash ^ 0xff) * 0x100000001b3;
}
constexpr uint64_t empty_hash = 0xcbf29ce484222325;

void add(Lines& lines, std::string text, std::string place = {}) {
    lines.push_back({std::move(text), std::move(place)});
}

void finish(Section& section) {
    std::sort(section.lines.begin(), section.lines.end());
    section.lines.erase(std::unique(section.lines.begin(), section.lines.end()), section.lines.end());
}

Type type_of(SettingForm form) {
    switch (form) {
        case SettingForm::size: return {Kind::size, Shape::one};
        case SettingForm::time: return {Kind::time, Shape::one};
        case SettingForm::integer: return {Kind::integer, Shape::one};
        default: return {Kind::string, Shape::one};
    }
}

void add_settings(Lines& lines, const SettingValues& settings, Place place, std::string_view before = {}) {
    for (const auto& [name, value] : settings) {
        const SettingRow* row = setting_row(place, name);
        add(lines,
            std::string(before) + name + " = " + print(value, type_of(row ? row->form : SettingForm::text)));
    }
}

std::string source_text(const TokenSource& source) {
    constexpr std::array<std::string_view, 5> kinds{"query", "header", "cookie", "subprotocol",
                                                    "certificate"};
    return std::string(kinds[static_cast<size_t>(source.kind)]) + " " + print(Value(source.name));
}

Section token_section(const TokenDecl& token) {
    Section out{"token " + token.name, {}, {}};
    add_settings(out.lines, token.settings, Place::token);
    if (!token.issuer.empty()) add(out.lines, "issuer = " + print(Value(token.issuer)));
    if (!token.audience.empty()) add(out.lines, "audience = " + print(Value(token.audience)));
    if (!token.user.empty()) add(out.lines, "user = " + print(Value(token.user)));
    std::vector<std::string> algorithms = token.algorithms;
    std::sort(algorithms.begin(), algorithms.end());
    for (const std::string& name : algorithms) add(out.lines, "algorithms has " + name);
    // The first source that has a token is asked first, so their order means something.
    for (size_t i = 0; i < token.from.size(); ++i)
        add(out.lines, "from " + std::to_string(i + 1) + ": " + source_text(token.from[i]));
    for (const ClaimDecl& claim : token.claims) {
        add(out.lines,
            "claim " + claim.name + " : " + to_string(claim.type) + member_text(claim.name, claim.member) +
                (claim.split.empty() ? "" : " split " + print(Value(claim.split))) +
                absent_text(claim.required, claim.otherwise, claim.type) + (claim.secret ? " secret" : ""));
    }
    finish(out);
    return out;
}

// The lines of one route or api.
class RouteLines {
  public:
    RouteLines(const Policy& policy, const Route& route) : policy_(policy), route_(route), words_{route} {}

    Section section() {
        out_.name = (route_.api ? "api " : "route ") + route_.name;
        out_.place = route_.place;
        settings();
        decision("connect", route_.connect);
        decision("subscribe", route_.subscribe);
        decision("publish", route_.publish);
        decision("presence", route_.presence);
        decision("history", route_.history);
        decision("disconnect", route_.disconnect);
        for (const Join& join : route_.joins)
            add("join " + words_.pattern(join.channel) + condition(join.condition));
        for (const Limit& limit : route_.limits) add(words_.limit(limit), limit.place);
        for (const Ban& ban : route_.bans) this->ban(ban);
        backends();
        errors();
        name_messages();
        for (size_t i = 0; i < route_.messages.size(); ++i) message(i);
        finish(out_);
        return std::move(out_);
    }

  private:
    void add(std::string text, std::string place = {}) {
        dsl::add(out_.lines, std::move(text), std::move(place));
    }

    void settings() {
        add_settings(out_.lines, route_.settings, Place::body);
        if (route_.auth.empty()) add("auth = none");
        for (const uint32_t number : route_.auth) add("auth has " + policy_.tokens[number].name);
        if (route_.origins.any) add("origins = any");
        if (route_.origins.absent && !route_.origins.any) add("origins has none");
        if (route_.origins.same_host) add("origins has same_host");
        for (const std::string& origin : route_.origins.exact) add("origins has " + print(Value(origin)));
        for (const auto& [before, after] : route_.origins.subdomains)
            add("origins has " + print(Value(before + "*" + after)));
        for (size_t i = 0; i < route_.captures; ++i) {
            const auto& fact = route_.shape->facts[i];
            add("captures " + fact.name + " : " + to_string(fact.type));
        }
        for (const InputDecl& input : route_.inputs) {
            add("input " + input.name + " : " + to_string(input.type) + " from " + source_text(input.from) +
                absent_text(input.required, input.otherwise, input.type));
        }
    }

    void decision(std::string_view action, RootId root) {
        if (root >= route_.clauses.size()) return;
        size_t asking = 0;  // of those that ask a backend the first that holds is taken
        for (const Clause& clause : route_.clauses[root]) {
            const RuleInfo& rule = route_.rules[clause.rule];
            std::string text = before_ + words_.rule(action, clause);
            if (rule.by && ++asking > 1) text += " (" + std::to_string(asking) + ")";
            add(std::move(text), rule.place);
        }
    }

    std::string condition(RootId root) const { return words_.condition_of(root); }

    void ban(const Ban& ban) {
        std::string text = "ban ";
        for (size_t i = 0; i < ban.keys.size(); ++i)
            text += (i > 0 ? ", " : "") + words_.operand(ban.keys[i]);
        const Type time{Kind::time, Shape::one};
        text += " for " + print(Value(ban.duration_ms), time) + " up to " + print(Value(ban.up_to_ms), time) +
                " after " + std::to_string(ban.after) + " " + ban.counted + " per " +
                print(Value(ban.per_ms), time);
        if (!ban.because.empty()) text += " because " + print(Value(ban.because));
        add(std::move(text), ban.place);
    }

    std::string to(const BackendPath& path) const {
        return " to " + policy_.backends[path.backend].name + " " + words_.path(path);
    }

    void backends() {
        for (const Stream& stream : route_.streams) {
            add("stream " + stream.name + to(stream.to) + (stream.on_first_use ? " on first use" : "") +
                    condition(stream.condition),
                stream.place);
            before_ = "stream " + stream.name + ": ";
            if (stream.max_message > 0) add(before_ + "max_message = " + std::to_string(stream.max_message));
            decision("", stream.decision);
            for (const Limit& limit : stream.limits) add(before_ + words_.limit(limit), limit.place);
            before_.clear();
        }
        // Their order means something: the first that holds is taken.
        for (size_t i = 0; i < route_.proxies.size(); ++i) {
            const Proxy& proxy = route_.proxies[i];
            const std::string turn = i == 0 ? "" : " (" + std::to_string(i + 1) + ")";
            add("proxy" + turn + to(proxy.to) + (proxy.http ? " http" : "") + condition(proxy.condition),
                proxy.place);
        }
        for (const Notify& notify : route_.notifies) {
            std::string text = "notify" + to(notify.to) + " on";
            for (const std::string& event : notify.events) text += " " + event;
            if (notify.after_ms > 0)
                text += " after " + print(Value(notify.after_ms), Type{Kind::time, Shape::one});
            add(std::move(text), notify.place);
        }
    }

    void errors() {
        for (size_t reason = 0; reason < refusals; ++reason) {
            for (const Phase phase : {Phase::handshake, Phase::session}) {
                const auto& outcome = route_.errors[reason][static_cast<size_t>(phase)];
                if (!outcome) continue;
                add("errors " + std::string(to_string(static_cast<Refusal>(reason))) +
                    (phase == Phase::handshake ? " of a handshake = " : " of a session = ") +
                    print(*outcome));
            }
        }
    }

    static std::string type_text(const std::string& type) {
        return is_plain_type(type) ? type : print(Value(type));
    }

    // Of each message: "message call.*: "
    void name_messages() {
        std::vector<std::vector<std::string>> types(route_.messages.size());
        for (const auto& [type, message] : route_.exact_types) types[message].push_back(type_text(type));
        for (const auto& [prefix, message] : route_.type_prefixes)
            types[message].push_back(type_text(prefix + "*"));
        for (std::vector<std::string>& one : types) {
            std::sort(one.begin(), one.end());
            std::string text = "message ";
            for (size_t i = 0; i < one.size(); ++i) text += (i > 0 ? "," : "") + one[i];
            message_names_.push_back(text + ": ");
        }
    }

    void message(size_t number) {
        const Message& message = route_.messages[number];
        before_ = message_names_[number];
        words_.message = &message;
        if (message.strict) add(before_ + "strict = true");
        if (message.ordered) add(before_ + "ordered = true");
        for (const FieldDecl& field : message.fields) {
            add(before_ + field_text(field));
        }
        for (const Stamp& stamp : message.stamps)
            add(before_ + "set " + print(Value(stamp.member)) + " = " +
                words_.typed(stamp.value, stamp.type));
        decision("", message.decision);
        for (const Limit& limit : message.limits) add(before_ + words_.limit(limit), limit.place);
        for (const Publish& publish : message.publish) {
            std::string text = before_ + "publish to " + words_.pattern(publish.channel);
            if (publish.except_self) text += " except self";
            if (!publish.type.empty()) text += " as " + type_text(publish.type);
            if (publish.lane) text += " priority " + std::string(to_string(*publish.lane));
            add(text + condition(publish.condition));
        }
        // Their order means something: the first that holds is taken.
        for (size_t i = 0; i < message.forwards.size(); ++i) {
            const Forward& forward = message.forwards[i];
            const std::string turn = i == 0 ? "" : " (" + std::to_string(i + 1) + ")";
            add(before_ + "forward" + turn + to(forward.to) + condition(forward.condition), forward.place);
        }
        for (const Join& join : message.subscribes)
            add(before_ + "subscribe to " + words_.pattern(join.channel) + condition(join.condition));
        for (const Join& join : message.unsubscribes)
            add(before_ + "unsubscribe from " + words_.pattern(join.channel) + condition(join.condition));
        for (const Reply& reply : message.replies)
            add(before_ + "reply" + (reply.type.empty() ? "" : " " + type_text(reply.type)) +
                condition(reply.condition));
        before_.clear();
        words_.message = nullptr;
    }

    const Policy& policy_;
    const Route& route_;
    Words words_;
    Section out_;
    std::string before_;
    std::vector<std::string> message_names_;
};

// What the backend may order. Denies go before allows, so their order means nothing.
void add_orders(Lines& lines, const std::vector<BackendRule>& rules) {
    for (const BackendRule& rule : rules) {
        for (const Action action : rule.actions) {
            std::string text = (rule.allow ? "allow " : "deny ") + std::string(to_string(action));
            for (size_t i = 0; i < rule.on.size(); ++i) text += (i == 0 ? " on " : ", ") + rule.on[i].first;
            if (!rule.because.empty()) text += " because " + print(Value(rule.because));
            add(lines, std::move(text), rule.place);
        }
    }
}

// The lines of aliases, by the route's number.
std::map<uint32_t, Lines> alias_lines(const Policy& policy) {
    std::map<uint32_t, Lines> out;
    for (const auto& [number, alias] : policy.aliases) {
        std::string text = "alias " + alias.address;
        if (!alias.stream.empty()) text += " stream " + alias.stream;
        for (size_t i = 0; i < alias.captures.size(); ++i) {
            const auto& capture = alias.captures[i];
            const auto& fact = policy.routes[alias.route]->shape->facts[i];
            if (const auto* source = std::get_if<TokenSource>(&capture))
                text += " where " + fact.name + " = " + source_text(*source);
            if (const auto* value = std::get_if<Value>(&capture))
                text += " where " + fact.name + " = " + print(*value, fact.type);
        }
        if (alias.until) text += " until " + print(Value(*alias.until), {Kind::date, Shape::one});
        add(out[alias.route], std::move(text), alias.place);
    }
    return out;
}

// Shows one after the other: all at once are larger than the policy.
template <class See>
void each_section(const Policy& policy, const See& see) {
    const auto finished = [&](Section section) {
        finish(section);
        see(std::move(section));
    };
    for (const BackendDecl& backend : policy.backends) {
        Section section{"backend " + backend.name, {}, backend.place};
        add_settings(section.lines, backend.settings, Place::backend);
        add_orders(section.lines, backend.rules);
        finished(std::move(section));
    }
    for (const ChannelDecl& channel : policy.channels) {
        Section section{"channel " + channel.pattern, {}, channel.place};
        add_settings(section.lines, channel.settings, Place::channel);
        finished(std::move(section));
    }
    for (const TokenDecl& token : policy.tokens) finished(token_section(token));
    std::map<uint32_t, Lines> aliases = alias_lines(policy);
    for (const auto* list : {&policy.routes, &policy.apis}) {
        for (uint32_t i = 0; i < list->size(); ++i) {
            const Route& route = *(*list)[i];
            Section section = RouteLines(policy, route).section();
            for (const std::string& address : route.addresses) add(section.lines, "address " + address);
            const auto more = route.api ? aliases.end() : aliases.find(i);
            if (more != aliases.end())
                section.lines.insert(section.lines.end(), more->second.begin(), more->second.end());
            finished(std::move(section));
        }
    }
}

}  // namespace

std::vector<Section> sections(const Policy& policy) {
    std::vector<Section> out;
    each_section(policy, [&](Section section) { out.push_back(std::move(section)); });
    std::sort(out.begin(), out.end(), [](const Section& a, const Section& b) { return a.name < b.name; });
    return out;
}

namespace {

uint64_t hash_of_lines(const Section& section) {
    uint64_t hash = empty_hash;
    for (const Meaning& line : section.lines) hash = mix(hash, line.text);
    return hash;
}

}  // namespace

uint64_t hash_of(const Section& section) {
    return mix(hash_of_lines(section), section.name);
}

void fill_hashes(Policy& policy) {
    std::map<std::string, uint64_t, std::less<>> lines;  // without the name: a rename changes no route
    each_section(policy,
                 [&](const Section& section) { lines.emplace(section.name, hash_of_lines(section)); });
    policy.hash = empty_hash;
    for (const auto& [name, hash] : lines) policy.hash = mix(mix(policy.hash, name), hash_text(hash));
    for (auto* list : {&policy.routes, &policy.apis}) {
        for (auto& route : *list) {
            uint64_t hash = lines.at((route->api ? "api " : "route ") + route->name);
            for (const uint32_t token : route->auth)
                hash = mix(hash, hash_text(lines.at("token " + policy.tokens[token].name)));
            for (const Grant& grant : route->grants)
                hash = mix(hash, hash_text(lines.at("token " + policy.tokens[grant.token].name)));
            route->hash = hash;
        }
    }
}

std::string hash_text(uint64_t hash) {
    return hex_text(hash);
}

}  // namespace wayleave::dsl
