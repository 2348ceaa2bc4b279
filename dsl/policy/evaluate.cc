#include "dsl/policy/evaluate.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "dsl/policy/policy.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

using Set = const std::vector<Scalar>*;

Net subnet_of(const Address& ip) {
    return canonical({ip, static_cast<uint8_t>(ip.is_v4() ? 96 + 24 : 56)});
}

const Value& granted(const Program& program, const Operand& operand, const Request& request) {
    return request.grant.empty() ? program.ungranted[operand.slot] : request.grant[operand.slot];
}

ValueView attribute(const Program& program, const Operand& operand, const Request& request) {
    const Facts& facts = *request.facts;
    switch (operand.attribute) {
        case Attribute::ip: return facts.ip;
        case Attribute::subnet: return subnet_of(facts.ip);
        case Attribute::host: return std::string_view(facts.host);
        case Attribute::path: return std::string_view(facts.path);
        case Attribute::origin: return std::string_view(facts.origin);
        case Attribute::subprotocol: return std::string_view(facts.subprotocol);
        case Attribute::tls: return facts.tls;
        case Attribute::fact: return view(facts.values[operand.slot]);
        case Attribute::connection: return static_cast<int64_t>(request.connection);
        case Attribute::connection_age: return request.connection_age_ms;
        case Attribute::connection_subscriptions: return request.subscriptions;
        case Attribute::channel: return request.channel ? request.channel->text : std::string_view();
        case Attribute::channel_segment:
            // A segment past the end happens only beside a channel_is that fails: both answers are then
            // unused.
            return request.channel && operand.slot < request.channel->count
                       ? request.channel->segments[operand.slot]
                       : std::string_view();
        case Attribute::message_type: return request.message_type;
        case Attribute::message_size: return request.message_size;
        case Attribute::message_binary: return request.message_binary;
        case Attribute::field: return view(request.fields[operand.slot]);
        case Attribute::grant: return view(granted(program, operand, request));
    }
    return false;
}

// The operand's value where it stands, if it stands somewhere as a Value; else null.
const Value* standing(const Program& program, const Operand& operand, const Request& request) {
    if (operand.from == Operand::From::constant) return &program.constants[operand.index];
    if (operand.from == Operand::From::lookup) return nullptr;
    if (operand.attribute == Attribute::field) return &request.fields[operand.slot];
    if (operand.attribute == Attribute::grant) return &granted(program, operand, request);
    if (operand.attribute == Attribute::fact) return &request.facts->values[operand.slot];
    return nullptr;
}

// Two values in place, without the detour over views: nearly all that rules compare are texts and numbers.
// Empty: look at them the long way.
struct InPlace {
    std::string_view text;
    int64_t number = 0;
    enum class Is : uint8_t { other, text, number } is = Is::other;
};

InPlace in_place(const Program& program, const Operand& operand, const Request& request) {
    if (const Value* value = standing(program, operand, request)) {
        if (const auto* text = std::get_if<std::string>(&value->held)) return {*text, 0, InPlace::Is::text};
        if (const auto* number = std::get_if<int64_t>(&value->held))
            return {{}, *number, InPlace::Is::number};
        return {};
    }
    if (operand.from == Operand::From::lookup) return {};
    switch (operand.attribute) {
        case Attribute::message_size: return {{}, request.message_size, InPlace::Is::number};
        case Attribute::message_type: return {request.message_type, 0, InPlace::Is::text};
        case Attribute::channel_segment: {
            const bool there = request.channel && operand.slot < request.channel->count;
            return {there ? request.channel->segments[operand.slot] : std::string_view(), 0,
                    InPlace::Is::text};
        }
        default: return {};
    }
}

template <class T>
const T* as(const Scalar& scalar) {
    return std::get_if<T>(&scalar);
}

bool same(const ValueView& value, const Scalar& scalar) {
    return std::visit(
        [&](const auto& held) {
            using T = std::decay_t<decltype(held)>;
            if constexpr (std::is_same_v<T, std::string>) {
                const auto* text = std::get_if<std::string_view>(&value);
                return text && *text == held;
            } else {
                const auto* other = std::get_if<T>(&value);
                return other && *other == held;
            }
        },
        scalar);
}

