// A token that a client brings for one channel: verified as those of handshakes are, never an identity, and
// remembered with the subscription that it made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "daemon/decision/identify.h"
#include "daemon/decision/runtime.h"
#include "dsl/policy/policy.h"

namespace wayleave {

// What is remembered of it. It outlives the policy by which it was judged.
struct HeldGrant {
    std::string token;                            // the block's name
    uint64_t key = 0;                             // see Proof
    int64_t expires_ms = 0;                       // wall time; 0: never
    std::shared_ptr<const dsl::FactShape> shape;  // the route's when it was brought
    std::vector<dsl::Value> facts;                // in the order of the shape

    [[nodiscard]] size_t bytes() const;
};

constexpr size_t most_grant_bytes = 4096;  // of the claims of one, all together

// What `text` is worth as a grant on this route: the first block that it proves something to decides.
[[nodiscard]] Identification identify_grant(const Runtime& runtime, const dsl::Route& route,
                                            const std::string& text,
                                            const std::vector<AnsweredProof>& answers, Now now);

// As conditions of the route read it. `who` is what identify_grant() found.
[[nodiscard]] HeldGrant hold_grant(const dsl::Policy& policy, const dsl::Route& route, Identified who);

// For the conditions of another route, such as the same one after a reload. Empty if no rule of it says
// `with` that block, or asks for claims that the grant never had: then none was brought.
[[nodiscard]] std::vector<dsl::Value> grant_facts(const HeldGrant& grant, const dsl::Route& route);

// Whether the rule that decided says `with`.
[[nodiscard]] bool needs_grant(const dsl::Route& route, dsl::NodeId verdict);

// Whether the policy still trusts what vouched for it.
[[nodiscard]] bool is_trusted(const HeldGrant& grant, const Runtime& runtime);

}  // namespace wayleave
