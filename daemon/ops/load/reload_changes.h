// What a reload changes, a line each: what the policy means, the keys that it trusts, certificates, settings.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/decision/runtime.h"
#include "daemon/edge/tls_side.h"
#include "daemon/ops/settings/settings.h"
#include "dsl/policy/difference.h"

namespace wayleave {

struct Configuration {
    const std::vector<SettingOrigin>& settings;
    const Runtime& runtime;
    const std::vector<std::shared_ptr<const TlsSide>>& tls;  // null for a listener without TLS
};

// Of keys, certificates and settings: `token session: + kid "2026-11" (ES256)`.
[[nodiscard]] std::vector<std::string> changes_beside_policy(const Configuration& before,
                                                             const Configuration& after);

// Of the policy, a line for each block: `route chat: 2 lines added, 1 removed`.
[[nodiscard]] std::vector<std::string> summary_of(const std::vector<dsl::SectionChange>& changes);

}  // namespace wayleave