// Sets are sorted; `list of` fields are not and are short.
bool has_element(const ValueView& value, Set set, bool sorted) {
    if (const auto* text = std::get_if<std::string_view>(&value); text && sorted) {
        const auto at = std::lower_bound(
            set->begin(), set->end(), *text,
            [](const Scalar& a, std::string_view b) { return std::string_view(*as<std::string>(a)) < b; });
        return at != set->end() && *as<std::string>(*at) == *text;
    }
    return std::any_of(set->begin(), set->end(), [&](const Scalar& scalar) { return same(value, scalar); });
}

bool in_nets(const Address& ip, Set nets) {
    // Sorted by address and disjoint: the last that begins at or before the ip is the only candidate.
    const auto after =
        std::upper_bound(nets->begin(), nets->end(), ip,
                         [](const Address& a, const Scalar& b) { return a < as<Net>(b)->address; });
    return after != nets->begin() && as<Net>(*std::prev(after))->contains(ip);
}

bool overlapping(Set a, Set b) {
    return std::any_of(a->begin(), a->end(), [&](const Scalar& scalar) {
        return std::find(b->begin(), b->end(), scalar) != b->end();
    });
}

bool in_order(const ValueView& a, const ValueView& b, bool or_equal) {
    if (const auto* x = std::get_if<int64_t>(&a)) {
        const auto y = std::get<int64_t>(b);
        return *x < y || (or_equal && *x == y);
    }
    if (const auto* x = std::get_if<double>(&a)) {
        const auto y = std::get<double>(b);
        return *x < y || (or_equal && *x == y);
    }
    return false;
}

// An insert's text: strings as they are, numbers in decimal.
std::string_view as_text(const ValueView& value, char (&digits)[24]) {
    if (const auto* text = std::get_if<std::string_view>(&value)) return *text;
    if (const auto* number = std::get_if<int64_t>(&value)) {
        const auto end = std::to_chars(digits, digits + sizeof digits, *number).ptr;
        return {digits, static_cast<size_t>(end - digits)};
    }
    return {};
}

constexpr uint32_t no_case = UINT32_MAX;

bool equals(const ValueView& value, const Value& constant) {
    if (const auto* text = std::get_if<std::string_view>(&value)) {
        const auto* other = std::get_if<std::string>(&constant.held);
        return other && *text == *other;
    }
    return value == view(constant);
}

uint32_t case_for(const Program& program, const Switch& question, const Request& request) {
    const ValueView value = fetch(program, question.on, request);
    const size_t mask = question.slots.size() - 1;
    for (size_t slot = switch_hash(value) & mask; question.slots[slot] != 0; slot = (slot + 1) & mask) {
        const uint32_t number = question.slots[slot] - 1;
        if (equals(value, program.constants[question.constants[number]])) return number;
    }
    return no_case;
}

}  // namespace

ValueView view(const Value& value) {
    return std::visit(
        [](const auto& held) -> ValueView {
            using T = std::decay_t<decltype(held)>;
            if constexpr (std::is_same_v<T, std::string>) {
                return std::string_view(held);
            } else if constexpr (std::is_same_v<T, std::vector<Scalar>>) {
                return &held;
            } else {
                return held;
            }
        },
        value.held);
}

uint64_t switch_hash(const ValueView& value) {
    if (const auto* text = std::get_if<std::string_view>(&value)) return std::hash<std::string_view>{}(*text);
    uint64_t words[2] = {0, 0};
    if (const auto* number = std::get_if<int64_t>(&value)) words[0] = static_cast<uint64_t>(*number);
    if (const auto* ip = std::get_if<Address>(&value)) std::memcpy(words, ip->bytes.data(), sizeof words);
    const uint64_t mixed = (words[0] ^ words[1] * 0x9E3779B97F4A7C15) * 0xBF58476D1CE4E5B9;
    return mixed ^ (mixed >> 32);
}

