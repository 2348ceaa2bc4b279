#include "dsl/compile.h"

#include <unordered_map>

#include "dsl/compile_parts.h"
#include "dsl/parse.h"
#include "dsl/text.h"

namespace wayleave::dsl {
namespace {

class Compiler {
  public:
    Compiler(const Sources& sources, const FileReader& files, Diagnostics& diagnostics)
        : context_{sources, files, diagnostics, Lets(), {}, {}, {}, {}},
          policy_(std::make_unique<Policy>()) {}

    std::unique_ptr<Policy> compile(const ast::File& file) {
        for (const ast::Item& item : file.items) {
            std::visit([&](const auto& it) { collect(it); }, item);
        }
        for (const ast::Let* let : lets_) check_let(*let);
        for (const ast::Token* token : tokens_) policy_->tokens.push_back(compile_token(context_, *token));
        for (const ast::Route* route : routes_) add_route(*route);
        warn_unused();
        return std::move(policy_);
    }

  private:
    void twice(std::string_view what, const ast::Name& name, Span first) {
        auto& diagnostic = context_.diagnostics.error(
            "E005", name.span, "the " + std::string(what) + " " + quoted(name.text) + " is defined twice");
        diagnostic.secondary.push_back({first, "first here"});
    }

    void collect(const ast::Let& let) {
        if (builtin(let.name.text) != nullptr) {
            context_.diagnostics.error("E005", let.name.span,
                                       quoted(let.name.text) + " means something else already");
        } else if (const ast::Let* known = context_.lets.add(let)) {
            twice("name", let.name, known->name.span);
        } else {
            lets_.push_back(&let);
        }
    }
    void collect(const ast::Token& token) {
        const auto [it, fresh] =
            context_.token_numbers.try_emplace(token.name.text, static_cast<uint32_t>(tokens_.size()));
        if (!fresh) return twice("token", token.name, tokens_[it->second]->name.span);
        tokens_.push_back(&token);
    }
    void collect(const ast::Policy& policy) {
        const auto [it, fresh] = context_.policies.try_emplace(policy.name.text, &policy);
        if (!fresh) return twice("policy", policy.name, it->second->name.span);
        for (const ast::Member& member : policy.members) {
            if (const auto* use = std::get_if<ast::Use>(&member)) {
                context_.diagnostics.error("E001", use->span, "policies do not use policies");
            }
        }
    }
    void collect(const ast::Defaults& defaults) { context_.defaults.push_back(&defaults); }
    void collect(const ast::Route& route) { routes_.push_back(&route); }
    void collect(const ast::Backend& backend) {
        not_supported(context_.diagnostics, backend.name.span, "backend");
    }
    void collect(const ast::Channel& channel) {
        not_supported(context_.diagnostics, channel.pattern.span, "channel");
    }
    void collect(const ast::Api& api) { not_supported(context_.diagnostics, api.name.span, "api"); }
    void collect(const ast::Test&) {}  // parsed; running them is `wayleave test`, which does not exist yet

    // A definition that leads to itself is wrong even if nobody reads it. Each leads to one other at most, so
    // a walk ends where an earlier one came by; one error a circle.
    void check_let(const ast::Let& let) {
        for (const ast::Let* at = &let; at;) {
            const auto [it, fresh] = walked_.emplace(at, &let);
            if (!fresh && it->second != &let) return;
            if (!fresh) {
                context_.diagnostics.error("E010", at->name.span,
                                           quoted(at->name.text) + " is defined by itself");
                return;
            }
            const auto* expr = std::get_if<ast::Expr>(&at->value);
            at =
                expr && expr->kind == ast::Expr::Kind::path ? context_.lets.find(expr->path.text()) : nullptr;
        }
    }

    void add_route(const ast::Route& route) {
        const auto [it, fresh] = policy_->by_name.try_emplace(std::string(route.name.text),
                                                              static_cast<uint32_t>(policy_->routes.size()));
        if (!fresh) return twice("route", route.name, compiled_[it->second]->name.span);
        std::vector<AddressPattern> addresses;
        policy_->routes.push_back(compile_route(context_, *policy_, route, addresses));
        compiled_.push_back(&route);
        for (size_t i = 0; i < addresses.size() && i < route.urls.size(); ++i) {
            const auto conflict = policy_->router.add(addresses[i], it->second);
            places_.push_back(route.urls[i].span);
            if (!conflict) continue;
            const std::string text = conflict->same ? "this address is taken already"
                                                    : "both addresses match " + quoted(conflict->example) +
                                                          ", and neither is narrower";
            auto& diagnostic = context_.diagnostics.error("E006", route.urls[i].span, text);
            diagnostic.secondary.push_back({places_[conflict->address], "the other one"});
        }
    }

    void warn_unused() {
        for (const ast::Token* token : tokens_) {
            if (context_.used.contains(token->name.text)) continue;
            context_.diagnostics.warning("W101", token->name.span,
                                         "no route uses the token " + quoted(token->name.text));
        }
        for (const auto& [name, policy] : context_.policies) {
            if (context_.used.contains(name)) continue;
            context_.diagnostics.warning("W101", policy->name.span,
                                         "no route uses the policy " + quoted(name),
                                         "its rules are not checked");
        }
    }

    CompileContext context_;
    std::unique_ptr<Policy> policy_;
    std::vector<const ast::Let*> lets_;
    std::unordered_map<const ast::Let*, const ast::Let*> walked_;  // and from where
    std::vector<const ast::Token*> tokens_;
    std::vector<const ast::Route*> routes_;
    std::vector<const ast::Route*> compiled_;
    std::vector<Span> places_;  // of the addresses, as the router counts them
};

}  // namespace

std::shared_ptr<const Policy> compile(const Sources& sources, const FileReader& files,
                                      Diagnostics& diagnostics) {
    const ast::File file = parse(sources, diagnostics);
    if (diagnostics.errors() > 0) return nullptr;  // the tree has holes where the mistakes were
    return compile(file, sources, files, diagnostics);
}

std::shared_ptr<const Policy> compile(const ast::File& file, const Sources& sources, const FileReader& files,
                                      Diagnostics& diagnostics) {
    auto policy = Compiler(sources, files, diagnostics).compile(file);
    policy->files = sources.size();
    if (diagnostics.errors() > 0) return nullptr;
    return policy;
}

}  // namespace wayleave::dsl
