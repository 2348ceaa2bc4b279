// What a reload replaces, in one piece: the policy, the keys that its tokens name, the static files and
// the bounds of queues and waits.
// Immutable; shared by the workers, swapped by pointer.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/core/broker.h"
#include "dsl/policy.h"
#include "dsl/result.h"

namespace wayleave {

// Whether a token was signed by one of the keys of a `token` block. Implemented over daemon/identity.
class TokenVerifier {
  public:
    virtual ~TokenVerifier() = default;
    // `token` is the index in Policy::tokens. Gives the payload, or a static sentence for the log.
    // Thread-safe.
    [[nodiscard]] virtual Result<std::string, std::string_view> verify(size_t token,
                                                                       std::string_view compact) const = 0;
};

// A file as it is served: the head is made per request, the body shared.
struct StaticFile {
    std::string content_type;
    Frame body;
};

struct GatewaySettings {
    size_t max_queue_bytes = 1 << 20;
    size_t max_queue_messages = 1024;
    int64_t max_queue_age_ms = 10'000;
    int64_t message_timeout_ms = 10'000;
    int64_t handshake_timeout_ms = 10'000;
    int64_t close_timeout_ms = 5'000;
    int64_t drain_ms = 30'000;
};

struct Runtime {
    std::shared_ptr<const dsl::Policy> policy;             // never null
    std::shared_ptr<const TokenVerifier> verifier;         // never null
    std::map<std::string, StaticFile, std::less<>> files;  // by decoded path, "/" among them
    std::shared_ptr<const dsl::Policy> shadow;             // asked beside the policy, or null
    uint32_t shadow_per_million = 0;                       // of connections
    GatewaySettings settings;
    uint64_t generation = 0;  // counts loads
};

}  // namespace wayleave
