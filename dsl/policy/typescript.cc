#include "dsl/policy/typescript.h"

#include <algorithm>
#include <map>
#include <set>

#include "dsl/policy/describe.h"
#include "dsl/policy/pattern.h"

namespace wayleave::dsl {
namespace {

using Union = std::set<std::string>;  // of types as they are written

// Whatever quotes it stands in; in backquotes `${` would begin a type. What ends a line in JavaScript
// (ECMA-262 12.3) would end the literal, and the rest would be the policy's word among our own.
std::string escaped(std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const std::string_view three = text.substr(i, 3);
        if (three == "\u2028" || three == "\u2029") {
            out += three == "\u2028" ? "\\u2028" : "\\u2029";
            i += 2;
        } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            constexpr std::string_view digits = "0123456789abcdef";
            out.append("\\u00") += digits[static_cast<unsigned char>(c) >> 4U];
            out += digits[c & 15];
        } else {
            if (c == '"' || c == '\\' || c == '`' || c == '$') out += '\\';
            out += c;
        }
    }
    return out;
}

std::string literal(std::string_view text) {
    return '"' + escaped(text) + '"';
}

std::string joined(const Union& alternatives, std::string_view none = "never") {
    std::string out;
    for (const std::string& one : alternatives) out.append(out.empty() ? "" : " | ").append(one);
    return out.empty() ? std::string(none) : out;
}

