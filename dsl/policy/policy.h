// A policy as the daemon runs it: immutable, built whole by compile(). A plain value that owns all it says;
// nothing in it points into the sources.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "dsl/policy/condition.h"
#include "dsl/policy/facts.h"
#include "dsl/policy/program.h"
#include "dsl/policy/router.h"
#include "dsl/policy/test_case.h"
#include "dsl/policy/vocabulary.h"
#include "dsl/text/source.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {

// Settings that were written, by name, checked against their rows. A word is a string; a file's path is as it
// was written; a backend's path is "NAME /path".
using SettingValues = std::map<std::string, Value, std::less<>>;

// --- what the policy leans on ---

// Begins the path of a file that the service manager gives; its name there follows. Only
// identity/credential_file.h knows where that is.
constexpr std::string_view credential_prefix = "credential:";

// What a backend's answer may order, or may not.
struct BackendRule {
    bool allow = true;
    std::vector<Action> actions;                           // publish, subscribe, disconnect
    std::vector<std::pair<std::string, Pattern>> on = {};  // with its text; empty: any channel
    std::string because;
    std::string place;
};

// A server of the user's. Its settings are those of Place::backend.
struct BackendDecl {
    std::string name;
    SettingValues settings;
    std::string place;
    std::vector<BackendRule> rules;
    std::string sign_path;  // as TokenDecl::keys_path; empty: requests are not signed
    Span sign_span;
};

enum class Lane : uint8_t { urgent, normal, low };
[[nodiscard]] std::string_view to_string(Lane lane);

enum class SlowConsumer : uint8_t {
    close,   // it is closed instead
    drop,    // those that come last are left out
    newest,  // those that came first are left out
};

// How a channel behaves. What no `channel` block says is as here.
struct ChannelRules {
    uint32_t history = 0;  // messages
    int64_t keep_ms = 0;
    int64_t dedup_ms = 0;
    int64_t conflate_ms = 0;
    int64_t batch_ms = 0;
    int64_t presence_grace_ms = 5000;
    int64_t max_subscribers = 0;  // 0: no bound but the routes'
    size_t max_message = 0;       // likewise
    bool needs_key = false;       // conflates by key: a publication without one would hide the others' last
    bool acks = false;
    bool presence = false;
    bool join_leave = false;
    Lane lane = Lane::normal;
    std::optional<SlowConsumer> slow;  // else the route's

    friend bool operator==(const ChannelRules&, const ChannelRules&) = default;
};

// Channels of that name. Its settings are those of Place::channel.
struct ChannelDecl {
    std::string pattern;
    SettingValues settings;
    std::string place;
    ChannelRules rules;
};

// Text, and a value behind it.
struct PathPiece {
    std::string text;
    std::optional<Operand> insert;
};

struct BackendPath {
    uint32_t backend = 0;                // in Policy::backends
    std::string path;                    // as it was written
    std::vector<PathPiece> pieces = {};  // where a value is inserted: build_path(); else none
};

// A path on a backend, and how it is called.
struct AskedBackend {
    std::string name;
    BackendPath to;
};

// --- tokens ---

struct TokenSource {
    SourceKind kind = SourceKind::header;
    std::string name;  // of the header, cookie or parameter; for a subprotocol the protocol that is echoed
};

struct ClaimDecl {
    std::string name;
    std::vector<std::string> member;  // where it stands in the token, outermost first
    Type type;
    bool required = true;
    Value otherwise;
    bool secret = false;
    std::string split{};  // if not empty, a text is several elements, with this between them
};

struct TokenDecl {
    std::string name;
    // Absolute, or relative to the working directory if the policy's path was, or "credential:NAME".
    std::string keys_path;
    std::string keys_url;  // instead of a path
    Span keys_span;
    std::optional<BackendPath> check;  // asked instead of keys
    int64_t cache_ms = 0;              // how long a yes of `check` is believed
    int64_t recheck_ms = 0;            // how often `check` asks again about who is connected; 0: never
    bool needs_exp = true;             // what a backend or TLS vouches for need not say when it ends
    bool single_use = false;
    int64_t max_age_ms = 0;               // 0: not checked
    SettingValues settings;               // as written
    std::vector<std::string> algorithms;  // empty: those of the keys
    Span algorithms_span;
    std::string issuer;    // empty: not checked
    std::string audience;  // empty: not checked
    std::string user;      // the claim that names the user; empty: none
    // Who gives the names: the issuer, or else the first block with the same keys, check or authority. A name
    // means nothing but beside this one.
    std::string realm;
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
    OutcomeKind kind = OutcomeKind::error;
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
    Span span;
    std::optional<uint32_t> grant;        // in Route::grants: `with`
    std::optional<AskedBackend> by = {};  // it allows what this backend says yes to
};

