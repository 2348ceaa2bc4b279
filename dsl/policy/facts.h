// What is known about one connection for as long as it lives. It belongs to the connection, not to a policy:
// a reload replaces the policy under it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dsl/policy/value.h"

namespace wayleave::dsl {

// Names and types of a route's own facts (captures, inputs, claims), in the order of Facts::values. Shared by
// the route's connections and outlives the policy that made it.
struct FactShape {
    struct Fact {
        std::string name;  // "tenant"; "user.sub"
        Type type;
        bool secret = false;  // never shown to anybody

        friend bool operator==(const Fact&, const Fact&) = default;
    };
    std::string route;
    std::vector<Fact> facts;

    friend bool operator==(const FactShape&, const FactShape&) = default;
};

struct Facts {
    Address ip;
    bool tls = false;
    std::string host;
    std::string path;
    std::string origin;
    std::string subprotocol;
    std::shared_ptr<const FactShape> shape;
    std::vector<Value> values;
};

// The values of `facts` in the order of another shape, found by name and type. False if one is missing: what
// a token or a handshake said about it is not known any more, and `else` means that it said nothing, which
// may not be so.
[[nodiscard]] bool rebind(Facts& facts, const std::shared_ptr<const FactShape>& shape);

}  // namespace wayleave::dsl