std::string name_of_member(const std::string& name) {
    const auto is_letter = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$';
    };
    const bool is_name =
        !name.empty() && is_letter(name.front()) &&
        std::all_of(name.begin(), name.end(), [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
    return is_name ? name : literal(name);
}

// As JSON carries it: what has no type there is a text.
std::string type_of(Kind kind) {
    switch (kind) {
        case Kind::boolean: return "boolean";
        case Kind::integer:
        case Kind::floating: return "number";
        default: return "string";
    }
}

std::string literal_of(const Scalar& value, Kind kind) {
    if (const auto* text = std::get_if<std::string>(&value)) return literal(*text);
    const std::string shown = print(to_value(value), {kind, Shape::one});
    return type_of(kind) == "string" ? literal(shown) : shown;
}

std::string type_of(Type type, const std::vector<Scalar>& in = {}) {
    Union alternatives;
    for (const Scalar& value : in) alternatives.insert(literal_of(value, type.kind));
    std::string one = alternatives.empty() ? type_of(type.kind) : joined(alternatives);
    if (type.shape == Shape::one) return one;
    return (alternatives.size() > 1 ? "(" + one + ")" : one) + "[]";
}

// --- messages ---

// A message's members, those of its objects within.
struct Member {
    std::string type;  // empty: an object of `members`
    bool required = false;
    std::map<std::string, Member> members = {};
};

void put(Member& object, const std::vector<std::string>& path, std::string type, bool required) {
    Member* at = &object;
    for (const std::string& name : path) {
        at = &at->members[name];
        at->required = at->required || required;
    }
    at->type = std::move(type);
}

std::string object_text(const Member& object, bool open) {
    if (object.members.empty() && !open) return "{}";
    std::string out = "{ ";
    for (const auto& [name, member] : object.members) {
        const std::string type = member.type.empty() ? object_text(member, true) : member.type;
        out += name_of_member(name) + (member.required ? ": " : "?: ") + type + "; ";
    }
    return out + (open ? "[other: string]: unknown }" : "}");
}

Member fields_of(const Message& message) {
    Member out;
    for (const FieldDecl& field : message.fields)
        put(out, field.member, type_of(field.type, field.in), field.required);
    return out;
}

std::string sent(const Message& message) {
    // `{}` would be an object of anything.
    if (message.strict && message.fields.empty()) return "Record<string, never>";
    return object_text(fields_of(message), !message.strict);
}

// With what the server writes into it.
std::string heard(const Message& message) {
    Member out = fields_of(message);
    for (const Stamp& stamp : message.stamps) out.members[stamp.member] = {type_of(stamp.type), true};
    return object_text(out, !message.strict);
}

// The members of an interface by what a type is or begins with.
class Types {
  public:
    void add_exact(const std::string& type, std::string shape) { exact_[type].insert(std::move(shape)); }
    void add_prefix(const std::string& prefix, std::string shape) {
        prefixes_[prefix].insert(std::move(shape));
    }

    [[nodiscard]] std::string text(std::string_view indent) const {
        std::string out;
        for (const auto& [type, shapes] : exact_)
            out.append(indent).append(literal(type) + ": " + joined(shapes) + ";\n");
        for (const auto& [prefix, shapes] : prefixes_) {
            const std::string key = prefix.empty() ? "string" : "`" + escaped(prefix) + "${string}`";
            out.append(indent).append("[type: " + key + "]: " + joined(all_below(prefix)) + ";\n");
        }
        return out;
    }

  private:
    // TypeScript wants of an index that it fits the narrower members, too.
    [[nodiscard]] Union all_below(const std::string& prefix) const {
        Union out;
        for (const auto* map : {&exact_, &prefixes_}) {
            for (const auto& [type, shapes] : *map)
                if (type.starts_with(prefix)) out.insert(shapes.begin(), shapes.end());
        }
        return out;
    }

    std::map<std::string, Union> exact_;
    std::map<std::string, Union> prefixes_;
};

Types out_of(const Route& route) {
    Types out;
    for (const auto& [type, index] : route.exact_types) out.add_exact(type, sent(route.messages[index]));
    for (const auto& [prefix, index] : route.type_prefixes)
        out.add_prefix(prefix, sent(route.messages[index]));
    return out;
}

// The types that a block publishes or replies; empty: its own.
std::set<std::string> types_heard(const Message& message) {
    std::set<std::string> out;
    for (const Publish& publish : message.publish) out.insert(publish.type);
    for (const Reply& reply : message.replies) out.insert(reply.type);
    return out;
}

Types in_of(const Route& route) {
    Types out;
    const auto add = [&](const std::string& own, uint32_t index, bool is_prefix) {
        const Message& message = route.messages[index];
        for (const std::string& type : types_heard(message)) {
            if (!type.empty()) {
                out.add_exact(type, heard(message));
            } else if (is_prefix) {
                out.add_prefix(own, heard(message));
            } else {
                out.add_exact(own, heard(message));
            }
        }
    };
    for (const auto& [type, index] : route.exact_types) add(type, index, false);
    for (const auto& [prefix, index] : route.type_prefixes) add(prefix, index, true);
    return out;
}

// --- channels ---

std::string segment_of(const Value& constant) {
    std::string out;
    const auto* text = std::get_if<std::string>(&constant.held);
    const auto* number = std::get_if<int64_t>(&constant.held);
    append_segment(out, text ? *text : number ? std::to_string(*number) : "");
    return out;
}

std::string channel_text(const Route& route, const Pattern& pattern) {
    std::string out;
    bool plain = true;
    for (const PatternSegment& segment : pattern) {
        if (!out.empty()) out += '/';
        std::string text = segment.text;
        if (segment.kind == PatternSegment::Kind::insert && segment.insert.from == Operand::From::constant) {
            text = segment_of(route.program.constants[segment.insert.index]);
        } else if (segment.kind != PatternSegment::Kind::text) {
            plain = false;
            text = segment.type == CaptureType::integer ? "${number}" : "${string}";
        }
        out += text;
    }
    if (out == "${string}") return "string";
    return plain ? literal(out) : "`" + out + "`";  // a segment has nothing that must be escaped
}

// The channels that a condition lets through, as far as it says so.
void add_channels(const Route& route, const Condition& condition, Union& out) {
    using enum Condition::Kind;
    const auto pattern_in = [&](const Condition& part) -> const Pattern* {
        if (part.kind != atom || route.program.atoms[part.atom].test != Test::channel_is) return nullptr;
        return &route.program.patterns[route.program.atoms[part.atom].left.index];
    };
    if (condition.kind == constant && !condition.value) return;
    if (condition.kind == any_of) {
        for (const Condition& part : condition.args) add_channels(route, part, out);
        return;
    }
    if (const Pattern* own = pattern_in(condition)) {
        out.insert(channel_text(route, *own));
        return;
    }
    if (condition.kind == all_of) {
        for (const Condition& part : condition.args) {
            if (const Pattern* own = pattern_in(part)) {
                out.insert(channel_text(route, *own));
                return;
            }
        }
    }
    out.insert("string");
}

std::string channels_of(const Route& route) {
    Union out;
    for (const Clause& clause : route.clauses[route.subscribe]) {
        if (clause.rule != Clause::no_rule && route.rules[clause.rule].allow)
            add_channels(route, clause.condition, out);
    }
    for (const Join& join : route.joins) out.insert(channel_text(route, join.channel));
    for (const Message& message : route.messages)
        for (const Join& join : message.subscribes) out.insert(channel_text(route, join.channel));
    return out.contains("string") ? "string" : joined(out);
}

// --- reasons ---

std::string reasons_of(const Route& route) {
    Union out;
    const auto add = [&](const std::optional<Outcome>& outcome) {
        if (outcome && outcome->kind == OutcomeKind::error && !outcome->name.empty())
            out.insert(literal(outcome->name));
    };
    for (size_t i = 0; i < refusals; ++i) {
        out.insert(literal(to_string(static_cast<Refusal>(i))));
        for (const auto& outcome : route.errors[i]) add(outcome);
    }
    bool asks = false;
    for (const RuleInfo& rule : route.rules) {
        add(rule.then);
        asks = asks || rule.by;
    }
    const auto add_limits = [&](const std::vector<Limit>& limits) {
        for (const Limit& limit : limits) add(limit.then);
    };
    add_limits(route.limits);
    for (const Message& message : route.messages) {
        add_limits(message.limits);
        asks = asks || !message.forwards.empty();
    }
    for (const Stream& stream : route.streams) add_limits(stream.limits);
    if (asks) out.insert("(string & {})");  // the backend has words of its own
    return joined(out);
}

std::string streams_of(const Route& route) {
    Union out;
    for (const Stream& stream : route.streams) out.insert(literal(stream.name));
    return joined(out);
}

std::string interface_of(std::string_view name, const Types& types) {
    return "export interface " + std::string(name) + " {\n" + types.text("  ") + "}\n";
}

}  // namespace

std::string typescript(const Route& route) {
    std::string out =
        "// By `wayleave types`, from the route " + route.name + ". Change the policy instead.\n\n";
    out +=
        "// What the policy lets arrive. What your servers publish, a file of yours adds, where this one is "
        "./wire:\n"
        "// import \"./wire\"; declare module \"./wire\" { interface WireIn { paid: { order: number } } }\n";
    out += interface_of("WireIn", in_of(route));
    out += "\nexport interface Wire {\n  out: {\n" + out_of(route).text("    ") + "  };\n  in: WireIn;\n";
    out += "  channel: " + channels_of(route) + ";\n";
    out += "  stream: " + streams_of(route) + ";\n";
    out += "  reason: " + reasons_of(route) + ";\n}\n";
    return out;
}

}  // namespace wayleave::dsl
