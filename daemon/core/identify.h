// Who is it? A client's credentials against the token blocks of a route: the one way for handshakes and for
// `$auth`.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "daemon/core/claims.h"
#include "daemon/core/now.h"
#include "daemon/core/proof.h"
#include "daemon/core/rejection.h"
#include "daemon/core/runtime.h"
#include "dsl/facts.h"

namespace wayleave {

struct Identified {
    size_t place = 0;    // in Route::auth
    uint32_t token = 0;  // in Policy::tokens
    std::string user;    // may be empty
    Claims claims;
};

// Who it is, or why not, or what must be asked for first.
using Identification = std::variant<Identified, Rejection, Credential>;

// The first credential that proves something decides; they stand in the order of Route::auth. `answers` are
// those to earlier questions of the same client.
[[nodiscard]] Identification identify(const Runtime& runtime, const dsl::Route& route,
                                      const std::vector<Credential>& shown,
                                      const std::vector<AnsweredProof>& answers, Now now);

// The claims where the route's conditions read them.
void put_claims(const dsl::Route& route, const Identified& who, dsl::Facts& facts);

// Uses up a token that is good for one time; nothing, or why not. The last step: who is refused for something
// else may come again with the same token.
[[nodiscard]] std::optional<Rejection> use_up(const Runtime& runtime, const Identified& who, Now now);

}  // namespace wayleave
