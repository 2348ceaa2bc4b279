// What outlasts a reload: which tokens were used, the keys that were fetched, the connections to backends and
// what is counted about them. Built before the first policy is loaded; goes after all workers.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "daemon/backend/http_backends.h"
#include "daemon/decision/idempotency.h"
#include "daemon/decision/used_tokens.h"
#include "daemon/identity/introspection.h"
#include "daemon/identity/remote_keys.h"
#include "daemon/ops/load/token_verifier.h"
#include "daemon/ops/server/snapshot.h"

namespace wayleave {

class IdentityServices {
  public:
    IdentityServices();
    IdentityServices(const IdentityServices&) = delete;
    IdentityServices& operator=(const IdentityServices&) = delete;

    // The keys at that URL, as long as somebody holds them. Any thread.
    [[nodiscard]] std::shared_ptr<RemoteKeys> keys_at(const std::string& url);
    // Fetches what is due. Main thread, every second or so.
    void refresh(Now now);
    // No answer comes any more. Before the workers go.
    void stop() { backends.stop(); }

    [[nodiscard]] IdentityTotals totals() const;

    const std::shared_ptr<UsedTokens> used_tokens = std::make_shared<UsedTokens>();
    const std::shared_ptr<IdempotencyTable> idempotency = std::make_shared<IdempotencyTable>();
    const std::shared_ptr<TokenCacheCounters> token_cache = std::make_shared<TokenCacheCounters>();
    const std::shared_ptr<CheckCounters> checks = std::make_shared<CheckCounters>();
    HttpBackends backends;

  private:
    mutable std::mutex mutex_;
    std::map<std::string, std::weak_ptr<RemoteKeys>> keys_;
};

}  // namespace wayleave
