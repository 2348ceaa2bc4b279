// Boolean functions in a canonical form: reduced ordered binary decision diagrams. Two functions are equal if
// and only if their numbers are. For the exact checks of lint; bounded, so that it gives up and never runs
// away.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

namespace wayleave::dsl {

class Bdd {
  public:
    // A function. Means nothing outside its Bdd.
    using Id = uint32_t;
    static constexpr Id no = 0;
    static constexpr Id yes = 1;

    // Once more nodes would be needed, gave_up() is true for good, and what is returned means nothing.
    explicit Bdd(size_t most_nodes = 4096) : most_(most_nodes) {}

    [[nodiscard]] Id variable(uint32_t number);  // the smaller numbers are asked first
    [[nodiscard]] Id negation(Id a) { return choose(a, no, yes); }
    [[nodiscard]] Id both(Id a, Id b) { return choose(a, b, no); }
    [[nodiscard]] Id either(Id a, Id b) { return choose(a, yes, b); }
    [[nodiscard]] Id choose(Id condition, Id then, Id otherwise);  // if-then-else
    [[nodiscard]] Id restricted(Id a, uint32_t variable, bool value);

    // Whether b holds wherever a does.
    [[nodiscard]] bool implies(Id a, Id b) { return both(a, negation(b)) == no; }

    // Variables and their values for which it holds; what is missing does not matter. Nothing for `no`.
    struct Choice {
        uint32_t variable = 0;
        bool value = false;

        friend bool operator==(const Choice&, const Choice&) = default;
    };
    [[nodiscard]] std::optional<std::vector<Choice>> example(Id a) const;

    [[nodiscard]] bool gave_up() const { return gave_up_; }
    [[nodiscard]] size_t nodes() const { return nodes_.size(); }

  private:
    struct Node {
        uint32_t variable = 0;
        Id then = no;
        Id otherwise = no;

        friend bool operator==(const Node&, const Node&) = default;
    };
    struct Hash {
        size_t operator()(const Node& node) const;
    };

    [[nodiscard]] Id node(uint32_t variable, Id then, Id otherwise);
    [[nodiscard]] const Node* at(Id a) const { return a < 2 ? nullptr : &nodes_[a - 2]; }
    [[nodiscard]] uint32_t top(Id a) const;
    [[nodiscard]] Id branch(Id a, uint32_t variable, bool value) const;
    [[nodiscard]] Id restrict_below(Id a, uint32_t variable, bool value, std::unordered_map<Id, Id>& known);

    size_t most_;
    bool gave_up_ = false;
    std::vector<Node> nodes_;                      // those of Id 2 and above
    std::unordered_map<Node, Id, Hash> unique_;    // each node once
    std::unordered_map<Node, Id, Hash> computed_;  // choose(): condition, then, otherwise
};

}  // namespace wayleave::dsl