// How a rule's patterns call the segments of a channel; empty where two call one differently. For people:
// names mean nothing.
using SegmentNames = std::map<size_t, std::string>;

// A rule's condition in one decision; alone, the condition of anything else that has one.
struct Clause {
    static constexpr uint32_t no_rule = UINT32_MAX;

    uint32_t rule = no_rule;  // in Route::rules
    Condition condition;
    SegmentNames segments = {};
};

// --- routes ---

enum class Dialect : uint8_t { native, echo };

// What becomes of a route's connections at a reload that changes the route.
enum class PolicyChange : uint8_t { reevaluate, keep, close };

struct Origins {
    bool any = false;
    bool absent = false;     // `none`: a client that sends no Origin
    bool same_host = false;  // pages of the host that the request is for, by http or https
    std::vector<std::string> exact;
    // "https://*.example.org": what stands before and after the star
    std::vector<std::pair<std::string, std::string>> subdomains;

    // `host` is the Host field of the request.
    [[nodiscard]] bool allow(std::string_view origin, bool present, std::string_view host) const;
};

struct InputDecl {
    std::string name;
    TokenSource from;
    Type type;
    bool required = true;
    Value otherwise;
};

// A token that clients bring with `$subscribe`, for that channel alone: what it says are facts of that
// request, and none of the connection.
struct Grant {
    uint32_t token = 0;  // in Policy::tokens
    uint16_t first = 0;  // in Route::grant_shape: whether it was brought; its claims follow
};

struct Join {
    Pattern channel;
    RootId condition = 0;
};

// The whole WebSocket is handed to the backend: the first of them whose condition holds.
struct Proxy {
    BackendPath to;     // its path is empty where the request's own is meant
    bool http = false;  // plain requests go on, too: to the first of these whose condition holds
    RootId condition = 0;
    std::string place = {};
};

struct Notify {
    BackendPath to;
    std::vector<std::string> events;  // sorted
    int64_t after_ms = 0;             // how long `disconnect` waits for the user to come back
    std::string place = {};
};

// An old address of a route: what its captures are there.
struct Alias {
    uint32_t route = 0;
    std::string address;  // as written
    std::string stream;   // the one stream that its clients speak; empty: none
    // For each capture of the route: empty, if the address has it; else a literal or where it is read.
    std::vector<std::variant<std::monostate, TokenSource, Value>> captures;
    std::optional<int64_t> until;  // days since 1970
    std::string place;
};

// The ladder: a client that is refused that often is kept out for a while, and twice as long the next time.
struct Ban {
    std::vector<Operand> keys;
    int64_t duration_ms = 0;
    int64_t up_to_ms = 0;  // at least duration_ms
    int64_t after = 1;
    std::string counted;  // refusals, limits, errors
    int64_t per_ms = 0;
    std::string because;
    std::string place;
    Stage stage = Stage::arrival;  // when its keys are known
    uint64_t identity = 0;  // of what it counts and for whom: the same after a reload that leaves it alone
};

struct Limit {
    Meter meter = Meter::messages;
    Stage stage = Stage::arrival;  // when all that it reads is known
    std::vector<Operand> per;
    Operand to;  // an int (connections) or a rate
    std::optional<int64_t> burst;
    bool replace_oldest = false;  // connections: the new one wins
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
    std::string place = {};
};

// A member that the server writes into what it publishes, whatever the client sent under that name.
struct Stamp {
    std::string member;
    Operand value;
    Type type;
};

struct Publish {
    Pattern channel;
    bool except_self = false;
    std::optional<Lane> lane;  // else the channel's
    RootId condition = 0;
    std::string type = {};  // of what is published; empty: that of the message
};

struct Forward {
    BackendPath to;
    RootId condition = 0;
    std::string place = {};
};

struct Reply {
    std::string type;  // empty: that of the message
    RootId condition = 0;
};

struct Message {
    std::string place;
    std::vector<FieldDecl> fields;
    bool strict = false;   // members that no field declares are refused
    bool ordered = false;  // what is forwarded waits for the session's last one
    std::vector<Stamp> stamps;
    RootId decision = 0;
    std::vector<Limit> limits;
    std::vector<Publish> publish;
    std::vector<Forward> forwards;  // the first whose condition holds
    std::vector<Join> subscribes;   // of its sender
    std::vector<Join> unsubscribes;
    std::vector<Reply> replies;
};

