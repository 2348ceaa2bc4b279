// What the parts of the compiler share. Private to dsl/compile*.cc.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "dsl/compile/check_expr.h"
#include "dsl/compile/names.h"
#include "dsl/policy/policy.h"
#include "dsl/policy/settings.h"
#include "dsl/syntax/ast.h"
#include "dsl/text/diagnostic.h"

namespace wayleave::dsl {

// Those of one kind among the members of a body.
template <class T, class Member>
void each(const std::vector<Member>& members, const auto& visit) {
    for (const Member& member : members) {
        if (const auto* found = std::get_if<T>(&member)) visit(*found);
    }
}

struct CompileContext {
    const Sources& sources;
    const FileReader& files;
    Diagnostics& diagnostics;
    Lets lets;  // file-wide
    std::map<std::string_view, const ast::Policy*> policies;
    std::vector<const ast::Defaults*> defaults;
    std::map<std::string_view, uint32_t> token_numbers;    // in Policy::tokens
    std::map<std::string_view, uint32_t> backend_numbers;  // in Policy::backends
    std::set<std::string_view> used;                       // tokens and policies that a route names
    std::set<std::string_view> granting;                   // tokens that a rule names by `with`
    std::map<std::string_view, Span> authenticating;       // those that an `auth` names, and where
    std::set<std::string_view> used_backends;              // that anything names
    bool token_misspelt = false;                           // some `auth` names a token that does not exist
    // What names of captures, inputs, claims and fields are in all routes together; nothing where they
    // differ.
    std::map<std::string, std::optional<Symbol>, std::less<>> symbols;

    void remember(const std::string& name, const Symbol& symbol) {
        const auto [it, fresh] = symbols.emplace(name, symbol);
        if (!fresh && it->second && it->second->type != symbol.type) it->second.reset();
    }
};

// --- compile_values.cc: settings' values, outcomes, `else` ---

// Reads constant settings of one block.
class ValueReader {
  public:
    ValueReader(CompileContext& context, const Lets& lets);

    [[nodiscard]] std::optional<int64_t> number(const ast::Setting& setting, const SettingRow& row);
    [[nodiscard]] std::optional<bool> boolean(const ast::Setting& setting);
    [[nodiscard]] std::optional<std::string> text(const ast::Setting& setting);
    [[nodiscard]] std::optional<std::vector<std::string>> texts(const ast::Setting& setting);
    [[nodiscard]] std::optional<std::string> word(const ast::Setting& setting, const SettingRow& row);
    [[nodiscard]] std::optional<std::string> file(const ast::Setting& setting);
    // Whatever form the row has, but for `names`, `origins` and `keys`, which are read by their owners.
    [[nodiscard]] std::optional<Value> value(const ast::Setting& setting, const SettingRow& row);
    [[nodiscard]] std::optional<Typed> constant(const ast::Expr& expr);

  private:
    const ast::Expr* expression(const ast::Setting& setting);
    void wrong(const ast::Setting& setting, std::string_view wanted);

    CompileContext& context_;
    Names names_;
    ProgramBuilder builder_;  // constants need a home; it is thrown away
};

// The settings of one block, each at most once; unknown names are reported.
[[nodiscard]] SettingValues compile_settings(CompileContext& context,
                                             const std::vector<ast::Setting>& settings, Place place);
void unknown_setting(Diagnostics& diagnostics, const ast::Name& name, Place place);

// --- compile_backend.cc ---
[[nodiscard]] BackendDecl compile_backend(CompileContext& context, const ast::Backend& backend);
[[nodiscard]] ChannelDecl compile_channel(CompileContext& context, const ast::Channel& channel);
// The channel's pattern as an address of Policy::channel_router.
// `where` says what has no `{…}`: "a `channel` block".
[[nodiscard]] AddressPattern channel_address(const ast::ChannelPattern& pattern, std::string_view where,
                                             Diagnostics& diagnostics);
// HOST or HOST:PORT, a port from 1 to 65535.
[[nodiscard]] bool is_server(std::string_view text);
// A declared backend and a path on it. Where there is no connection, no value of one can be inserted.
[[nodiscard]] std::optional<BackendPath> backend_path(CompileContext& context, const ast::Name& backend,
                                                      const ast::Text& path, bool may_insert = false);

// A checked `then` or `errors` outcome; reports E014.
[[nodiscard]] std::optional<Outcome> compile_outcome(const ast::Outcome& outcome, Diagnostics& diagnostics);
[[nodiscard]] bool possible(const Outcome& outcome, Phase phase);

// `required` or the value of `else`, of that type. Nothing on a mistake.
struct Fallback {
    bool required = true;
    Value otherwise;
};
[[nodiscard]] std::optional<Fallback> compile_absent(CompileContext& context, const Lets& lets,
                                                     const ast::Absent& absent, Type type);

// Whether a value of that type can come from JSON or from a header; reports E003.
[[nodiscard]] bool readable_type(const ast::TypeName& type, std::string_view what, bool from_text,
                                 Diagnostics& diagnostics);
[[nodiscard]] std::vector<std::string> member_path(const ast::Name& name, const std::optional<ast::Text>& as);

// --- compile_token.cc ---
[[nodiscard]] TokenDecl compile_token(CompileContext& context, const ast::Token& token);
// When all are compiled: who gives the names of each block's users.
void name_realms(std::vector<TokenDecl>& tokens);
[[nodiscard]] std::optional<TokenSource> compile_source(CompileContext& context, const ast::Source& source);

// --- compile_test.cc ---
[[nodiscard]] TestCase compile_test(CompileContext& context, const Policy& policy, const ast::Test& test,
                                    const LetNames& instead);

// --- compile_lets.cc ---
// Every `let`, also those that nobody reads.
void check_lets(CompileContext& context, const ast::File& file);

// The policies that tests ask which define names in their own way.
class TestPolicies {
  public:
    using Compile =
        std::function<std::shared_ptr<const Policy>(const LetNames& instead, Diagnostics& diagnostics)>;

    TestPolicies(CompileContext& context, const ast::File& file, Compile compile);

    // What the test defines; its mistakes are reported.
    [[nodiscard]] LetNames definitions(const ast::Test& test);
    // Null if it cannot be compiled, which is reported.
    [[nodiscard]] std::shared_ptr<const Policy> with(const LetNames& instead);

  private:
    CompileContext& context_;
    Compile compile_;
    std::set<std::string_view> known_;                           // names of all definitions
    std::map<std::string, std::shared_ptr<const Policy>> made_;  // by the definitions as they are written
};

// --- compile_address.cc ---
struct CaptureName {
    std::string_view name;
    CaptureType type = CaptureType::any;
    Span span;
};
// `captures` gives each name its slot and grows with new ones.
[[nodiscard]] AddressPattern compile_address(const ast::Url& url, std::vector<CaptureName>& captures,
                                             Diagnostics& diagnostics);

// --- compile_route.cc ---
[[nodiscard]] size_t count_captures(const AddressPattern& address);

struct AliasAddress {
    AddressPattern pattern;
    Span span;
    Alias alias;  // without the route's number
};
struct CompiledRoute {
    std::unique_ptr<Route> route;
    std::vector<AddressPattern> addresses;  // in the order in which they are written
    std::vector<AliasAddress> aliases;
};
[[nodiscard]] CompiledRoute compile_route(CompileContext& context, const Policy& policy,
                                          const ast::Route& route);
[[nodiscard]] CompiledRoute compile_api(CompileContext& context, const Policy& policy, const ast::Api& api);

}  // namespace wayleave::dsl
