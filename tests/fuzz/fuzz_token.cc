// Any bytes as a token against fixed keys, as the claims of one, and as a set of keys that somebody
// published. What is accepted has one form: a change of any byte is no token any more.

#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "daemon/decision/claims.h"
#include "daemon/identity/base64url.h"
#include "daemon/identity/verify.h"

using namespace wayleave;

namespace {

constexpr std::array all_algorithms = {Algorithm::HS256, Algorithm::RS256, Algorithm::ES256,
                                       Algorithm::EdDSA};

void check(bool holds) {
    if (!holds) std::abort();
}

// RFC 7515 A.3 and RFC 8037 A.4.
KeySet keys() {
    auto made = KeySet::published(
        R"({"keys":[{"kty":"EC","kid":"ec","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
        R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},{"kty":"OKP","crv":"Ed25519",)"
        R"("x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})");
    check(made.ok() && made->left_out().empty());
    return std::move(*made);
}

dsl::TokenDecl block() {
    dsl::TokenDecl out;
    out.single_use = true;
    out.max_age_ms = 300'000;
    out.audience = "chat";
    out.claims = {
        {"sub", {"sub"}, {dsl::Kind::string, dsl::Shape::one}, true, {}, false},
        {"n", {"a", "n"}, {dsl::Kind::integer, dsl::Shape::one}, false, dsl::Value(int64_t{1}), false},
        {"roles", {"roles"}, {dsl::Kind::string, dsl::Shape::set}, true, {}, false}};
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const KeySet set = keys();
    static const dsl::TokenDecl token = block();
    constexpr int64_t now_ms = 1'700'000'000'000;
    const std::string text(reinterpret_cast<const char*>(data), size);
    const auto payload = verify_signature(set, all_algorithms, text);
    if (payload) {
        for (size_t i = 0; i < text.size(); ++i) {
            std::string other = text;
            other[i] = static_cast<char>(other[i] ^ 1);
            check(!verify_signature(set, all_algorithms, other).ok());
        }
    }
    const auto claims = read_claims(token, text, now_ms);
    if (claims) {
        check(claims->values.size() == token.claims.size() && !claims->id.empty());
        check(claims->expires_ms > now_ms && claims->until_ms > now_ms);
        check(std::get<std::string>(claims->values[0].held).size() <= most_claim_bytes);
    }
    const auto expiry = expiry_of(text);
    check(!claims || (expiry && *expiry > 0));
    const auto published = KeySet::published(text);
    check(!published || (!published->keys().empty() && published->keys().size() <= 50));
    (void)decode_base64url(text);
    return 0;
}
