// What the names in a condition mean: attributes of the connection and the message, and what `let` defined.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dsl/policy/attributes.h"
#include "dsl/policy/program.h"
#include "dsl/syntax/ast.h"

namespace wayleave::dsl {

// What is known where a rule stands.
struct Context {
    bool identity = true;
    bool channel = false;
    bool message = false;
    std::string_view when;  // for messages: "at connect"
};

using LetNames = std::map<std::string_view, const ast::Let*>;

// Definitions by `let`: a file-wide scope, and one for each body inside it.
class Lets {
  public:
    explicit Lets(const Lets* outer = nullptr, const LetNames* instead = nullptr)
        : outer_(outer), instead_(instead || !outer ? instead : outer->instead_) {}
    // The earlier definition if the name is taken.
    const ast::Let* add(const ast::Let& let);
    [[nodiscard]] const ast::Let* find(std::string_view name) const;
    void names(std::vector<std::string_view>& out) const;

  private:
    const Lets* outer_;
    const LetNames* instead_;  // what a test says that names mean which are defined here or further out
    LetNames lets_;
};

// The names of one route. Copied and added to for a channel's captures and a message's fields.
struct Names {
    std::map<std::string, Symbol, std::less<>> symbols;
    // Why a name that looks right is not there: "only `session` declares this claim".
    std::map<std::string, std::string, std::less<>> reasons;
    std::string claims_of;        // "`session` does not declare this claim"; empty on a public route
    bool claims_unknown = false;  // `auth` names a token that does not exist: what it would say is not known
    bool incomplete = false;      // not all names are here: what is unknown may exist
    const Lets* lets = nullptr;
    const std::map<std::string_view, uint32_t>* tokens = nullptr;  // of the policy: `grant.room` may be meant
    std::string_view with;                                         // the token that the rule names

    [[nodiscard]] const Symbol* find(std::string_view name) const;
    [[nodiscard]] std::vector<std::string_view> all() const;  // for "did you mean"
};

}  // namespace wayleave::dsl
