// Who is it? A client's credentials against the token blocks of a route: the one way for handshakes and for
// `$auth`.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "daemon/base/now.h"
#include "daemon/decision/claims.h"
#include "daemon/decision/proof.h"
#include "daemon/decision/rejection.h"
#include "daemon/decision/runtime.h"
#include "dsl/policy/facts.h"

namespace wayleave {

struct Identified {
    size_t place = 0;       // in Route::auth; of a grant in Route::grants
    uint32_t token = 0;     // in Policy::tokens
    std::string user;       // may be empty; with its realm where the route takes tokens of several
    bool nameless = false;  // the claim that names the user is secret: others are not told
    uint64_t key = 0;       // see Proof
    Claims claims;
    // What proved it, where `recheck` asks about it again; secret.
    std::optional<Credential> shown = {};
};

// Who it is, or why not, or what must be asked for first.
using Identification = std::variant<Identified, Rejection, Credential>;

// What one client shows, by whichever way it comes.
struct Shown {
    std::vector<Credential> credentials;  // in the order of the blocks
    // What TLS knows about the client: the only proof of a block `from certificate`. May be null.
    std::shared_ptr<const std::string> certificate = nullptr;
};

// The first credential that proves something to one of the blocks decides. `answers` are those to earlier
// questions of the same client.
[[nodiscard]] Identification identify(const Runtime& runtime, const dsl::Route& route,
                                      std::span<const uint32_t> blocks, const Shown& shown,
                                      const std::vector<AnsweredProof>& answers, Now now);

// A token that stands in a message could stand in any of the places where its block looks for text: a backend
// is asked as for the first that could have carried it. It is never a certificate; the one that the
// connection has shown is no news.
[[nodiscard]] Shown shown_in_message(const dsl::Policy& policy, std::span<const uint32_t> blocks,
                                     const std::string& token);

// Whether the claim that names the user is one that nobody is shown.
[[nodiscard]] bool is_secret_user(const dsl::TokenDecl& token);

// The claims where the route's conditions read them.
void put_claims(const dsl::Route& route, const Identified& who, dsl::Facts& facts);

// Uses up a token that is good for one time: nothing; or why not; or what must be asked first, whose answer
// stands among `answers` then. The last step: a client that is refused for something else may come again with
// the same token.
using UsedUp = std::variant<std::monostate, Rejection, Credential>;
[[nodiscard]] UsedUp use_up(const Runtime& runtime, const Identified& who,
                            const std::vector<AnsweredProof>& answers, Now now);

}  // namespace wayleave