ValueView fetch(const Program& program, const Operand& operand, const Request& request) {
    switch (operand.from) {
        case Operand::From::constant: return view(program.constants[operand.index]);
        case Operand::From::attribute: return attribute(program, operand, request);
        case Operand::From::lookup: break;
    }
    const Lookup& lookup = program.lookups[operand.index];
    const ValueView key = fetch(program, lookup.key, request);
    for (const auto& [known, value] : lookup.entries) {
        if (same(key, known)) return view(value);
    }
    return view(lookup.otherwise);
}

bool matches(const Program& program, const Pattern& pattern, const ChannelName& channel,
             const Request& request) {
    char digits[24];
    for (size_t i = 0; i < pattern.size(); ++i) {
        const PatternSegment& segment = pattern[i];
        if (i >= channel.count) return false;
        switch (segment.kind) {
            case PatternSegment::Kind::rest: return true;
            case PatternSegment::Kind::any: break;
            case PatternSegment::Kind::text:
                if (channel.segments[i] != segment.text) return false;
                break;
            case PatternSegment::Kind::capture:
                if (!accepts(segment.type, channel.segments[i])) return false;
                break;
            case PatternSegment::Kind::insert: {
                const std::string_view text = as_text(fetch(program, segment.insert, request), digits);
                if (!is_segment_of(channel.segments[i], text)) return false;
                break;
            }
        }
    }
    return channel.count == pattern.size();
}

bool build_channel(const Program& program, const Pattern& pattern, const Request& request, std::string& out) {
    char digits[24];
    out.clear();
    for (const PatternSegment& segment : pattern) {
        if (!out.empty()) out += '/';
        if (segment.kind == PatternSegment::Kind::text) {
            out += segment.text;
            continue;
        }
        const std::string_view text = as_text(fetch(program, segment.insert, request), digits);
        if (text.empty()) return false;
        append_segment(out, text);
        if (out.size() > max_channel_bytes) return false;
    }
    return out.size() <= max_channel_bytes;
}

namespace {

// RFC 3986, 2.3: what need not be encoded anywhere.
void append_percent_encoded(std::string& out, std::string_view text) {
    for (const char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                           std::string_view("-._~").find(c) != std::string_view::npos;
        if (plain) {
            out += c;
            continue;
        }
        constexpr std::string_view digits = "0123456789ABCDEF";
        out +=
            {'%', digits[static_cast<unsigned char>(c) >> 4U], digits[static_cast<unsigned char>(c) & 15U]};
    }
}

}  // namespace

bool build_path(const Program& program, const BackendPath& to, const Request& request, std::string& out) {
    char digits[24];
    out.clear();
    if (to.pieces.empty()) out = to.path;
    for (const PathPiece& piece : to.pieces) {
        out += piece.text;
        if (!piece.insert) continue;
        const std::string_view text = as_text(fetch(program, *piece.insert, request), digits);
        if (text.empty() || text == "." || text == "..") return false;
        append_percent_encoded(out, text);
    }
    return true;
}

bool holds(const Program& program, const Atom& atom, const Request& request) {
    if (atom.test == Test::channel_is) {
        return request.channel &&
               matches(program, program.patterns[atom.left.index], *request.channel, request);
    }
    if (atom.test == Test::equal || atom.test == Test::less || atom.test == Test::less_equal) {
        const InPlace left = in_place(program, atom.left, request);
        if (left.is != InPlace::Is::other) {
            const InPlace right = in_place(program, atom.right, request);
            if (left.is == right.is) {
                if (left.is == InPlace::Is::text) return left.text == right.text;
                if (atom.test == Test::equal) return left.number == right.number;
                return left.number < right.number ||
                       (atom.test == Test::less_equal && left.number == right.number);
            }
        }
    }
    const ValueView left = fetch(program, atom.left, request);
    if (atom.test == Test::is_true) return std::get<bool>(left);
    const ValueView right = fetch(program, atom.right, request);
    switch (atom.test) {
        case Test::equal: return left == right;
        case Test::less: return in_order(left, right, false);
        case Test::less_equal: return in_order(left, right, true);
        case Test::element:
            return has_element(left, std::get<Set>(right), atom.right.attribute != Attribute::field);
        case Test::in_net: return std::get<Net>(right).contains(std::get<Address>(left));
        case Test::in_nets: return in_nets(std::get<Address>(left), std::get<Set>(right));
        case Test::net_in_net: {
            const Net& inner = std::get<Net>(left);
            const Net& outer = std::get<Net>(right);
            return inner.bits >= outer.bits && outer.contains(inner.address);
        }
        case Test::like:
            return glob_match(std::get<std::string_view>(right), std::get<std::string_view>(left));
        case Test::overlaps: return overlapping(std::get<Set>(left), std::get<Set>(right));
        case Test::is_true:
        case Test::channel_is: break;
    }
    return false;
}

