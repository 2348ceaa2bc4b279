// What the parts of the compiler share. Private to dsl/compile*.cc.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "dsl/ast.h"
#include "dsl/check_expr.h"
#include "dsl/diagnostic.h"
#include "dsl/names.h"
#include "dsl/policy.h"
#include "dsl/settings.h"

namespace wayleave::dsl {

struct CompileContext {
    const Sources& sources;
    const FileReader& files;
    Diagnostics& diagnostics;
    Lets lets;  // file-wide
    std::map<std::string_view, const ast::Policy*> policies;
    std::vector<const ast::Defaults*> defaults;
    std::map<std::string_view, uint32_t> token_numbers;  // in Policy::tokens
    std::set<std::string_view> used;                     // tokens and policies that a route names
};

// E025: a construct that is parsed and means something, but that this version does not execute.
void not_supported(Diagnostics& diagnostics, Span span, std::string_view what);

// --- compile_values.cc: settings' values, outcomes, `else` ---

// Reads constant settings of one block.
class ValueReader {
  public:
    ValueReader(CompileContext& context, const Lets& lets);

    [[nodiscard]] std::optional<int64_t> number(const ast::Setting& setting, const SettingRow& row);
    [[nodiscard]] std::optional<bool> boolean(const ast::Setting& setting);
    [[nodiscard]] std::optional<std::string> text(const ast::Setting& setting);
    [[nodiscard]] std::optional<std::vector<std::string>> texts(const ast::Setting& setting);
    [[nodiscard]] std::optional<Typed> constant(const ast::Expr& expr);

  private:
    const ast::Expr* expression(const ast::Setting& setting);
    void wrong(const ast::Setting& setting, std::string_view wanted);

    CompileContext& context_;
    Names names_;
    ProgramBuilder builder_;  // constants need a home; it is thrown away
};

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
[[nodiscard]] std::optional<TokenSource> compile_source(const ast::Source& source, Diagnostics& diagnostics);

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
[[nodiscard]] std::unique_ptr<Route> compile_route(CompileContext& context, const Policy& policy,
                                                   const ast::Route& route,
                                                   std::vector<AddressPattern>& addresses);

}  // namespace wayleave::dsl
