// Compiles one route. Private to dsl/compile*.cc.
#pragma once

#include <list>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "dsl/compile/parts.h"

namespace wayleave::dsl {

class RouteCompiler {
  public:
    RouteCompiler(CompileContext& context, const Policy& policy, const ast::Route& route);
    RouteCompiler(CompileContext& context, const Policy& policy, const ast::Api& api);

    [[nodiscard]] CompiledRoute compile();

  private:
    RouteCompiler(CompileContext& context, const Policy& policy, const ast::Name& name,
                  const std::vector<ast::Url>& urls, const std::vector<ast::Member>& members, bool api);

    // A body that reaches this route, with the definitions that are seen in it.
    struct BodyPart {
        enum class From : uint8_t { defaults, use, own };

        From from;
        const std::vector<ast::Member>* members;
        std::unique_ptr<Lets> lets;
    };
    // A rule as far as one decision is concerned.
    struct Candidate {
        const ast::Rule* rule;
        Condition condition;
        Stage stage;
    };
    struct Chosen {
        const ast::Setting* setting;
        const BodyPart* part;
        const ast::Setting* other = nullptr;  // of the same rank, and says something else
    };

    // --- compile_route.cc: what the route is ---
    void gather_parts();
    void add_part(BodyPart::From from, const std::vector<ast::Member>& members);
    void add_uses(const std::vector<ast::Member>& members);
    void gather_lets(BodyPart& part);
    void check_members(const BodyPart& part);
    void check_actions(const ast::Rule& rule, const BodyPart& part);
    void gather_settings();
    void choose(const BodyPart& part, const ast::Setting& setting);
    void apply_settings();
    void apply(const Chosen& chosen, const SettingRow& row);
    void report_conflict(const Chosen& chosen);
    void apply_auth(const ast::Setting& setting);
    void apply_auth_name(const ast::Expr& expr);
    void apply_origins(const ast::Setting& setting, const Lets& lets);
    void apply_origin_expr(const ast::Expr& expr, const Lets& lets, bool alone);
    void add_origin(const std::string& text, Span span);
    void apply_dialect(const ast::Setting& setting, const SettingRow& row, const Lets& lets);
    void check_door();
    void compile_addresses();
    void declare_facts();
    void declare_inputs(FactShape& shape);
    void declare_claims(FactShape& shape);
    void declare(FactShape& shape, std::string name, Type type, Stage stage, Span span);
    void gather_errors();
    void add_error(const ast::Setting& setting);

    // --- compile_rules.cc: what it permits ---
    void compile_decisions();
    [[nodiscard]] RootId decision(Action action, const Context& context);
    // `otherwise` is what holds where no rule does.
    [[nodiscard]] RootId link_decision(std::vector<Candidate> denies, std::vector<Candidate> allows,
                                       NodeId otherwise = never);
    void add_candidate(const ast::Rule& rule, const Names& names, const Context& context,
                       std::vector<Candidate>& denies, std::vector<Candidate>& allows);
    [[nodiscard]] Condition rule_condition(const ast::Rule& rule, const Names& names, const Context& context);
    [[nodiscard]] Condition on_condition(const ast::ChannelPattern& pattern, const ast::Rule& rule,
                                         Names names, const Context& context);
    void add_conditions(const ast::Rule& rule, const Names& names, const Context& context,
                        std::vector<Condition>& out);
    [[nodiscard]] Pattern channel_pattern(const ast::ChannelPattern& pattern, const Names& names,
                                          const Context& context, bool is_template, Names* captures);
    [[nodiscard]] PatternSegment channel_segment(const ast::Segment& segment, const Names& names,
                                                 const Context& context, bool is_template);
    [[nodiscard]] NodeId rule_verdict(const ast::Rule& rule);
    void check_then(const ast::Rule& rule);
    [[nodiscard]] Stage stage_of(const Condition& condition) const;
    [[nodiscard]] RootId condition_root(Condition condition);
    void remember_clauses(RootId root, std::vector<Clause> clauses);
    [[nodiscard]] RootId optional_condition(const std::optional<ast::Expr>& condition, const Names& names,
                                            const Context& context);
    void compile_joins();
    void compile_limits();
    [[nodiscard]] std::optional<Limit> limit(const ast::Limit& limit, const Names& names,
                                             const std::string& scope);
    [[nodiscard]] bool limit_value(const ast::Limit& limit, const Names& names, const Context& context,
                                   Limit& out);