NodeId decide(const Program& program, std::span<const Node> nodes, NodeId root, const Request& request) {
    // An expensive atom that several rules share is asked once.
    uint64_t asked[most_remembered / 64];
    uint64_t answers[most_remembered / 64];
    const size_t words = (program.remembered + 63) / 64;
    std::fill_n(asked, words, 0);
    std::fill_n(answers, words, 0);
    const auto remembered = [&](uint32_t number) {
        const Atom& atom = program.atoms[number];
        const uint32_t place = program.memory[number];
        if (place == 0) return holds(program, atom, request);
        const uint64_t bit = uint64_t{1} << (place - 1) % 64;
        const size_t word = (place - 1) / 64;
        if ((asked[word] & bit) == 0) {
            asked[word] |= bit;
            if (holds(program, atom, request)) answers[word] |= bit;
        }
        return (answers[word] & bit) != 0;
    };
    while ((root & verdict_bit) == 0) {
        const Node& node = nodes[root];
        if ((node.atom & switch_bit) != 0) {
            const uint32_t found = case_for(program, program.switches[node.atom & ~switch_bit], request);
            root = found == no_case ? node.no : nodes[node.yes + found].yes;
            continue;
        }
        const Atom& atom = program.atoms[node.atom];
        const bool yes = atom.test < Test::element ? holds(program, atom, request) : remembered(node.atom);
        root = yes ? node.yes : node.no;
    }
    return root;
}

NodeId decide_at_arrival(const Program& program, NodeId root, const Request& request) {
    while ((root & verdict_bit) == 0) {
        const Node& node = program.nodes[root];
        if ((node.atom & switch_bit) != 0) {
            const Switch& question = program.switches[node.atom & ~switch_bit];
            if (question.stage > Stage::arrival) return undecided;
            const uint32_t found = case_for(program, question, request);
            root = found == no_case ? node.no : program.nodes[node.yes + found].yes;
            continue;
        }
        const Atom& atom = program.atoms[node.atom];
        if (atom.stage > Stage::arrival) return undecided;
        root = holds(program, atom, request) ? node.yes : node.no;
    }
    return root;
}

AtomBits early_answers(const Program& program, const Request& request) {
    const size_t words = (program.atoms.size() + 63) / 64;
    AtomBits out(words + program.early_switches.size());
    for (const uint32_t i : program.early_atoms) {
        if (holds(program, program.atoms[i], request)) out[i / 64] |= uint64_t{1} << (i % 64);
    }
    for (size_t i = 0; i < program.early_switches.size(); ++i) {
        const uint32_t found = case_for(program, program.switches[program.early_switches[i]], request);
        out[words + i] = found == no_case ? 0 : found + 1;
    }
    return out;
}

Value copy_of(const ValueView& view) {
    return std::visit(
        [](const auto& held) -> Value {
            using T = std::decay_t<decltype(held)>;
            if constexpr (std::is_same_v<T, std::string_view>) {
                return std::string(held);
            } else if constexpr (std::is_pointer_v<T>) {
                return *held;
            } else {
                return held;
            }
        },
        view);
}

}  // namespace wayleave::dsl
