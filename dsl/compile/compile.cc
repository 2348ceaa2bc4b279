#include "dsl/compile/compile.h"

#include <unordered_map>

#include "dsl/compile/parts.h"
#include "dsl/policy/canonical.h"
#include "dsl/syntax/consequences.h"
#include "dsl/syntax/parse.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

// Words that stand where a backend's name may stand.
constexpr std::string_view taken_words = "error file status close drop url";

constexpr size_t most_routes = 100'000;

class Compiler {
  public:
    // `instead`: what a test says that some names mean.
    Compiler(const Sources& sources, const FileReader& files, Diagnostics& diagnostics,
             const LetNames* instead = nullptr)
        : context_{sources, files, diagnostics, Lets(nullptr, instead), {}, {}, {}, {}, {}, {}, {},
                   {},      false, {}},
          policy_(std::make_unique<Policy>()),
          variant_(instead != nullptr) {}

    std::unique_ptr<Policy> compile(const ast::File& file) {
        for (const ast::Item& item : file.items) {
            std::visit([&](const auto& it) { collect(it); }, item);
        }
        for (const ast::Let* let : lets_) check_let(*let);
        for (const ast::Backend* backend : backends_) add_backend(*backend);
        for (const ast::Channel* channel : channels_) add_channel(*channel);
        for (const ast::Token* token : tokens_) policy_->tokens.push_back(compile_token(context_, *token));
        name_realms(policy_->tokens);
        if (routes_.size() > most_routes) {
            context_.diagnostics.error(
                "E026", routes_[most_routes]->name.span, "a policy has at most 100,000 routes",
                "this one is the first too many", "a capture, such as /app/:tenant, makes one route of many");
            return std::move(policy_);
        }
        for (const ast::Route* route : routes_) add_route(*route);
        for (const ast::Api* api : apis_) add_api(*api);
        for (const ast::Token* token : tokens_) check_source(*token);
        if (!variant_) {
            check_lets(context_, file);
            add_tests(file);
            warn_unused();
        }
        if (context_.diagnostics.errors() == 0) fill_hashes(*policy_);
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
        if (has_word(taken_words, backend.name.text)) {
            context_.diagnostics.error("E005", backend.name.span,
                                       quoted(backend.name.text) + " means something else already");
        }
        const auto [it, fresh] =
            context_.backend_numbers.try_emplace(backend.name.text, static_cast<uint32_t>(backends_.size()));
        if (!fresh) return twice("backend", backend.name, backends_[it->second]->name.span);
        backends_.push_back(&backend);
    }
    void collect(const ast::Channel& channel) { channels_.push_back(&channel); }
    void collect(const ast::Api& api) { apis_.push_back(&api); }
    void collect(const ast::Test& test) { tests_.push_back(&test); }

