// The compiled conditions of one route: atoms (the questions), shared by all rules, and jumps between them. A
// value without behaviour; evaluate.h runs it.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "dsl/policy/pattern.h"
#include "dsl/policy/value.h"

namespace wayleave::dsl {

// When a value becomes known. A condition may read what is known at its rule's stage or before.
enum class Stage : uint8_t { constant, arrival, identity, channel, message };

enum class Attribute : uint8_t {
    ip,
    subnet,  // /24 of IPv4, /56 of IPv6
    host,
    path,
    origin,
    subprotocol,
    tls,
    fact,        // slot: index in Facts::values
    connection,  // its number, as a limit's key
    connection_age,
    connection_subscriptions,
    channel,
    channel_segment,  // slot: which segment
    message_type,
    message_size,
    message_binary,
    field,  // slot: index in Request::fields
    grant,  // slot: index in Request::grant
};

struct Operand {
    enum class From : uint8_t { constant, attribute, lookup };

    From from = From::constant;
    Attribute attribute = Attribute::ip;
    uint16_t slot = 0;   // of an attribute
    uint32_t index = 0;  // in Program::constants or Program::lookups

    friend auto operator<=>(const Operand&, const Operand&) = default;
};

// NAME[key] else otherwise
struct Lookup {
    Operand key;
    std::vector<std::pair<Scalar, Value>> entries;  // sorted by key
    Value otherwise;
};

enum class Test : uint8_t {
    is_true,  // left
    equal,
    less,
    less_equal,
    // from here on an answer is expensive enough to be remembered
    element,     // left is in the set right
    in_net,      // the ip left is in the net right
    in_nets,     // the ip left is in the constant right: nets, merged and sorted
    net_in_net,  // the net left lies within the net right
    like,        // left matches the glob right
    overlaps,    // the sets have an element in common
    channel_is,  // the channel matches the pattern left.index
};

struct Atom {
    Test test = Test::is_true;
    Operand left;
    Operand right;
    Stage stage = Stage::arrival;

    friend auto operator<=>(const Atom&, const Atom&) = default;
};

// A pattern of channels, and the template of one: an insert takes a value of the connection or the message.
struct PatternSegment {
    enum class Kind : uint8_t { text, capture, insert, any, rest };

    Kind kind = Kind::text;
    CaptureType type = CaptureType::any;  // of a capture
    std::string text;
    Operand insert;

    friend auto operator<=>(const PatternSegment&, const PatternSegment&) = default;
};
using Pattern = std::vector<PatternSegment>;

// A node is a jump, `atoms[atom] ? yes : no`, or a switch; with the top bit set a verdict.
using NodeId = uint32_t;
constexpr NodeId verdict_bit = 0x8000'0000;
constexpr NodeId never = verdict_bit | 0;   // false; as a decision: no rule allows it
constexpr NodeId always = verdict_bit | 1;  // true
constexpr NodeId undecided = ~NodeId{0};    // what is known so far leads to no verdict
constexpr NodeId verdict(size_t rule) {
    return verdict_bit | static_cast<NodeId>(rule + 2);
}

// Instead of an atom: the number of a switch. Then `yes` is the first of its cases, nodes that stand together
// and say in `yes` where they lead; `no` is for a value that is none of them.
constexpr uint32_t switch_bit = 0x8000'0000;
constexpr uint32_t case_of_switch = UINT32_MAX;  // the atom of a case

struct Node {
    uint32_t atom = 0;
    NodeId yes = never;
    NodeId no = never;

    friend bool operator==(const Node&, const Node&) = default;
};

// Many questions in one look-up: which of these constants (texts, ints or ips) an operand equals.
struct Switch {
    Operand on;
    Stage stage = Stage::arrival;
    std::vector<uint32_t> constants;  // in Program::constants, one a case
    std::vector<uint32_t> slots;      // by hash, open addressing: a case's number plus one; 0: free
};

using RootId = uint32_t;  // index in Program::roots

constexpr size_t most_remembered = 512;  // answers of expensive atoms in one decision

struct Program {
    std::vector<Value> constants;
    std::vector<Lookup> lookups;
    std::vector<Pattern> patterns;
    std::vector<Atom> atoms;
    std::vector<Switch> switches;
    std::vector<Node> nodes;
    std::vector<NodeId> roots;
    std::vector<Value> ungranted;  // the facts of all grants where none was brought

    // Made when the rest is complete: what can be answered at connect, of what nodes ask, and for expensive
    // atoms that several nodes ask the place where one decision remembers the answer, plus one.
    std::vector<uint32_t> early_atoms;
    std::vector<uint32_t> early_switches;
    std::vector<uint16_t> memory;
    size_t remembered = 0;
};

}  // namespace wayleave::dsl
