// Connections to backends that answered requests have left open, each for the next request of the same client
// connection alone: what one client is told can never be the answer to another. One for a client, and for a
// moment only: backends with few threads have one bound to each. One thread.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>

#include "daemon/base/now.h"
#include "daemon/decision/runtime.h"
#include "daemon/session/actions.h"

namespace wayleave {

class KeptUpstreams {
  public:
    explicit KeptUpstreams(Actions& actions) : actions_(actions) {}

    // Upstream `number` is the session's from now on, in the place of what it had.
    void keep(uint64_t session, uint64_t number, std::shared_ptr<const Backend> backend, Now now);
    // The session's upstream, if it leads to that backend: it is kept no longer. 0: there is none.
    [[nodiscard]] uint64_t take(uint64_t session, const Backend& backend);
    void drop(uint64_t session);
    void drop_all();
    [[nodiscard]] bool holds(uint64_t number) const { return sessions_.contains(number); }
    void drop_upstream(uint64_t number);  // it speaks, and nobody has asked it
    void gone(uint64_t number);
    void tick(Now now);
    [[nodiscard]] size_t count() const { return kept_.size(); }

  private:
    struct Kept {
        uint64_t number = 0;
        std::shared_ptr<const Backend> backend;
        int64_t until_ms = 0;
    };
    struct Term {
        int64_t until_ms = 0;
        uint64_t number = 0;
    };

    Actions& actions_;
    absl::flat_hash_map<uint64_t, Kept> kept_;          // by the session
    absl::flat_hash_map<uint64_t, uint64_t> sessions_;  // by the number
    std::deque<Term> terms_;  // in their order; some of the kept are taken meanwhile
};

}  // namespace wayleave
