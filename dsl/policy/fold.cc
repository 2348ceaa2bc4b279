// Takes out of a program what is known when a client has connected.
#include <algorithm>

#include "dsl/policy/evaluate.h"

namespace wayleave::dsl {
namespace {

bool is_verdict(NodeId id) {
    return (id & verdict_bit) != 0;
}
bool is_switch(const Node& node) {
    return (node.atom & switch_bit) != 0 && node.atom != case_of_switch;
}

// Nodes are in the order of their making: a node's targets come before it.
class Folding {
  public:
    Folding(const Program& program, const AtomBits& answers)
        : program_(program), answers_(answers), leads_(program.nodes.size()), alive_(program.nodes.size()) {}

    Residual run() {
        chosen_.assign(program_.switches.size(), undecided);
        const size_t words = (program_.atoms.size() + 63) / 64;
        for (size_t i = 0; i < program_.early_switches.size(); ++i)
            chosen_[program_.early_switches[i]] = static_cast<int64_t>(answers_[words + i]);
        for (NodeId i = 0; i < leads_.size(); ++i) leads_[i] = lead(i);
        for (const NodeId root : program_.roots) keep(where(root));
        for (size_t i = leads_.size(); i-- > 0;) {
            if (alive_[i]) keep_targets(program_.nodes[i]);
        }
        return emitted();
    }

  private:
    static constexpr int64_t undecided = -1;

    [[nodiscard]] NodeId where(NodeId id) const { return is_verdict(id) ? id : leads_[id]; }

    [[nodiscard]] size_t cases(const Node& node) const {
        return program_.switches[node.atom & ~switch_bit].constants.size();
    }

    // Where a node leads now; itself if that is still to be asked.
    [[nodiscard]] NodeId lead(NodeId id) const {
        const Node& node = program_.nodes[id];
        if (node.atom == case_of_switch) return id;
        if (is_switch(node)) return lead_of_switch(id, node);
        const NodeId yes = where(node.yes);
        const NodeId no = where(node.no);
        if (program_.atoms[node.atom].stage <= Stage::identity)
            return (answers_[node.atom / 64] >> (node.atom % 64) & 1) != 0 ? yes : no;
        return yes == no ? yes : id;
    }

    [[nodiscard]] NodeId lead_of_switch(NodeId id, const Node& node) const {
        const NodeId otherwise = where(node.no);
        const int64_t chosen = chosen_[node.atom & ~switch_bit];
        if (chosen == 0) return otherwise;
        if (chosen > 0) return where(program_.nodes[node.yes + static_cast<NodeId>(chosen) - 1].yes);
        const auto first = program_.nodes.begin() + node.yes;
        const bool alike = std::all_of(first, first + static_cast<std::ptrdiff_t>(cases(node)),
                                       [&](const Node& one) { return where(one.yes) == otherwise; });
        return alike ? otherwise : id;
    }

    void keep(NodeId id) {
        if (!is_verdict(id)) alive_[id] = true;
    }

    void keep_targets(const Node& node) {
        keep(where(node.no));
        if (!is_switch(node)) return keep(where(node.yes));
        for (size_t i = 0; i < cases(node); ++i) alive_[node.yes + i] = true;
    }

    [[nodiscard]] Residual emitted() {
        Residual out;
        out.nodes.reserve(static_cast<size_t>(std::count(alive_.begin(), alive_.end(), true)));
        std::vector<NodeId> moved(leads_.size());
        const auto target = [&](NodeId id) { return is_verdict(where(id)) ? where(id) : moved[where(id)]; };
        for (size_t i = 0; i < leads_.size(); ++i) {
            if (!alive_[i]) continue;
            const Node& node = program_.nodes[i];
            moved[i] = static_cast<NodeId>(out.nodes.size());
            out.nodes.push_back({node.atom, target(node.yes), target(node.no)});
        }
        for (const NodeId root : program_.roots) out.roots.push_back(target(root));
        return out;
    }

    const Program& program_;
    const AtomBits& answers_;
    std::vector<NodeId> leads_;  // of each node: itself, one before it, or a verdict
    std::vector<bool> alive_;
    std::vector<int64_t> chosen_;  // of each switch
};

}  // namespace

Residual fold(const Program& program, const AtomBits& answers) {
    return Folding(program, answers).run();
}

}  // namespace wayleave::dsl
