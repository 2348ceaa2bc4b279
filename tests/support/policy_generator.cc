#include "tests/support/policy_generator.h"

#include <algorithm>
#include <array>

#include "tests/support/sample_values.h"

namespace wayleave::tests {
namespace {

using namespace dsl;

constexpr std::array claim_types{Type{Kind::string, Shape::one},  Type{Kind::integer, Shape::one},
                                 Type{Kind::boolean, Shape::one}, Type{Kind::floating, Shape::one},
                                 Type{Kind::ip, Shape::one},      Type{Kind::date, Shape::one},
                                 Type{Kind::string, Shape::set},  Type{Kind::integer, Shape::set}};
constexpr std::array field_types{Type{Kind::string, Shape::one},  Type{Kind::integer, Shape::one},
                                 Type{Kind::boolean, Shape::one}, Type{Kind::floating, Shape::one},
                                 Type{Kind::string, Shape::list}, Type{Kind::integer, Shape::list},
                                 Type{Kind::string, Shape::set}};
constexpr std::array input_types{Type{Kind::string, Shape::one}, Type{Kind::integer, Shape::one},
                                 Type{Kind::boolean, Shape::one}, Type{Kind::ip, Shape::one},
                                 Type{Kind::date, Shape::one}};
constexpr std::array captures{"", "", "(int)", "(slug)", "(uuid)", "(hex)", "(date)"};

Type capture_type_of(const std::string& text) {
    return {text == "(int)" ? Kind::integer : text == "(date)" ? Kind::date : Kind::string, Shape::one};
}

}  // namespace

void PolicyGenerator::add(std::string item) {
    files_[choices_.below(files_.size())] += std::move(item);
}

std::vector<std::string> PolicyGenerator::files() {
    files_.assign(1 + choices_.below(3), "");
    Scope file{builtin_attributes(), {}};
    // A file's definitions are read everywhere: from what the handshake tells, and from each other.
    Scope arrival = until(file, Stage::arrival);
    for (size_t i = choices_.below(8); i > 0; --i) add(let(arrival));
    file.lets = arrival.lets;
    tokens();
    add("backend b0 { url = \"http://127.0.0.1:9\" }\n");
    // 0: nobody is known; then the first token, both, the second.
    const size_t routes = 1 + choices_.below(3);
    std::vector<size_t> auth;
    for (size_t i = 0; i < routes; ++i) auth.push_back(choices_.below(4));
    // What all routes know, defaults and policies know.
    Scope shared = file;
    for (const Claim& claim : claims_of(auth.front())) {
        const bool everywhere = std::all_of(auth.begin(), auth.end(), [&](size_t one) {
            const auto claims = claims_of(one);
            return std::any_of(claims.begin(), claims.end(), [&](const Claim& other) {
                return other.name == claim.name && other.type == claim.type;
            });
        });
        if (everywhere) shared.names.push_back({"user." + claim.name, claim.type, Stage::identity});
    }
    policies(shared);
    defaults(shared);
    for (size_t i = 0; i < routes; ++i) route(file, i, auth[i]);
    if (!has_defaults_ && choices_.chance(60)) proxied(file);
    return files_;
}

// --- definitions and tokens ---

std::string PolicyGenerator::map(KnownLet& made) {
    constexpr std::array kinds{Kind::integer, Kind::rate, Kind::boolean, Kind::string, Kind::time};
    made.form = KnownLet::Form::map;
    made.type = {choices_.chance(30) ? Kind::integer : Kind::string, Shape::one};
    made.value = choices_.pick(kinds);
    const bool texts = made.type.kind == Kind::string;
    std::string out;
    for (const char* key : texts ? std::array{"\"a\"", "\"ann\"", "\"\""} : std::array{"1", "7", "-1"}) {
        out += (out.empty() ? "{ " : ", ") + std::string(key) + ": ";
        out += made.value == Kind::integer ? "5" : sample_literal(made.value, choices_);
    }
    return out + " }";
}

std::string PolicyGenerator::let(Scope& scope) {
    ConditionGenerator generator(scope, choices_);
    KnownLet made;
    made.name = fresh('l');
    std::string value;
    const Kind kind =
        choices_.pick(std::array{Kind::string, Kind::integer, Kind::net, Kind::date, Kind::floating});
    switch (choices_.below(6)) {
        case 0:
            made.type = {kind, Shape::one}, made.constant = true;
            value = sample_literal(kind, choices_);
            break;
        case 1:
            made.type = {kind, Shape::set}, made.constant = true;
            value = generator.literal_set(kind);
            break;
        case 2:
            made.type = {Kind::net, Shape::set}, made.constant = true;
            value = "file \"lists/nets\" of net";
            break;
        case 3: value = map(made); break;
        case 4: {
            const Known& known = choices_.pick(scope.names);
            made.type = known.type;
            value = known.name;
            break;
        }
        default:
            made.form = KnownLet::Form::condition;
            value = generator.condition(2);
            // A lone name or literal is a value, also where it is a bool.
            if (value.find(' ') == std::string::npos) value = "not " + value;
            if (value.find(" else ") != std::string::npos && !value.starts_with("not "))
                value = "not (" + value + ")";
    }
    scope.lets.push_back(made);
    return "let " + made.name + " = " + value + "\n";
}

std::string PolicyGenerator::absent(Type type) {
    if (choices_.chance(50)) return " required";
    if (type.shape == Shape::one) return " else " + sample_literal(type.kind, choices_);
    return choices_.chance(50) ? " else {}" : " else { " + sample_literal(type.kind, choices_) + " }";
}

std::string PolicyGenerator::claim(const Claim& claim) {
    return "claim " + claim.name + " : " + to_string(claim.type) +
           (choices_.chance(10) ? " as \"app.x\"" : "") +
           (claim.type == Type{Kind::string, Shape::set} && choices_.chance(30) ? " split \" \"" : "") +
           absent(claim.type) + (choices_.chance(10) ? " secret" : "") + "\n";
}

void PolicyGenerator::tokens() {
    Token first{"t0", {}};
    for (size_t i = 0; i < claim_types.size(); ++i) {
        if (i == 0 || choices_.chance(60)) first.claims.push_back({fresh('k'), claim_types[i]});
    }
    Token second{"t1", {}};
    for (const Claim& claim : first.claims) {
        if (choices_.chance(60)) second.claims.push_back(claim);
    }
    // The same name and another type: nobody may read it where both tokens admit.
    if (choices_.chance(40) && second.claims.size() < first.claims.size())
        second.claims.push_back({fresh('k'), choices_.pick(claim_types)});
    tokens_ = {first, second};
    for (const Token& token : tokens_) {
        std::string text = "token " + token.name + " {\nkeys = file \"k\"\nfrom header \"Authorization\"\n";
        for (const Claim& one : token.claims) text += claim(one);
        add(text + "}\n");
    }
}

std::vector<PolicyGenerator::Claim> PolicyGenerator::claims_of(size_t auth) const {
    if (auth == 0) return {};
    if (auth != 2) return tokens_[auth == 1 ? 0 : 1].claims;
    std::vector<Claim> both;
    for (const Claim& claim : tokens_[0].claims) {
        for (const Claim& other : tokens_[1].claims) {
            if (other.name == claim.name) both.push_back(claim);
        }
    }
    return both;
}

// --- rules ---

std::string PolicyGenerator::channel_pattern(const Scope& scope, const std::vector<std::string>& caught) {
    ConditionGenerator generator(scope, choices_);
    std::vector<std::string> parts;
    for (size_t i = choices_.below(3); i > 0 || (parts.empty() && caught.empty()); i -= i > 0 ? 1 : 0) {
        const size_t kind = choices_.below(10);
        parts.push_back(kind < 6   ? sample_segment(choices_)
                        : kind < 8 ? "*"
                                   : "{" + generator.segment_name() + "}");
    }
    for (const std::string& name : caught) {
        const size_t at = choices_.below(parts.size() + 1);
        parts.insert(parts.begin() + static_cast<std::ptrdiff_t>(at), ":" + name + choices_.pick(captures));
    }
    if (choices_.chance(15)) parts.emplace_back("**");
    std::string out;
    for (const std::string& part : parts) out += (out.empty() ? "" : "/") + part;
    return choices_.chance(5) && caught.empty() ? "**" : out;
}

std::string PolicyGenerator::channel_template(const Scope& scope) {
    ConditionGenerator generator(scope, choices_);
    std::string out = sample_segment(choices_);
    for (size_t i = choices_.below(3); i > 0; --i)
        out += "/" + (choices_.chance(50) ? "{" + generator.segment_name() + "}" : sample_segment(choices_));
    return out;
}

// ` on a, b`; the names that each of the patterns catches are known to the condition.
std::string PolicyGenerator::on(const Scope& scope, Scope& inner) {
    std::vector<std::string> caught;
    for (size_t i = choices_.below(3); i > 0; --i) caught.push_back(fresh('p'));
    const Scope inserts = until(scope, Stage::identity);
    std::string out = " on " + channel_pattern(inserts, caught);
    for (size_t i = choices_.below(2); i > 0; --i) out += ", " + channel_pattern(inserts, caught);
    for (const std::string& name : caught)
        inner.names.push_back({name, {Kind::string, Shape::one}, Stage::channel});
    return out;
}

std::string PolicyGenerator::tail(const Scope& scope, bool deny, bool handshake, bool session) {
    std::string out;
    if (choices_.chance(75)) out += " if " + ConditionGenerator(scope, choices_).condition();
    if (deny && choices_.chance(30)) {
        const size_t kind = choices_.below(4);
        out += kind == 0 && handshake ? " then status 404"
               : kind == 1 && session ? " then close 4001"
               : kind == 2            ? " then drop"
                                      : " then error \"e\"";
    }
    if (choices_.chance(30)) out += " because \"b " + std::to_string(choices_.below(100)) + "\"";
    return out;
}

// What is known at all of the actions.
Scope PolicyGenerator::seen_at(const Scope& scope, const std::vector<std::string>& chosen) {
    const auto has = [&](const char* action) {
        return std::find(chosen.begin(), chosen.end(), action) != chosen.end();
    };
    Scope seen = until(scope, Stage::identity);
    const bool channels = !has("connect") && !has("message");
    const bool connection = !has("connect");
    const bool messages = connection && !has("subscribe") && !has("presence") && !has("history");
    for (const Known& known : scope.names) {
        if ((known.name == "channel" && channels) || (known.name.starts_with("connection.") && connection) ||
            (known.name.starts_with("message.") && messages))
            seen.names.push_back(known);
    }
    return seen;
}

// Something that rules can differ by: a text, an int or an address.
const Known* PolicyGenerator::distinguishing(const Scope& scope) {
    std::vector<const Known*> found;
    for (const Known& known : scope.names) {
        const bool fits = known.type.kind == Kind::string || known.type.kind == Kind::integer ||
                          known.type.kind == Kind::ip;
        if (fits && known.type.shape == Shape::one) found.push_back(&known);
    }
    return found.empty() ? nullptr : choices_.pick(found);
}

// Many rules of one action that differ by one constant or by the text of their patterns, and by chance
// another rule between them.
std::string PolicyGenerator::family(const Scope& scope) {
    constexpr std::array actions{"connect", "subscribe", "publish", "message"};
    const std::string action = choices_.pick(actions);
    const bool channels = action == "subscribe" || action == "publish";
    const Scope seen = seen_at(scope, {action});
    const Known* known = distinguishing(seen);
    std::string out;
    for (size_t i = 4 + choices_.below(8); i > 0; --i) {
        const bool deny = choices_.chance(50);
        out += (deny ? "deny " : "allow ") + action;
        if (channels && choices_.chance(60))
            out += " on " + channel_pattern(until(seen, Stage::identity), {});
        if (known && !choices_.chance(15)) {
            ConditionGenerator generator(seen, choices_);
            out += " if " + generator.bounded(known->name, known->type.kind) + "\n";
        } else {
            out += tail(seen, deny, action == "connect", action != "connect") + "\n";
        }
    }
    return out;
}

std::string PolicyGenerator::rule(const Scope& scope) {
    constexpr std::array actions{"connect", "subscribe", "publish", "message", "presence", "history"};
    const bool deny = choices_.chance(40);
    std::vector<std::string> chosen{choices_.pick(actions)};
    for (const char* action : actions) {
        if (action != chosen.front() && choices_.chance(12)) chosen.emplace_back(action);
    }
    const auto has = [&](const char* action) {
        return std::find(chosen.begin(), chosen.end(), action) != chosen.end();
    };
    std::string out = deny ? "deny " : "allow ";
    for (const std::string& action : chosen) out += (&action == &chosen.front() ? "" : ", ") + action;
    const bool channels = !has("connect") && !has("message");
    Scope seen = seen_at(scope, chosen);
    if (channels && choices_.chance(70)) {
        Scope inner = seen;
        out += on(seen, inner);
        seen = inner;
    }
    if (!deny && chosen == std::vector<std::string>{"subscribe"} && choices_.chance(30))
        out += " by b0 \"/may\"";
    return out + tail(seen, deny, has("connect"), chosen.size() > 1 || !has("connect")) + "\n";
}

std::string PolicyGenerator::rules(const Scope& scope) {
    std::string out;
    for (size_t i = choices_.below(6); i > 0; --i) out += rule(scope);
    if (choices_.chance(40)) out += family(scope);
    return out;
}

std::string PolicyGenerator::limit(const Scope& scope, bool in_message) {
    const size_t kind = in_message ? 2 : choices_.below(3);
    Scope seen = until(scope, Stage::identity);
    if (kind == 2) {
        for (const Known& known : scope.names) {
            if (known.stage == Stage::message) seen.names.push_back(known);
        }
    }
    ConditionGenerator generator(seen, choices_);
    constexpr std::array meters{"connects", "connections", "messages"};
    std::string amount = choices_.chance(40) ? generator.lookup(Kind::rate) : "";
    if (amount.empty()) amount = sample_literal(Kind::rate, choices_);
    std::string out = std::string("limit ") + meters[kind] + " to " + (kind == 1 ? "3" : amount) + " per " +
                      generator.segment_name();
    if (kind == 2 && choices_.chance(30)) out += ", connection";
    if (kind != 1 && choices_.chance(30)) out += " burst 5";
    if (choices_.chance(50)) out += " if " + generator.condition();
    return out + "\n";
}

// --- messages ---

std::string PolicyGenerator::message_rule(const Scope& scope, bool sure) {
    const bool deny = !sure && choices_.chance(50);
    if (sure && choices_.chance(50)) return "allow\n";
    std::string out = deny ? "deny" : "allow";
    // A block that nothing can pass is a mistake: `tls` may always be true.
    if (sure) return out + " if tls or (" + ConditionGenerator(scope, choices_).condition() + ")\n";
    return out + tail(scope, deny, false, true) + "\n";
}

std::string PolicyGenerator::message(const Scope& scope, const std::string& types) {
    Scope seen = until(scope, Stage::identity);
    for (const Known& known : scope.names) {
        if (known.stage == Stage::message) seen.names.push_back(known);
    }
    std::string out = "message " + types + " {\n";
    for (size_t i = choices_.below(5); i > 0; --i) {
        const Type type = choices_.pick(field_types);
        const std::string name = fresh('f');
        const bool of_few = type.shape == Shape::one && type.kind == Kind::string && choices_.chance(30);
        out += "field " + name + " : " + to_string(type) + (of_few ? " in { \"a\", \"b\" }" : "") +
               (of_few ? std::string(" required") : absent(type)) + "\n";
        seen.names.push_back({name, type, Stage::message});
    }
    if (choices_.chance(30)) out += let(seen);
    for (size_t i = choices_.below(4); i > 0; --i) out += message_rule(seen, false);
    if (const Known* known = distinguishing(seen); known && choices_.chance(30)) {
        for (size_t i = 4 + choices_.below(6); i > 0; --i) {
            ConditionGenerator generator(seen, choices_);
            out += (choices_.chance(50) ? "deny if " : "allow if ") +
                   generator.bounded(known->name, known->type.kind) + "\n";
            if (choices_.chance(15)) out += message_rule(seen, false);
        }
    }
    out += message_rule(seen, true);
    if (choices_.chance(30)) out += limit(seen, true);
    for (size_t i = choices_.below(3); i > 0; --i) {
        out += "publish to " + channel_template(seen) + (choices_.chance(20) ? " except self" : "");
        out += choices_.chance(40) ? " if " + ConditionGenerator(seen, choices_).condition(1) + "\n" : "\n";
    }
    return out + effects(seen) + "}\n";
}

std::string PolicyGenerator::perhaps_if(const Scope& scope, unsigned percent) {
    return choices_.chance(percent) ? " if " + ConditionGenerator(scope, choices_).condition(2) : "";
}

// On a backend. What is inserted is no claim, which may be secret: the backend's log would show it.
std::string PolicyGenerator::path(const Scope& scope, const std::string& first) {
    Scope plain = scope;
    plain.lets.clear();
    std::erase_if(plain.names, [](const Known& known) { return known.name.starts_with("user."); });
    const std::string insert = "{" + ConditionGenerator(plain, choices_).segment_name() + "}";
    return "\"" + first + (choices_.chance(50) ? "/" + insert : "") + "\"";
}

// What else becomes of a message that is allowed.
std::string PolicyGenerator::effects(const Scope& seen) {
    std::string out;
    if (choices_.chance(30)) {
        out += "forward to b0 " + path(seen, "/f") + perhaps_if(seen, 50) + "\n";
    }
    if (choices_.chance(20)) out += "reply" + perhaps_if(seen, 50) + "\n";
    if (choices_.chance(20)) out += "reply said." + fresh('w') + perhaps_if(seen, 50) + "\n";
    return out;
}

// --- bodies ---

std::string PolicyGenerator::body(Scope scope) {
    std::string out;
    for (size_t i = choices_.below(3); i > 0; --i) {
        Scope known = until(scope, Stage::identity);
        out += let(known);
        scope.lets = known.lets;
    }
    out += rules(scope);
    for (size_t i = choices_.below(3); i > 0; --i) out += limit(scope, false);
    const Scope early = until(scope, Stage::identity);
    for (size_t i = choices_.below(3); i > 0; --i) {
        out += "join " + channel_template(early);
        out += choices_.chance(50) ? " if " + ConditionGenerator(early, choices_).condition(2) + "\n" : "\n";
    }
    return out;
}

void PolicyGenerator::policies(const Scope& shared) {
    for (size_t i = choices_.below(3); i > 0; --i) {
        policies_.push_back("u" + std::to_string(i));
        add("policy " + policies_.back() + " {\n" + body(shared) + "}\n");
    }
}

void PolicyGenerator::defaults(const Scope& shared) {
    for (size_t i = choices_.below(3); i > 0; --i) {
        has_defaults_ = true;
        std::string text = "defaults {\n" + body(shared);
        if (i == 1 && choices_.chance(50)) text += "max_message = 4kb\n";
        if (i == 1 && choices_.chance(50)) text += message(shared, "call.*");
        if (!policies_.empty() && choices_.chance(30)) text += "use " + choices_.pick(policies_) + "\n";
        add(text + "}\n");
    }
}

// Streams, each with an old address of its own by chance, and who is told of what.
std::string PolicyGenerator::streams(const Scope& scope, const std::vector<std::string>& caught) {
    const Scope early = until(scope, Stage::identity);
    Scope seen = early;
    for (const Known& known : scope.names) {
        if (known.name == "message.size" || known.name == "message.binary") seen.names.push_back(known);
    }
    std::string out;
    for (size_t i = choices_.below(3); i > 0; --i) {
        const std::string name = fresh('s');
        out += "stream " + name + " to b0 " + path(early, "/s");
        out += std::string(choices_.chance(30) ? " on first use" : "") + perhaps_if(early, 50);
        if (choices_.chance(60)) {
            out += " {\n" + std::string(choices_.chance(30) ? "max_message = 1kb\n" : "");
            for (size_t rules = choices_.below(4); rules > 0; --rules)
                out += "deny" + tail(seen, true, false, true) + "\n";
            out += "}";
        }
        out += "\n";
        if (!choices_.chance(40)) continue;
        out += "alias /old/" + name;
        for (const std::string& one : caught) out += one;
        out += " stream " + name + " until 2999-12-31\n";
    }
    if (choices_.chance(30)) {
        out += "notify b0 \"/n\" on connect";
        out += choices_.chance(50) ? ", disconnect after 5s\n" : "\n";
    }
    return out;
}

// The addresses; what they catch is known.
std::string PolicyGenerator::route_scope(Scope& scope, size_t number, size_t auth,
                                         std::vector<std::string>& caught) {
    for (size_t i = choices_.below(4); i > 0; --i) {
        const std::string name = fresh('c');
        const std::string type = choices_.pick(captures);
        caught.push_back("/:" + name + type);
        scope.names.push_back({name, capture_type_of(type), Stage::arrival});
    }
    for (const Claim& claim : claims_of(auth))
        scope.names.push_back({"user." + claim.name, claim.type, Stage::identity});
    const std::string first = "/r" + std::to_string(number);
    std::string out = choices_.chance(30)   ? "h.example.com" + first
                      : choices_.chance(20) ? "*.example.com" + first
                                            : first;
    for (const std::string& one : caught) out += one;
    if (choices_.chance(30)) {
        out += ", " + first + "/other";
        for (auto it = caught.rbegin(); it != caught.rend(); ++it) out += *it;
    }
    return out;
}

// Nobody looks into what its clients say, so that nothing but the door is decided.
void PolicyGenerator::proxied(const Scope& file) {
    const Scope seen = until(file, Stage::arrival);
    std::string text =
        "route p0 /p0 {\nauth = none\norigins = none\nallow connect" + tail(seen, false, true, false);
    for (size_t i = choices_.below(3); i > 0; --i) text += "\ndeny connect" + tail(seen, true, true, false);
    const auto http = [&] { return std::string(choices_.chance(40) ? " http" : ""); };
    for (size_t i = choices_.below(3); i > 0; --i)
        text += "\nproxy to b0 \"/p\"" + http() + " if " + ConditionGenerator(seen, choices_).condition(2);
    add(text + "\nproxy to b0" + http() + perhaps_if(seen, 30) + "\n}\n");
}

void PolicyGenerator::route(const Scope& file, size_t number, size_t auth) {
    constexpr std::array tokens{"none", "t0", "{ t0, t1 }", "t1"};
    Scope scope = file;
    std::vector<std::string> caught;
    std::string text =
        "route r" + std::to_string(number) + " " + route_scope(scope, number, auth, caught) + " {\n";
    text += std::string("auth = ") + tokens[auth] + "\norigins = { \"https://app.example.com\", none }\n";
    for (size_t i = choices_.below(3); i > 0; --i) {
        const Type type = choices_.pick(input_types);
        const std::string name = fresh('i');
        text +=
            "input " + name + " : " + to_string(type) + " from query \"" + name + "\"" + absent(type) + "\n";
        scope.names.push_back({name, type, Stage::arrival});
    }
    for (const std::string& policy : policies_) {
        if (choices_.chance(40)) text += "use " + policy + "\n";
    }
    text += body(scope);
    if (choices_.chance(60)) text += message(scope, choices_.chance(30) ? "say, a.b" : "say");
    if (choices_.chance(40)) text += message(scope, "call.a.*");
    if (choices_.chance(30)) text += message(scope, "*");
    text += streams(scope, caught);
    if (choices_.chance(20)) text += "errors { forbidden = status 404  limited = close 4429 }\n";
    add(text + "}\n");
}

}  // namespace wayleave::tests
