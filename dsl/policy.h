// A policy as the daemon runs it: immutable, built whole by compile(). A plain value that owns all it says;
// nothing in it points into the sources.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "dsl/ast.h"
#include "dsl/facts.h"
#include "dsl/program.h"
#include "dsl/router.h"
#include "dsl/source.h"
#include "dsl/text.h"

namespace wayleave::dsl {

// --- tokens ---

struct TokenSource {
    ast::Source::Kind kind = ast::Source::Kind::header;
    std::string name;  // of the header, cookie or parameter; for a subprotocol the protocol that is echoed
};

struct ClaimDecl {
    std::string name;
    std::vector<std::string> member;  // where it stands in the token, outermost first
    Type type;
    bool required = true;
    Value otherwise;
    bool secret = false;
};

struct TokenDecl {
    std::string name;
    std::string keys_path;  // absolute, or relative to the working directory if the policy's path was
    Span keys_span;
    std::vector<std::string> algorithms;  // empty: those of the keys
    Span algorithms_span;
    std::string issuer;    // empty: not checked
    std::string audience;  // empty: not checked
    std::string user;      // the claim that names the user; empty: none
    std::vector<TokenSource> from;
    std::vector<ClaimDecl> claims;
    Span span;
};

// --- decisions ---

// Why something was refused, in the words of `errors { }`.
enum class Refusal : uint8_t {
    unauthenticated,
    forbidden,
    limited,
    banned,
    bad_message,
    unknown_message,
    too_big,
    slow,
    expired,
    unavailable,
    policy_changed,
};
constexpr size_t refusals = 11;
[[nodiscard]] std::string_view to_string(Refusal refusal);
[[nodiscard]] std::optional<Refusal> refusal_from(std::string_view name);

struct Outcome {
    ast::Outcome::Kind kind = ast::Outcome::Kind::error;
    uint16_t code = 0;  // of status and close
    std::string name;   // of error

    friend bool operator==(const Outcome&, const Outcome&) = default;
};

// A rule's own words: what a verdict's number leads to.
struct RuleInfo {
    bool allow = false;
    std::string because;
    std::optional<Outcome> then;
    std::string place;  // "chat.route:12:5"
};

// --- routes ---

enum class Dialect : uint8_t { native, echo };

struct Origins {
    bool any = false;
    bool absent = false;  // `none`: a client that sends no Origin
    std::vector<std::string> exact;
    // "https://*.example.org": what stands before and after the star
    std::vector<std::pair<std::string, std::string>> subdomains;

    [[nodiscard]] bool allow(std::string_view origin, bool present) const;
};

struct InputDecl {
    std::string name;
    TokenSource from;
    Type type;
    bool required = true;
    Value otherwise;
};

struct Join {
    Pattern channel;
    RootId condition = 0;
};

struct Limit {
    ast::Meter meter = ast::Meter::messages;
    Stage stage = Stage::arrival;  // when all that it reads is known
    std::vector<Operand> per;
    Operand to;  // an int (connections) or a rate
    std::optional<int64_t> burst;
    RootId condition = 0;
    std::string because;
    std::optional<Outcome> then;
    std::string place;
    uint64_t identity = 0;  // of what it counts: the same after a reload that leaves it alone
};

struct FieldDecl {
    std::string name;
    std::vector<std::string> member;  // where it stands in the message, outermost first
    Type type;
    bool required = true;
    Value otherwise;
    std::vector<Scalar> in;  // sorted; empty: anything
};

struct Publish {
    Pattern channel;
    bool except_self = false;
    RootId condition = 0;
};

struct Message {
    std::string place;
    std::vector<FieldDecl> fields;
    bool strict = false;  // members that no field declares are refused
    RootId decision = 0;
    std::vector<Limit> limits;
    std::vector<Publish> publish;
};

struct Route {
    std::string name;
    std::string place;
    std::shared_ptr<const FactShape> shape;
    size_t captures = 0;            // facts [0, captures) are the address's captures
    std::vector<InputDecl> inputs;  // then the inputs
    size_t first_claim = 0;         // then the claims
    std::vector<uint32_t> auth;     // tokens, any of them; empty: public
    // For each of `auth`: the claim that gives the fact first_claim + i.
    std::vector<std::vector<uint32_t>> claims;

    Origins origins;
    Dialect dialect = Dialect::native;
    std::vector<std::string> subprotocols;
    size_t max_message = 65536;
    uint32_t max_fragments = 1024;
    uint32_t max_subscriptions = 100;
    int64_t idle_timeout_ms = 60'000;  // 0: never
    int64_t ping_every_ms = 25'000;    // 0: never
    bool detail = false;

    Program program;
    std::vector<RuleInfo> rules;
    RootId connect = 0;
    RootId subscribe = 0;
    RootId publish = 0;
    std::vector<Join> joins;
    std::vector<Limit> limits;  // of the whole route
    std::vector<Message> messages;
    std::unordered_map<std::string, uint32_t, TextHash, std::equal_to<>> exact_types;
    // "call." for `call.*`, "" for `*`; the longest first
    std::vector<std::pair<std::string, uint32_t>> type_prefixes;

    std::array<std::array<std::optional<Outcome>, 2>, refusals> errors;  // by Refusal and Phase

    // The block that says what becomes of this type, or null.
    [[nodiscard]] const Message* message(std::string_view type) const;
};

enum class Phase : uint8_t { handshake, session };

struct Policy {
    std::vector<TokenDecl> tokens;
    std::vector<std::unique_ptr<Route>> routes;
    Router router;
    size_t files = 0;

    [[nodiscard]] const Route* route(std::string_view name) const;

    std::unordered_map<std::string, uint32_t, TextHash, std::equal_to<>> by_name;
};

}  // namespace wayleave::dsl