// One WebSocket of the backend for each client, folded into the client's.
struct Stream {
    std::string name;
    BackendPath to;
    RootId condition = 0;       // whether the client has it
    bool on_first_use = false;  // it is opened with the first message
    RootId decision = 0;        // of each message of the client
    std::vector<Limit> limits;
    size_t max_message = 0;  // of the client; 0: the route's
    std::string place = {};
};

// An address for clients, or for the user's own servers (`api`).
struct Route {
    bool api = false;
    std::string name;
    std::string place;
    std::vector<std::string> addresses;  // as written
    std::shared_ptr<const FactShape> shape;
    size_t captures = 0;  // facts [0, captures) are the address's captures
    // For each of them what the route's own addresses accept there: an alias brings nothing else.
    std::vector<std::vector<CaptureType>> capture_types;
    std::vector<InputDecl> inputs;  // then the inputs
    size_t first_claim = 0;         // then the claims
    std::vector<uint32_t> auth;     // tokens, any of them; empty: public
    bool several_realms = false;    // of these tokens: users are told apart by theirs
    // For each of `auth`: the claim that gives the fact first_claim + i.
    std::vector<std::vector<uint32_t>> claims;

    std::vector<Grant> grants;                     // that rules name by `with`, each once
    std::shared_ptr<const FactShape> grant_shape;  // of all of them; null if there is none

    Origins origins;
    std::string origins_place;
    std::string min_tls_place;
    uint16_t min_tls = 0;  // 0x0303, 0x0304; 0: also without TLS
    Dialect dialect = Dialect::native;
    std::vector<std::string> subprotocols;
    size_t max_message = 65536;
    uint32_t max_fragments = 1024;
    uint32_t max_subscriptions = 100;
    int64_t idle_timeout_ms = 60'000;  // 0: never
    int64_t ping_every_ms = 25'000;    // 0: never
    int64_t pong_timeout_ms = 8'000;   // 0: never
    int64_t max_lifetime_ms = 0;       // 0: never
    size_t max_queue = 0;              // 0: as the settings say
    SlowConsumer slow_consumer = SlowConsumer::close;
    bool compression = false;
    bool detail = false;
    PolicyChange on_policy_change = PolicyChange::reevaluate;
    bool refuse_expired_alias = false;
    SettingValues settings;  // all that were written, but auth and origins

    Program program;
    std::vector<RuleInfo> rules;
    // What each root of the program was made from, in the order in which it is asked: denies, then allows.
    std::vector<std::vector<Clause>> clauses;
    RootId connect = 0;
    RootId subscribe = 0;
    RootId publish = 0;
    RootId presence = 0;
    RootId history = 0;
    RootId disconnect = 0;  // of an api
    std::vector<Join> joins;
    std::vector<Stream> streams;
    std::vector<Proxy> proxies;
    std::vector<Notify> notifies;
    std::vector<Ban> bans;
    std::vector<Limit> limits;  // of the whole route
    std::vector<Message> messages;
    std::unordered_map<std::string, uint32_t, TextHash, std::equal_to<>> exact_types;
    // "call." for `call.*`, "room:" for `room:*`, "" for `*`; the longest first
    std::vector<std::pair<std::string, uint32_t>> type_prefixes;

    std::array<std::array<std::optional<Outcome>, 2>, refusals> errors;  // by Refusal and Phase

    uint64_t hash = 0;  // of what it means, its tokens included: see canonical.h

    // The block that says what becomes of this type, or null.
    [[nodiscard]] const Message* message(std::string_view type) const;
};

enum class Phase : uint8_t { handshake, session };

struct Policy {
    std::vector<BackendDecl> backends;
    std::vector<ChannelDecl> channels;
    Router channel_router;  // "/" and the channel's name to an index in `channels`
    std::vector<TokenDecl> tokens;
    std::vector<std::unique_ptr<Route>> routes;
    Router router;                                // also of aliases
    std::unordered_map<uint32_t, Alias> aliases;  // by the router's number of the address
    std::vector<std::unique_ptr<Route>> apis;
    Router api_router;
    std::vector<TestCase> tests;  // no part of what the policy means
    uint64_t hash = 0;            // of what all of it means
    size_t files = 0;

    [[nodiscard]] const Route* route(std::string_view name) const;
    // The narrowest block for that name, or null.
    [[nodiscard]] const ChannelDecl* channel(std::string_view name) const;
    // Of the channel of that name, by the narrowest block. Lives as long as the policy.
    [[nodiscard]] const ChannelRules& channel_rules(std::string_view channel) const;

    std::unordered_map<std::string, uint32_t, TextHash, std::equal_to<>> by_name;
};

}  // namespace wayleave::dsl
