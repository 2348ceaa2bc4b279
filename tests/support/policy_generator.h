// Policies that have no mistakes: with definitions, tokens, defaults, policies to use, and routes with all
// kinds of rules. The same choices give the same policy.
#pragma once

#include <string>
#include <vector>

#include "tests/support/condition_generator.h"

namespace wayleave::tests {

// What every `file "…"` of a generated policy holds.
inline constexpr const char* generated_list =
    "10.0.0.0/8 # office\n10.2.3.0/24\n192.168.1.1\n2001:db8::/32\n";

class PolicyGenerator {
  public:
    explicit PolicyGenerator(Choices& choices) : choices_(choices) {}

    // The files of one policy, one statement a line.
    [[nodiscard]] std::vector<std::string> files();

  private:
    struct Claim {
        std::string name;
        dsl::Type type;
    };
    struct Token {
        std::string name;
        std::vector<Claim> claims;
    };

    void add(std::string item);
    std::string fresh(char letter) { return letter + std::to_string(names_++); }

    std::string let(Scope& scope);
    std::string map(KnownLet& made);
    void tokens();
    std::string claim(const Claim& claim);
    std::string absent(dsl::Type type);

    // Parts of a body. The scope is all that is known at some stage; each member uses what it may.
    std::string rules(const Scope& scope);
    std::string rule(const Scope& scope);
    std::string family(const Scope& scope);
    static Scope seen_at(const Scope& scope, const std::vector<std::string>& chosen);
    const Known* distinguishing(const Scope& scope);
    std::string channel_pattern(const Scope& scope, const std::vector<std::string>& captures);
    std::string channel_template(const Scope& scope);
    std::string on(const Scope& scope, Scope& inner);
    std::string limit(const Scope& scope, bool in_message);
    std::string body(Scope scope);
    std::string message(const Scope& scope, const std::string& types);
    std::string effects(const Scope& seen);
    std::string message_rule(const Scope& scope, bool sure);
    std::string streams(const Scope& scope, const std::vector<std::string>& caught);
    std::string path(const Scope& scope, const std::string& first);
    std::string perhaps_if(const Scope& scope, unsigned percent);
    std::string tail(const Scope& scope, bool deny, bool handshake, bool session);

    void defaults(const Scope& shared);
    void policies(const Scope& shared);
    std::string route_scope(Scope& scope, size_t number, size_t auth, std::vector<std::string>& caught);
    void proxied(const Scope& file);
    void route(const Scope& file, size_t number, size_t auth);
    [[nodiscard]] std::vector<Claim> claims_of(size_t auth) const;

    Choices& choices_;
    std::vector<std::string> files_;
    std::vector<Token> tokens_;
    std::vector<std::string> policies_;
    bool has_defaults_ = false;
    size_t names_ = 0;
};

}  // namespace wayleave::tests
