// What a reload replaces, in one piece: the policy, the keys that its tokens name, the static files and
// the bounds of queues and waits.
// Immutable; shared by the workers, swapped by pointer.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/now.h"
#include "daemon/decision/proof.h"
#include "daemon/message/backend.h"
#include "daemon/message/broker.h"
#include "daemon/protocol/forwarded.h"
#include "dsl/policy/policy.h"

namespace wayleave {

class IdempotencyTable;
class UsedTokens;

struct NamedKey {
    uint64_t key = 0;  // see Proof
    std::string name;  // `kid "2026-11" (ES256)`
};

// What the keys and backends behind the `token` blocks say about credentials. Implemented over
// daemon/identity. Thread-safe.
class TokenVerifier {
  public:
    virtual ~TokenVerifier() = default;
    // At once, from what is known.
    [[nodiscard]] virtual Proof verify(const Credential& credential, Now now) const = 0;
    struct Asking {
        // About what was good before: whatever is believed of it, unless somebody has asked since (steady
        // time).
        std::optional<int64_t> since_ms = {};
        std::string traceparent = {};  // for who is asked; empty: none
    };
    // Asks for what was pending. `done` is called once, perhaps before ask() returns, by any thread, and is
    // never told that it is pending again. A caller that does not care any more ignores it.
    virtual void ask(const Credential& credential, const Asking& asking, Now now,
                     std::function<void(Proof)> done) const;
    // Whether the `token` block of that number still trusts the key of a proof. True where nobody can tell.
    [[nodiscard]] virtual bool trusts(uint32_t, uint64_t) const { return true; }
    // Its keys, for the operator; none where it has none, or they are not known yet.
    [[nodiscard]] virtual std::vector<NamedKey> keys_of(uint32_t) const { return {}; }
};

// A file as it is served: the head is made per request, the body shared.
struct StaticFile {
    std::string content_type;
    Frame body;
    std::string etag = {};                                // with its quotes
    std::string modified = {};                            // as Last-Modified writes it; empty: nobody knows
    std::string headers = {};                             // more of them, as lines
    std::shared_ptr<const StaticFile> gzipped = nullptr;  // for who takes it; null: there is none
};

struct GatewaySettings {
    ProxyTrust proxies = {};
    size_t max_queue_bytes = 1 << 20;
    size_t max_queue_messages = 1024;
    int64_t max_queue_age_ms = 10'000;
    int64_t message_timeout_ms = 10'000;
    int64_t handshake_timeout_ms = 10'000;
    int64_t close_timeout_ms = 5'000;
    int64_t drain_ms = 30'000;
    int64_t broker_timeout_ms = 2'000;
    bool log_connections = true;  // a line for each that is opened and closed
};

struct Runtime {
    std::shared_ptr<const dsl::Policy> policy;             // never null
    std::shared_ptr<const TokenVerifier> verifier;         // never null
    std::shared_ptr<UsedTokens> used_tokens;               // null where nothing is used up: explain and tests
    std::shared_ptr<IdempotencyTable> idempotency;         // likewise
    std::vector<std::shared_ptr<const Backend>> backends;  // in the order of Policy::backends
    Backends* backend_service = nullptr;  // outlives all runtimes; null where nobody is asked
    std::map<std::string, StaticFile, std::less<>> files;  // by decoded path, "/" among them
    std::shared_ptr<const dsl::Policy> shadow;             // asked beside the policy, or null
    uint32_t shadow_per_million = 0;                       // of connections
    GatewaySettings settings;
    uint64_t generation = 0;  // counts loads
};

inline void TokenVerifier::ask(const Credential&, const Asking&, Now, std::function<void(Proof)> done) const {
    done(Proof::unavailable("nobody can be asked about this token"));
}

}  // namespace wayleave
