// What the parser found, as the user wrote it: the tree of grammar.md with a place for everything. Names are
// not resolved and types are not checked here. Views point into the Sources that were parsed.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "dsl/policy/value.h"
#include "dsl/policy/vocabulary.h"
#include "dsl/text/source.h"

namespace wayleave::dsl::ast {

struct Name {
    std::string_view text;
    Span span;
};

// A "string" with its escapes taken out; the span includes the quotes.
struct Text {
    std::string text;
    Span span;
};

struct Path {  // user.sub, message.size, to
    std::vector<Name> parts;
    Span span;

    [[nodiscard]] std::string text() const;
};

struct TypeName {
    Type type;
    Span span;
};

struct Literal {
    Value value;
    Type type;
    Span span;
};

enum class CompareOp : uint8_t { eq, ne, lt, le, gt, ge, in, like, overlaps };

struct Expr {
    // What `args` holds: negation one; all_of/any_of two or more; comparison two; set its elements;
    // map its values (keys beside it); lookup the key (its `path` the map's name, its `literal` the `else`).
    enum class Kind : uint8_t { literal, path, lookup, set, map, negation, all_of, any_of, comparison };

    Kind kind = Kind::literal;
    Span span;
    Literal literal;
    Path path;
    CompareOp op = CompareOp::eq;
    Span op_span;
    std::vector<Expr> keys;
    std::vector<Expr> args;
};

// One segment of an address or of a channel; also one label of a host.
struct Segment {
    enum class Kind : uint8_t { text, capture, insert, any, rest };  // chat, :id(int), {user.sub}, *, **

    Kind kind = Kind::text;
    Span span;
    std::string_view text;       // of a text
    Name capture;                // :NAME
    std::optional<Name> narrow;  // (int)
    Path insert;
};

struct Url {
    std::vector<Segment> host;  // labels; empty: any host
    std::vector<Segment> path;
    bool trailing_slash = false;  // also true for "/" alone
    Span span;
};

struct ChannelPattern {
    std::vector<Segment> segments;
    Span span;
};

struct Outcome {
    using Kind = OutcomeKind;

    Kind kind = Kind::error;
    int64_t code = 0;  // of status and close
    Text name;         // of error
    Span span;
};

struct FileValue {  // file [credential] "keys/app.jwks" [of net]
    Text path;
    std::optional<TypeName> of;
    Span span;
    bool credential = false;  // a name in the directory that the service manager gives
};

struct BackendCall {  // app "/whoami"; also: url "https://…"
    Name backend;
    Text path;
    Span span;
};

using SettingValue = std::variant<Expr, FileValue, BackendCall, Outcome>;
[[nodiscard]] Span span_of(const SettingValue& value);

struct Setting {
    Name name;
    SettingValue value;
    Span span;
};

struct Let {
    Name name;
    SettingValue value;
    Span span;
};

// `required`, or `else` with a literal, or with a set of literals.
struct Absent {
    bool required = false;
    std::optional<Expr> otherwise;  // literal or set
    Span span;
};

struct Source {  // query "token", header "Authorization", certificate
    using Kind = SourceKind;

