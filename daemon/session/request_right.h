// By what right a plain request is on its way to a backend: as it was let in, and whether that still holds.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "daemon/decision/admission.h"
#include "daemon/decision/connection_view.h"
#include "daemon/decision/rejection.h"
#include "daemon/session/bindings.h"

namespace wayleave {

class RequestRight {
  public:
    struct Over {
        int status = 0;  // if nothing is answered yet
        Rejection rejection;
    };

    // Takes the facts. `number` is the session's.
    RequestRight(Bindings& bindings, Admitted& admitted, uint64_t number, bool is_link, Now now);

    [[nodiscard]] const dsl::Route& route() const { return *binding_->route; }
    [[nodiscard]] const std::string& path() const { return facts_.path; }
    // When it ends by itself, as far as can be told; steady time, INT64_MAX: never.
    [[nodiscard]] int64_t ends_at_ms(Now now) const;
    // It has ended by itself.
    [[nodiscard]] std::optional<Over> ended(Now now) const;
    // By the policy in force. Nothing: it goes on, by that policy.
    [[nodiscard]] std::optional<Over> judge(Bindings& bindings, Now now);

  private:
    [[nodiscard]] OpenConnection open_connection(Now now) const;

    std::shared_ptr<const Binding> binding_;
    dsl::Facts facts_;
    std::string user_;  // may be empty
    uint64_t number_;
    uint64_t key_;        // see Proof
    int64_t expires_ms_;  // of the token; wall time; 0: never
    int64_t since_ms_;    // steady time
    uint32_t token_;      // number in the policy's tokens plus one; 0: none
    bool is_link_;        // see OpenConnection
};

}  // namespace wayleave