    // What only `$subscribe` brings is looked for nowhere else.
    void check_source(const ast::Token& token) {
        if (!token.from.empty()) return;
        const auto auth = context_.authenticating.find(token.name.text);
        if (!context_.granting.contains(token.name.text)) {
            context_.diagnostics.error(
                "E022", token.name.span,
                "the token " + quoted(token.name.text) + " says not where it is looked for", {},
                "write `from header \"Authorization\"`, or cookie, query, subprotocol; only one that a rule "
                "names by `with` needs none");
        } else if (auth != context_.authenticating.end()) {
            context_.diagnostics.error(
                "E022", auth->second,
                "the token " + quoted(token.name.text) + " says not where a handshake brings it",
                "without `from` a client brings it with `$subscribe` alone",
                "write `from header \"Authorization\"`, or cookie, query, subprotocol, in its block");
        }
    }

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
        CompiledRoute made = compile_route(context_, *policy_, route);
        policy_->routes.push_back(std::move(made.route));
        compiled_.push_back(&route);
        for (size_t i = 0; i < made.addresses.size() && i < route.urls.size(); ++i)
            add_address(policy_->router, places_, made.addresses[i], it->second, route.urls[i].span);
        for (AliasAddress& alias : made.aliases) {
            alias.alias.route = it->second;
            policy_->aliases.emplace(static_cast<uint32_t>(places_.size()), std::move(alias.alias));
            add_address(policy_->router, places_, alias.pattern, it->second, alias.span);
        }
    }

    // An api answers below its address, too.
    void add_api(const ast::Api& api) {
        const auto number = static_cast<uint32_t>(policy_->apis.size());
        for (const auto& known : policy_->apis) {
            if (known->name == api.name.text) return twice("api", api.name, api.name.span);
        }
        CompiledRoute made = compile_api(context_, *policy_, api);
        policy_->apis.push_back(std::move(made.route));
        for (size_t i = 0; i < made.addresses.size() && i < api.urls.size(); ++i) {
            AddressPattern& address = made.addresses[i];
            add_address(policy_->api_router, api_places_, address, number, api.urls[i].span);
            AddressSegment below;
            below.kind = AddressSegment::Kind::rest;
            address.path.push_back(std::move(below));
            address.trailing_slash = false;
            add_address(policy_->api_router, api_places_, address, number, api.urls[i].span);
        }
    }

    void add_backend(const ast::Backend& backend) {
        policy_->backends.push_back(compile_backend(context_, backend));
    }

    void add_channel(const ast::Channel& channel) {
        if (channel.pattern.segments.empty()) return;  // it could not be read
        const auto number = static_cast<uint32_t>(policy_->channels.size());
        policy_->channels.push_back(compile_channel(context_, channel));
        add_address(policy_->channel_router, channel_places_,
                    channel_address(channel.pattern, "a `channel` block", context_.diagnostics), number,
                    channel.pattern.span);
    }

    void add_tests(const ast::File& file) {
        TestPolicies policies(context_, file, [&](const LetNames& instead, Diagnostics& diagnostics) {
            return Compiler(context_.sources, context_.files, diagnostics, &instead).compile(file);
        });
        for (const ast::Test* test : tests_) {
            const LetNames instead = policies.definitions(*test);
            policy_->tests.push_back(compile_test(context_, *policy_, *test, instead));
            if (!instead.empty()) policy_->tests.back().policy = policies.with(instead);
        }
    }

    void add_address(Router& router, std::vector<Span>& places, const AddressPattern& address,
                     uint32_t number, Span span) {
        const auto conflict = router.add(address, number);
        places.push_back(span);
        if (!conflict || places[conflict->address] == span) return;
        const bool channel = &router == &policy_->channel_router;
        const std::string what = channel ? "pattern" : "address";
        const std::string text = conflict->same
                                     ? "this " + what + " is taken already"
                                     : "both " + what + (channel ? "s" : "es") + " match " +
                                           quoted(channel ? conflict->example.substr(1) : conflict->example) +
                                           ", and neither is narrower";
        auto& diagnostic = context_.diagnostics.error("E006", span, text);
        diagnostic.secondary.push_back({places[conflict->address], "the other one"});
    }

    void warn_unused() {
        for (const ast::Token* token : tokens_) {
            // Where a name in an `auth` is misspelt, this may be the one that was meant.
            if (context_.token_misspelt || context_.used.contains(token->name.text)) continue;
            context_.diagnostics.warning("W101", token->name.span,
                                         "no route uses the token " + quoted(token->name.text));
        }
        for (const ast::Backend* backend : backends_) {
            if (context_.used_backends.contains(backend->name.text)) continue;
            context_.diagnostics.warning("W101", backend->name.span,
                                         "nothing uses the backend " + quoted(backend->name.text));
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
    bool variant_;  // compiled for a test, which sees no tests
    std::vector<const ast::Let*> lets_;
    std::unordered_map<const ast::Let*, const ast::Let*> walked_;  // and from where
    std::vector<const ast::Token*> tokens_;
    std::vector<const ast::Backend*> backends_;
    std::vector<const ast::Channel*> channels_;
    std::vector<const ast::Api*> apis_;
    std::vector<const ast::Test*> tests_;
    std::vector<const ast::Route*> routes_;
    std::vector<const ast::Route*> compiled_;
    std::vector<Span> places_;  // of the addresses, as the router counts them
    std::vector<Span> api_places_;
    std::vector<Span> channel_places_;
};

}  // namespace

std::shared_ptr<const Policy> compile(const Sources& sources, const FileReader& files,
                                      Diagnostics& diagnostics) {
    const ast::File file = parse(sources, diagnostics);
    return compile(file, sources, files, diagnostics);
}

std::shared_ptr<const Policy> compile(const ast::File& file, const Sources& sources, const FileReader& files,
                                      Diagnostics& diagnostics) {
    if (diagnostics.errors() > 0) {
        if (!file.whole) return nullptr;
        Diagnostics found;
        (void)Compiler(sources, files, found).compile(file);
        const Consequences consequences(file, sources, diagnostics);
        for (const Diagnostic& diagnostic : found.all()) {
            if (!consequences.hold(diagnostic)) diagnostics.adopt(diagnostic);
        }
        diagnostics.sort();
        return nullptr;
    }
    auto policy = Compiler(sources, files, diagnostics).compile(file);
    policy->files = sources.size();
    if (diagnostics.errors() > 0) return nullptr;
    return policy;
}

}  // namespace wayleave::dsl