    Kind kind = Kind::header;
    Text name;  // empty for certificate
    Span span;
};

// --- rules and other members of a body ---

struct By {  // by NAME "path"
    Name backend;
    Text path;
    Span span;
};

struct Tail {
    std::vector<ChannelPattern> on;
    std::optional<Name> with;  // the token that a client brings for it; of rules
    std::optional<By> by;      // the backend whose word it is; likewise
    std::optional<Expr> condition;
    std::optional<Outcome> then;
    std::optional<Text> because;
};

struct ActionName {
    Action action;
    Span span;
};

struct Rule {
    bool allow = true;
    std::vector<ActionName> actions;  // empty inside `message`
    Tail tail;
    Span span;
};

struct Limit {
    Meter meter = Meter::messages;
    Span meter_span;
    Expr to;
    std::vector<Path> per;
    std::optional<Literal> burst;
    std::optional<Name> on_excess;
    Tail tail;
    Span span;
};

struct Ban {
    std::vector<Path> keys;
    Literal duration;
    std::optional<Literal> up_to;
    Literal after;
    Name counted;  // refusals, limits, errors
    Literal per;
    std::optional<Text> because;
    Span span;
};

struct Use {
    std::vector<Name> names;
    Span span;
};

struct Join {
    std::vector<ChannelPattern> channels;
    std::optional<Expr> condition;
    Span span;
};

struct Field {
    Name name;
    TypeName type;
    std::optional<Text> as;  // the member's name in the JSON, a dotted path; else `name`
    std::optional<Expr> in;
    Absent absent;
    Span span;
};

// set NAME = value: the server's own word, whatever the client says under that name.
struct Stamp {
    Text name;
    Expr value;
    Span span;
};

struct MessageType {  // task.update, call.*, *, "user joined"
    std::string text;
    Span span;
};

struct PublishTo {
    std::vector<ChannelPattern> channels;
    bool except_self = false;
    std::optional<MessageType> as;  // else the type of the message
    std::optional<Name> priority;
    std::optional<Expr> condition;
    Span span;
};

// subscribe to CHANNEL, …; unsubscribe from CHANNEL, …: of the client that sent the message.
struct SubscribeTo {
    std::vector<ChannelPattern> channels;
    bool leave = false;
    std::optional<Expr> condition;
    Span span;
};

struct Forward {  // forward to NAME "path"; also stream, proxy and notify share the shape of a backend's path
    Name backend;
    Text path;
    std::optional<Expr> condition;
    Span span;
};

struct Reply {
    std::optional<MessageType> type;  // else that of the message
    std::optional<Expr> condition;
    Span span;
};

using MessageMember =
    std::variant<Field, Stamp, Rule, Limit, PublishTo, SubscribeTo, Forward, Reply, Setting, Let>;

struct Message {
    std::vector<MessageType> types;
    std::vector<MessageMember> members;
    Span span;
};

struct Stream {
    Name name;
    Name backend;
    Text path;
    bool on_first_use = false;
    std::optional<Expr> condition;
    std::vector<MessageMember> members;  // rules, limits, settings, lets
    Span span;
};

struct Binding {
    Name name;
    std::variant<Source, Literal> value;
};

struct Alias {
    Url url;
    std::optional<Name> stream;
    std::vector<Binding> where;
    std::optional<Literal> until;
    Span span;
};

struct Notify {
    Name backend;
    Text path;
    std::vector<Name> events;
    std::optional<Literal> after;  // of disconnect
    Span span;
};

struct Proxy {
    Name backend;
    std::optional<Text> path;  // else that of the request
    bool http = false;         // plain requests, too
    std::optional<Expr> condition;
    Span span;
};

struct Input {
    Name name;
    TypeName type;
    Source from;
    Absent absent;
    Span span;
};

struct Errors {
    std::vector<Setting> reasons;
    Span span;
};

using Member = std::variant<Setting, Rule, Limit, Ban, Let, Use, Join, Message, Stream, Alias, Notify, Proxy,
                            Input, Errors>;
[[nodiscard]] Span span_of(const Member& member);

// --- top level ---

struct Claim {
    Name name;
    TypeName type;
    std::optional<Text> as;  // the claim's name in the token, a dotted path; else `name`
    std::optional<Text> split;
    Absent absent;
    bool secret = false;
    Span span;
};

struct Token {
    Name name;
    std::vector<Claim> claims;
    std::vector<Source> from;
    std::vector<Setting> settings;
    Span span;
};

struct Backend {
    Name name;
    std::vector<Setting> settings;
    std::vector<Rule> rules;
    Span span;
};

struct Channel {
    ChannelPattern pattern;
    std::vector<Setting> settings;
    Span span;
};

struct Policy {
    Name name;
    std::vector<Member> members;
    Span span;
};

struct Defaults {
    std::vector<Member> members;
    Span span;
};

struct Route {
    Name name;
    std::vector<Url> urls;
    std::vector<Member> members;
    Span span;
};

struct Api {
    Name name;
    std::vector<Url> urls;
    std::vector<Member> members;
    Span span;
};

// The settings of a literal message in a test: names may be quoted, values may nest.
struct TestMember {
    Text name;
    std::variant<Expr, std::vector<TestMember>> value;
};

struct As {
    Name token;
    std::vector<Setting> claims;
    Span span;
};

// A grant that the client of a test brings.
struct Brought {
    Name token;
    std::vector<TestMember> claims;
};

struct Expect {
    Name verdict;                     // allow, deny, limit
    Name action;                      // an Action's word
    Text target;                      // channel, address or message type
    std::vector<TestMember> members;  // of a message or a publication
    std::optional<Brought> with;
    std::optional<Text> at;  // an api's address
    std::optional<Literal> times;
    std::optional<Text> because;
    Span span;
};

// backend NAME answers STATUS { members }: to the questions of what follows.
struct Answers {
    Name backend;
    Literal status;
    std::vector<TestMember> members;
    Span span;
};

using TestItem =
    std::variant<As, Expect, Answers, Setting, Let>;  // a `let` stands for the policy's own of that name

struct Test {
    Text title;
    std::optional<Text> at;
    std::vector<TestItem> items;
    Span span;
};

using Item = std::variant<Let, Token, Backend, Channel, Policy, Defaults, Route, Api, Test>;

// All items of all files, in the order of the files.
struct File {
    std::vector<Item> items;
    bool whole = true;        // every file could be read
    std::vector<Span> holes;  // statements that could not be read and are not among the items
};

}  // namespace wayleave::dsl::ast
