#include "daemon/decision/claims.h"

#include <catch2/catch.hpp>

using namespace wayleave;
using dsl::Kind;
using dsl::Shape;

namespace {

constexpr int64_t now_ms = 1'700'000'000'000;

dsl::TokenDecl token() {
    dsl::TokenDecl out;
    out.issuer = "https://login";
    out.audience = "chat";
    out.needs_exp = false;
    out.claims = {
        {"sub", {"sub"}, {Kind::string, Shape::one}, true, {}, false},
        {"level", {"app", "level"}, {Kind::integer, Shape::one}, false, dsl::Value(int64_t{1}), false},
        {"roles",
         {"https://x/roles"},
         {Kind::string, Shape::set},
         false,
         dsl::Value(std::vector<dsl::Scalar>{}),
         false}};
    return out;
}

std::string payload(const std::string& members) {
    return R"({"iss":"https://login","aud":"chat","sub":"ann")" + members + "}";
}

std::string error(const std::string& text) {
    const auto claims = read_claims(token(), text, now_ms);
    return claims ? "" : claims.error();
}

}  // namespace

TEST_CASE("claims have the types that were declared") {
    const auto claims = read_claims(
        token(), payload(R"(,"app":{"level":7},"https://x/roles":["b","a","b"],"other":[{}])"), now_ms);
    REQUIRE(claims);
    CHECK(claims->values[0] == dsl::Value(std::string("ann")));
    CHECK(claims->values[1] == dsl::Value(int64_t{7}));
    CHECK(claims->values[2] == dsl::Value(std::vector<dsl::Scalar>{std::string("a"), std::string("b")}));
    CHECK(claims->expires_ms == 0);
    CHECK(read_claims(token(), payload(""), now_ms)->values[1] == dsl::Value(int64_t{1}));
}

TEST_CASE("a claim that is one text") {
    dsl::TokenDecl declared;
    declared.needs_exp = false;
    declared.claims = {{"scope", {"scope"}, {Kind::string, Shape::set}, true, {}, false, " "}};
    const auto scope = [&](const std::string& json) -> std::string {
        const auto claims = read_claims(declared, R"({"scope":)" + json + "}", now_ms);
        if (!claims) return claims.error();
        std::string out;
        for (const dsl::Scalar& one : std::get<std::vector<dsl::Scalar>>(claims->values[0].held))
            out += "<" + std::get<std::string>(one) + ">";
        return out;
    };
    CHECK(scope(R"("write read")") == "<read><write>");
    CHECK(scope(R"("  a a\u0020b ")") == "<a><b>");
    CHECK(scope(R"("")").empty());
    CHECK(scope(R"(" ")").empty());
    CHECK(scope(R"(["write all","read"])") == "<read><write all>");  // what is a list is one
    CHECK(scope(R"(["a",1])") == "the token's claim scope is no set of string");
    CHECK(scope("7") == "the token's claim scope is no set of string");
    CHECK(scope(R"("\ud83d")") == "the token's claim scope is no set of string");
    std::string many;
    for (int i = 0; i < 1001; ++i) many += std::to_string(i) + " ";
    CHECK(scope('"' + many + '"') == "the token's claim scope is no set of string");
    declared.claims[0].type.shape = Shape::list;
    declared.claims[0].split = ", ";
    CHECK(scope(R"("b, a,, b,a, b")") == "<b><a,><b,a><b>");
}

TEST_CASE("an ill-typed claim refuses, whether or not it may be absent") {
    CHECK(error(payload(R"(,"app":{"level":"7"})")) == "the token's claim level is no int");
    CHECK(error(payload(R"(,"app":{"level":7.0})")) == "the token's claim level is no int");
    CHECK(error(payload(R"(,"app":{"level":99999999999999999999})")) != "");
    CHECK(error(payload(R"(,"https://x/roles":"a b")")) == "the token's claim roles is no set of string");
    CHECK(error(payload(R"(,"https://x/roles":["a",1])")) == "the token's claim roles is no set of string");
    CHECK(error(payload(R"(,"sub":"bob")")) == "the token says the claim sub twice");
    CHECK(error(R"({"iss":"https://login","aud":"chat"})") == "the token has no claim sub");
    CHECK(error(payload(R"(,"app":{"level":7,"big":99999999999999999999},"n":1e400,"s":"\ud83d")")).empty());
    CHECK(error(payload(R"(,"app":{"level":99999999999999999999})")) == "the token's claim level is no int");
    CHECK(error(payload(R"(,"https://x/roles":["a","\ud83d"])")) ==
          "the token's claim roles is no set of string");
    CHECK(error(R"({"iss":"https://login","aud":"chat","sub":"ann\ud83d"})") ==
          "the token's claim sub is no string");
    CHECK(error(R"({"iss":"https://login\ud83d","aud":"chat","sub":"ann"})") ==
          "the token is from another issuer");
    CHECK(error(payload(R"(,"exp":1e400)")) == "the token's exp is no time");
    CHECK(error(payload(R"(,"n":1e400,)")) == "the token's claims are no JSON object");
    CHECK(error("[]") == "the token's claims are no JSON object");
    CHECK(error("{") == "the token's claims are no JSON object");
}

TEST_CASE("issuer and audience") {
    CHECK(error(R"({"iss":"https://other","aud":"chat","sub":"a"})") == "the token is from another issuer");
    CHECK(error(R"({"aud":"chat","sub":"a"})") == "the token is from another issuer");
    CHECK(error(R"({"iss":["https://login"],"aud":"chat","sub":"a"})") == "the token is from another issuer");
    CHECK(error(R"({"iss":"https://login","aud":"mail","sub":"a"})") == "the token is for another audience");
    CHECK(error(R"({"iss":"https://login","sub":"a"})") == "the token is for another audience");
    CHECK(error(R"({"iss":"https://login","aud":["mail","chat"],"sub":"a"})").empty());
    CHECK(error(R"({"iss":"https://login","aud":"mail","aud":"chat","sub":"a"})") ==
          "the token is for another audience");
}

TEST_CASE("time") {
    const auto expires = [](const std::string& exp) {
        return read_claims(token(), payload(",\"exp\":" + exp), now_ms)->expires_ms;
    };
    CHECK(expires("1700000100") == 1'700'000'100'000);
    CHECK(expires("1700000100.5") == 1'700'000'100'500);
    // Within the leeway it comes in, and stays for the leeway.
    CHECK(expires("1699999941") == now_ms + 60'000);
    CHECK(error(payload(R"(,"exp":1699999940)")) == "the token has expired");
    CHECK(error(payload(R"(,"nbf":1700000060)")).empty());
    CHECK(error(payload(R"(,"nbf":1700000061)")) == "the token is not valid yet");
    for (const std::string bad : {"\"x\"", "-1", "1e300", "null", "{}"})
        CHECK(error(payload(",\"exp\":" + bad)) == "the token's exp is no time");
    CHECK(error(payload(R"(,"exp":1700000100,"exp":1800000100)")) == "the token says exp twice");
}

TEST_CASE("max_age counts from iat, and single_use needs jti and exp") {
    dsl::TokenDecl strict = token();
    strict.max_age_ms = 300'000;
    strict.single_use = true;
    const auto why = [&](const std::string& members) {
        const auto claims = read_claims(strict, payload(members), now_ms);
        return claims ? "" : claims.error();
    };
    const std::string exp = R"(,"exp":1700003600)";
    const std::string iat = R"(,"iat":1700000000)";
    const std::string jti = R"(,"jti":"one")";
    CHECK(why(iat + jti + exp) == "");
    CHECK(why(jti + exp) == "the token has no iat, which max_age asks for");
    CHECK(why(exp + jti + R"(,"iat":1699999641)") == "");  // 359 s old: 300 and the leeway
    CHECK(why(exp + jti + R"(,"iat":1699999640)") == "the token is too old");
    CHECK(why(exp + jti + R"(,"iat":1700000060)") == "");
    CHECK(why(exp + jti + R"(,"iat":1700000061)") == "the token is not valid yet");
    CHECK(why(exp + jti + R"(,"iat":"1700000000")") == "the token's iat is no time");
    CHECK(why(exp + jti + iat + iat) == "the token says iat twice");
    CHECK(why(iat + exp) == "the token has no jti, which single_use asks for");
    CHECK(why(iat + exp + R"(,"jti":7)") == "the token's jti is no text");
    CHECK(why(iat + exp + R"(,"jti":"")") == "the token's jti is no text");
    CHECK(why(iat + exp + jti + jti) == "the token's jti is no text");
    CHECK(why(iat + jti) == "the token has no exp, which single_use asks for");

    auto claims = read_claims(strict, payload(iat + jti + exp), now_ms);
    REQUIRE(claims);
    CHECK(claims->id == "one");
    CHECK(claims->until_ms == now_ms + 300'000 + token_leeway_ms);  // too old before it expires
    strict.max_age_ms = 0;
    claims = read_claims(strict, payload(iat + jti + exp), now_ms);
    CHECK(claims->until_ms == now_ms + 3'600'000 + token_leeway_ms);
}

TEST_CASE("times that are none") {
    for (const std::string value :
         {"\"1700003600\"", "true", "null", "[1700003600]", "-1", "1e300", "1e11", "{}"}) {
        INFO(value);
        CHECK(error(payload(",\"exp\":" + value)) == "the token's exp is no time");
        CHECK(error(payload(",\"nbf\":" + value)) == "the token's nbf is no time");
        CHECK(error(payload(",\"iat\":" + value)) == "the token's iat is no time");
    }
    CHECK(error(payload(",\"exp\":1700003600.75")) == "");
    CHECK(error(payload(",\"exp\":1.7e9,\"exp\":1.7e9")) == "the token says exp twice");
    CHECK(expiry_of(R"({"exp":1700003600.5})") == 1'700'003'600'500);
    CHECK(expiry_of("{}") == 0);
    CHECK_FALSE(expiry_of(R"({"exp":"x"})"));
    CHECK_FALSE(expiry_of("[]"));
}

TEST_CASE("claims are bounded in depth and size") {
    std::string deep;
    for (int i = 0; i < 5000; ++i) deep += "[";
    CHECK(error(payload(",\"x\":" + deep)) != "");
    CHECK(error(payload(",\"x\":" + deep + std::string(5000, ']'))) ==
          "the token's claims are no JSON object");
    std::string roles = "\"r0\"";
    for (int i = 1; i < 1001; ++i) roles += ",\"r" + std::to_string(i) + "\"";
    CHECK(error(payload(",\"https://x/roles\":[" + roles + "]")) != "");
    CHECK(error(payload(R"(,"sub2":")" + std::string(5000, 'x') + "\"")) == "");
    CHECK(error(R"({"iss":"https://login","aud":"chat","sub":")" + std::string(4097, 'x') + "\"}") ==
          "the token's claim sub is too long");
}

TEST_CASE("a token says when it ends, unless its block lets it be") {
    dsl::TokenDecl strict = token();
    strict.needs_exp = true;
    CHECK(read_claims(strict, payload(""), now_ms).error() == "the token has no exp");
    CHECK(read_claims(strict, payload(R"(,"exp":null)"), now_ms).error() == "the token's exp is no time");
    CHECK(read_claims(strict, payload(R"(,"exp":1700000001)"), now_ms));
    CHECK(read_claims(token(), payload(""), now_ms));
}

TEST_CASE("an empty text names no user") {
    dsl::TokenDecl named = token();
    named.user = "sub";
    const std::string nobody = R"({"iss":"https://login","aud":"chat","sub":""})";
    CHECK(read_claims(named, nobody, now_ms).error() == "the token has no claim sub");
    CHECK(read_claims(named, payload(""), now_ms));
    // Of a claim that names nobody, it is a text like any other.
    named.user = "";
    CHECK(read_claims(named, nobody, now_ms));
    named.user = "sub";
    named.claims[0].required = false;
    named.claims[0].otherwise = dsl::Value(std::string("guest"));
    CHECK(read_claims(named, nobody, now_ms)->values[0] == dsl::Value(std::string("guest")));
}