    // --- asked.cc: rules whose word a backend has ---
    void check_by(const ast::Rule& rule, const BodyPart& part);
    void note_asked(const ast::Rule& rule, const Names& names, const Context& context);

    // --- grants.cc: what clients bring with what they ask for ---
    void check_with(const ast::Rule& rule, const BodyPart& part);
    [[nodiscard]] std::optional<uint32_t> grant_named(const ast::Rule& rule) const;
    uint32_t declare_grant(std::string_view name, uint32_t token);
    [[nodiscard]] Names with_claims(Names names, uint32_t grant) const;
    [[nodiscard]] Condition brought(uint32_t grant);
    void finish_grants();

    // --- compile_members.cc: what it leads to ---
    void compile_streams();
    void compile_stream(const ast::Stream& stream, const Names& names, const Lets* around);
    void compile_stream_rules(const ast::Stream& stream, const Names& names, Stream& out);
    void compile_proxies();
    void check_proxied();
    void compile_notifies();
    [[nodiscard]] int64_t grace(const ast::Notify& notify);
    void compile_bans();
    [[nodiscard]] uint64_t own_identity(std::string_view what);
    void compile_ban(const ast::Ban& ban, const Names& names);
    [[nodiscard]] std::optional<int64_t> ban_time(const ast::Literal& literal);
    void compile_aliases();
    void compile_alias(const ast::Alias& alias);
    void bind(const ast::Binding& binding, AliasAddress& out);

    // --- compile_message.cc ---
    void gather_message_rules();
    void compile_messages();
    void compile_message(const ast::Message& message, const Names& names);
    void compile_field(const ast::Field& field, const Lets& lets, Message& out, Names& names);
    void compile_stamp(const ast::Stamp& stamp, const Names& names, Message& out);
    [[nodiscard]] bool can_stamp(const ast::Stamp& stamp, const Message& message);
    [[nodiscard]] bool is_secret(const Operand& operand) const;
    void compile_publish(const ast::PublishTo& publish, const Names& names, Message& out);
    void compile_subscriptions(const ast::Message& message, const Names& names, Message& out);
    void compile_replies(const ast::Message& message, const Names& names, Message& out);
    [[nodiscard]] std::string one_type(const std::optional<ast::MessageType>& type, std::string_view what);
    [[nodiscard]] bool check_type(const ast::MessageType& type);
    void compile_backends(const ast::Message& message, const Names& names, Message& out);
    // A declared backend, and a path on it that may insert values.
    [[nodiscard]] std::optional<BackendPath> path_to(const ast::Name& backend, const ast::Text& path,
                                                     const Names& names, const Context& context);
    [[nodiscard]] std::optional<Operand> path_insert(std::string_view name, const ast::Text& path,
                                                     const Names& names, const Context& context);
    void register_types(const ast::Message& message, uint32_t number);

    [[nodiscard]] Names names_for(const BodyPart& part) const;

    CompileContext& context_;
    Diagnostics& diagnostics_;
    const Policy& policy_;
    const ast::Name& name_;
    const std::vector<ast::Url>& urls_;
    const std::vector<ast::Member>& members_;
    CompiledRoute out_;
    Route* route_;  // out_.route
    std::vector<BodyPart> parts_;
    std::map<std::string_view, Chosen> chosen_;
    std::vector<CaptureName> captures_;
    Names names_;  // without lets, which differ by part
    ProgramBuilder builder_;
    std::map<const ast::Rule*, NodeId> verdicts_;
    std::map<const ast::Rule*, AskedBackend> asked_;
    std::map<std::string_view, uint32_t> grants_;  // by the token's name: in Route::grants
    FactShape grant_shape_;
    std::vector<Candidate> message_denies_;  // of every message block
    std::vector<Candidate> message_allows_;
    bool public_ = false;
    bool has_auth_ = false;
    std::map<std::string_view, Span> types_;
    std::set<uint64_t> identities_;                // of limits
    std::map<uint64_t, uint64_t> identity_steps_;  // how far those that are alike have come
};

}  // namespace wayleave::dsl
