// Runs the conditions of a route: the one evaluator for the daemon, lint, explain and test. Pure; it
// allocates nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "dsl/policy/facts.h"
#include "dsl/policy/program.h"

namespace wayleave::dsl {

struct BackendPath;

// What is asked about. Everything is borrowed for the call.
struct Request {
    const Facts* facts = nullptr;
    const ChannelName* channel = nullptr;  // for subscribe, publish
    uint64_t connection = 0;
    int64_t connection_age_ms = 0;
    int64_t subscriptions = 0;
    std::string_view message_type;
    int64_t message_size = 0;
    bool message_binary = false;
    std::span<const Value> fields;
    std::span<const Value> grant;  // as long as Program::ungranted; empty: none was brought
    NodeId vouched = never;        // the verdict of a rule with `by` to which its backend has said yes
};

// A value as it is read: no copy, no allocation.
using ValueView =
    std::variant<bool, int64_t, double, std::string_view, Address, Net, Rate, const std::vector<Scalar>*>;

// The nodes that are left of a program when everything that cannot change for a connection is known, and the
// roots of them. Conditions use the program's own atoms. Shared by all connections of a route that answered
// alike.
struct Residual {
    std::vector<Node> nodes;
    std::vector<NodeId> roots;
};

// What fold() needs to know, and the key under which residuals are shared: one bit for each atom, and then
// one word for each early switch, the number of its case plus one.
using AtomBits = std::vector<uint64_t>;

// The answers of all atoms and switches of stage arrival and identity that nodes ask.
[[nodiscard]] AtomBits early_answers(const Program& program, const Request& request);
[[nodiscard]] Residual fold(const Program& program, const AtomBits& answers);

// The verdict at the end: `never`, `always`, or verdict(rule).
[[nodiscard]] NodeId decide(const Program& program, std::span<const Node> nodes, NodeId root,
                            const Request& request);

// The same by what is known when a handshake has arrived and nothing has been verified. `undecided` where the
// verdict hangs on something later.
[[nodiscard]] NodeId decide_at_arrival(const Program& program, NodeId root, const Request& request);

[[nodiscard]] bool holds(const Program& program, const Atom& atom, const Request& request);
[[nodiscard]] ValueView view(const Value& value);
[[nodiscard]] uint64_t switch_hash(const ValueView& value);
[[nodiscard]] ValueView fetch(const Program& program, const Operand& operand, const Request& request);
[[nodiscard]] Value copy_of(const ValueView& view);

// The path of a backend with its values in their places, percent-encoded. False if one of them is empty or
// would lead elsewhere (`.`, `..`).
[[nodiscard]] bool build_path(const Program& program, const BackendPath& to, const Request& request,
                              std::string& out);
// Whether the channel matches the pattern.
[[nodiscard]] bool matches(const Program& program, const Pattern& pattern, const ChannelName& channel,
                           const Request& request);

// The channel that a template names. False if an insert is empty, or the name would be too long.
[[nodiscard]] bool build_channel(const Program& program, const Pattern& pattern, const Request& request,
                                 std::string& out);

}  // namespace wayleave::dsl
