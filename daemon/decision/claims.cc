#include "daemon/decision/claims.h"

#include <algorithm>
#include <cmath>

#include "daemon/base/json_text.h"
#include "daemon/base/json_value.h"

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
    // 1e11 s is the year 5138: a number beyond it is no date, and would overflow milliseconds.
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

struct Times {
    Time exp, nbf, iat;
};

Result<Times> read_times(object payload) {
    const auto exp = read_time(payload, "exp");
    if (!exp) return failure(exp.error());
    const auto nbf = read_time(payload, "nbf");
    if (!nbf) return failure(nbf.error());
    const auto iat = read_time(payload, "iat");
    if (!iat) return failure(iat.error());
    return Times{*exp, *nbf, *iat};
}

Status check_times(const dsl::TokenDecl& token, const Times& times, int64_t wall_ms, Claims& out) {
    if (token.needs_exp && !times.exp.present) return failure("the token has no exp");
    if (times.exp.present) {
        if (times.exp.ms + token_leeway_ms <= wall_ms) return failure("the token has expired");
        // What came in on leeway gets the leeway, once.
        out.expires_ms = times.exp.ms > wall_ms ? times.exp.ms : wall_ms + token_leeway_ms;
    }
    for (const Time& begin : {times.nbf, times.iat}) {
        if (begin.present && begin.ms - token_leeway_ms > wall_ms)
            return failure("the token is not valid yet");
    }
    return success();
}

Status check_age(const dsl::TokenDecl& token, const Times& times, int64_t wall_ms) {
    if (token.max_age_ms == 0) return success();
    if (!times.iat.present) return failure("the token has no iat, which max_age asks for");
    if (times.iat.ms + token.max_age_ms + token_leeway_ms <= wall_ms) return failure("the token is too old");
    return success();
}

// What tells a token for one use from all others, and for how long.
Status read_id(const dsl::TokenDecl& token, object payload, const Times& times, Claims& out) {
    if (!token.single_use) return success();
    bool ambiguous = false;
    std::string_view id;
    const auto jti = json_member(payload, {"jti"}, ambiguous);
    if (!jti) return failure("the token has no jti, which single_use asks for");
    if (ambiguous || jti->get(id) != simdjson::SUCCESS || id.empty())
        return failure("the token's jti is no text");
    if (!times.exp.present) return failure("the token has no exp, which single_use asks for");
    out.id = std::string(id);
    out.until_ms = times.exp.ms;
    if (token.max_age_ms > 0) out.until_ms = std::min(out.until_ms, times.iat.ms + token.max_age_ms);
    out.until_ms += token_leeway_ms;
    return success();
}

Status check_token(const dsl::TokenDecl& token, object payload, int64_t wall_ms, Claims& out) {
    const auto times = read_times(payload);
    if (!times) return failure(times.error());
    if (auto valid = check_times(token, *times, wall_ms, out); !valid) return valid;
    if (auto young = check_age(token, *times, wall_ms); !young) return young;
    return read_id(token, payload, *times, out);
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

// Each connection keeps its claims, so what a backend says about a user is not of any length.
bool too_long(const dsl::Value& value) {
    if (const auto* text = std::get_if<std::string>(&value.held)) return text->size() > most_claim_bytes;
    const auto* list = std::get_if<std::vector<dsl::Scalar>>(&value.held);
    size_t bytes = 0;
    for (size_t i = 0; list && i < list->size(); ++i) {
        const auto* text = std::get_if<std::string>(&(*list)[i]);
        bytes += text ? text->size() : 0;
    }
    return bytes > most_claim_bytes;
}

std::optional<dsl::Value> read_value(const element& item, const dsl::ClaimDecl& claim) {
    std::string_view text;
    if (claim.split.empty() || item.get(text) != simdjson::SUCCESS) return json_value(item, claim.type);
    return split_value(text, claim.split, claim.type);
}

// The object lives until the thread parses its next payload.
std::optional<object> parse_claims(std::string_view payload) {
    thread_local simdjson::dom::parser parser;
    element root;
    object members;
    if (parse_json(parser, payload, root) != simdjson::SUCCESS || root.get(members) != simdjson::SUCCESS)
        return std::nullopt;
    return members;
}

}  // namespace

std::string user_in(const dsl::TokenDecl& token, std::string_view payload) {
    const auto members = parse_claims(payload);
    for (const dsl::ClaimDecl& claim : token.claims) {
        if (!members || claim.name != token.user) continue;
        bool ambiguous = false;
        const auto member = json_member(*members, claim.member, ambiguous);
        std::string_view text;
        if (member && !ambiguous && member->get(text) == simdjson::SUCCESS && text.size() <= most_claim_bytes)
            return std::string(text);
    }
    return {};
}

std::optional<int64_t> expiry_of(std::string_view payload) {
    const auto members = parse_claims(payload);
    if (!members) return std::nullopt;
    const auto exp = read_time(*members, "exp");
    if (!exp) return std::nullopt;
    return exp->ms;
}

Result<Claims> read_claims(const dsl::TokenDecl& token, std::string_view payload, int64_t wall_ms) {
    const auto parsed = parse_claims(payload);
    if (!parsed) return failure("the token's claims are no JSON object");
    const object members = *parsed;
    Claims out;
    if (const auto good = check_token(token, members, wall_ms, out); !good) return failure(good.error());
    if (const auto names = check_names(token, members); !names) return failure(names.error());
    out.values.reserve(token.claims.size());
    for (const dsl::ClaimDecl& claim : token.claims) {
        bool ambiguous = false;
        auto member = json_member(members, claim.member, ambiguous);
        // An empty text names nobody.
        if (member && claim.name == token.user && is_text(*member, "")) member.reset();
        if (ambiguous) return failure("the token says the claim " + claim.name + " twice");
        if (!member && claim.required) return failure("the token has no claim " + claim.name);
        if (!member) {
            out.values.push_back(claim.otherwise);
            continue;
        }
        auto value = read_value(*member, claim);
        if (!value) return failure("the token's claim " + claim.name + " is no " + to_string(claim.type));
        if (too_long(*value)) return failure("the token's claim " + claim.name + " is too long");
        out.values.push_back(std::move(*value));
    }
    return out;
}

}  // namespace wayleave
