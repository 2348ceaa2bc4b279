#include "daemon/core/claims.h"

#include <cmath>

#include "daemon/core/json_value.h"

namespace wayleave {
namespace {

using simdjson::dom::element;
using simdjson::dom::object;

struct Time {
    bool present = false;
    int64_t ms = 0;
};

// NumericDate (RFC 7519 2): seconds, perhaps with a fraction.
Result<Time> read_time(object payload, const char* name) {
    bool ambiguous = false;
    const auto member = json_member(payload, {name}, ambiguous);
    if (ambiguous) return failure(std::string("the token says ") + name + " twice");
    if (!member) return Time{};
    double seconds = 0;
    // 1e11 s is the year 5138: what is beyond is no date, and would overflow milliseconds.
    if (member->get(seconds) != simdjson::SUCCESS || !(seconds >= 0 && seconds < 1e11)) {
        return failure(std::string("the token's ") + name + " is no time");
    }
    return Time{true, static_cast<int64_t>(std::floor(seconds * 1000))};
}

bool is_text(const element& item, std::string_view wanted) {
    std::string_view text;
    return item.get(text) == simdjson::SUCCESS && text == wanted;
}

bool has_audience(const element& aud, std::string_view wanted) {
    simdjson::dom::array list;
    if (aud.get(list) != simdjson::SUCCESS) return is_text(aud, wanted);
    for (const element one : list) {
        if (is_text(one, wanted)) return true;
    }
    return false;
}

Status check_times(object payload, int64_t wall_ms, Claims& out) {
    const auto exp = read_time(payload, "exp");
    if (!exp) return failure(exp.error());
    const auto nbf = read_time(payload, "nbf");
    if (!nbf) return failure(nbf.error());
    if (exp->present) {
        if (exp->ms + token_leeway_ms <= wall_ms) return failure("the token has expired");
        // What came in on leeway gets the leeway, once.
        out.expires_ms = exp->ms > wall_ms ? exp->ms : wall_ms + token_leeway_ms;
    }
    if (nbf->present && nbf->ms - token_leeway_ms > wall_ms) return failure("the token is not valid yet");
    return success();
}

Status check_names(const dsl::TokenDecl& token, object payload) {
    bool ambiguous = false;
    if (!token.issuer.empty()) {
        const auto iss = json_member(payload, {"iss"}, ambiguous);
        if (!iss || ambiguous || !is_text(*iss, token.issuer))
            return failure("the token is from another issuer");
    }
    if (!token.audience.empty()) {
        const auto aud = json_member(payload, {"aud"}, ambiguous);
        if (!aud || ambiguous || !has_audience(*aud, token.audience))
            return failure("the token is for another audience");
    }
    return success();
}

}  // namespace

Result<Claims> read_claims(const dsl::TokenDecl& token, std::string_view payload, int64_t wall_ms) {
    thread_local simdjson::dom::parser parser;
    element root;
    object members;
    if (parser.parse(payload.data(), payload.size()).get(root) != simdjson::SUCCESS ||
        root.get(members) != simdjson::SUCCESS) {
        return failure("the token's claims are no JSON object");
    }
    Claims out;
    if (const auto times = check_times(members, wall_ms, out); !times) return failure(times.error());
    if (const auto names = check_names(token, members); !names) return failure(names.error());
    out.values.reserve(token.claims.size());
    for (const dsl::ClaimDecl& claim : token.claims) {
        bool ambiguous = false;
        const auto member = json_member(members, claim.member, ambiguous);
        if (ambiguous) return failure("the token says the claim " + claim.name + " twice");
        if (!member && claim.required) return failure("the token has no claim " + claim.name);
        if (!member) {
            out.values.push_back(claim.otherwise);
            continue;
        }
        auto value = json_value(*member, claim.type);
        if (!value) return failure("the token's claim " + claim.name + " is no " + to_string(claim.type));
        out.values.push_back(std::move(*value));
    }
    return out;
}

}  // namespace wayleave
