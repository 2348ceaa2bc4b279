// Decides by walking the tree of a policy, rule by rule: names are looked for where they are written, nothing
// is prepared, shared or folded. What dsl/ compiles is compared with it. The policy has no mistakes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dsl/policy/facts.h"
#include "dsl/policy/program.h"
#include "dsl/syntax/ast.h"
#include "dsl/text/source.h"

namespace wayleave::tests {

// All that is known at a decision.
struct SlowInput {
    struct Field {
        std::string name;
        dsl::Value value;
    };

    dsl::Facts facts;
    std::string channel;  // of subscribe, publish, presence and history
    int64_t connection_age_ms = 0;
    int64_t subscriptions = 0;
    std::string message_type;
    int64_t message_size = 0;
    bool message_binary = false;
    std::vector<Field> fields;
};

struct SlowVerdict {
    bool allow = false;
    std::string place;  // of the rule that decided; empty: none allows it

    friend bool operator==(const SlowVerdict&, const SlowVerdict&) = default;
};

class SlowInterpreter {
  public:
    // `list` is what every file that the policy names holds.
    SlowInterpreter(const dsl::ast::File& file, const dsl::Sources& sources, std::string_view list);

    [[nodiscard]] SlowVerdict decide(std::string_view route, dsl::Action action,
                                     const SlowInput& input) const;
    // The block of that message type, or null.
    [[nodiscard]] const dsl::ast::Message* message(std::string_view route, std::string_view type) const;
    [[nodiscard]] SlowVerdict decide(std::string_view route, const dsl::ast::Message& message,
                                     const SlowInput& input) const;

    // For each channel of `join`, or of `publish to`: its name if the condition holds and there is one.
    using Channels = std::vector<std::optional<std::string>>;
    [[nodiscard]] Channels joins(std::string_view route, const SlowInput& input) const;
    [[nodiscard]] Channels publications(std::string_view route, const dsl::ast::Message& message,
                                        const SlowInput& input) const;

    // For each stream: whether the client has it, and what is decided about a message of it; nothing: it may
    // pass.
    struct Stream {
        bool has = false;
        SlowVerdict verdict;
    };
    [[nodiscard]] std::vector<Stream> streams(std::string_view route, const SlowInput& input) const;
    // For each `forward`, and each `reply`, of the message: whether its condition holds.
    using Conditions = std::vector<bool>;
    [[nodiscard]] Conditions forwards(std::string_view route, const dsl::ast::Message& message,
                                      const SlowInput& input) const;
    [[nodiscard]] Conditions replies(std::string_view route, const dsl::ast::Message& message,
                                     const SlowInput& input) const;
    // For each `proxy`.
    [[nodiscard]] Conditions proxies(std::string_view route, const SlowInput& input) const;

    // For each limit: how much, if its condition holds.
    using Amounts = std::vector<std::optional<dsl::Value>>;
    [[nodiscard]] Amounts limits(std::string_view route, const SlowInput& input) const;

  private:
    // A body that reaches a route. Its definitions come before those of the files.
    struct Part {
        const std::vector<dsl::ast::Member>* members;
    };
    // Where an expression stands.
    struct Place {
        const std::vector<dsl::ast::Member>* members;
        const dsl::ast::Message* message = nullptr;
        const SlowInput* input = nullptr;
        std::vector<SlowInput::Field> captures;  // of a channel's pattern
    };
    // What a condition comes to without any input, or else when it can be known.
    struct Need {
        std::optional<bool> constant;
        dsl::Stage stage = dsl::Stage::constant;
    };
    struct Holding {
        const dsl::ast::Rule* rule;
        dsl::Stage stage;
    };

    template <class Kind>
    [[nodiscard]] Conditions conditions(std::string_view route, const dsl::ast::Message& message,
                                        const SlowInput& input) const;
    [[nodiscard]] const dsl::ast::Route& route(std::string_view name) const;
    [[nodiscard]] std::vector<Part> parts(std::string_view route) const;
    void add_used(const std::vector<dsl::ast::Member>& members, std::vector<Part>& out) const;

    [[nodiscard]] const dsl::ast::Let* let(std::string_view name, const Place& place) const;
    [[nodiscard]] std::optional<dsl::Value> known(const std::string& name, const Place& place) const;
    [[nodiscard]] static dsl::Stage stage_of_name(const std::string& name, const Place& place);

    [[nodiscard]] bool holds(const dsl::ast::Expr& expr, const Place& place) const;
    [[nodiscard]] dsl::Value evaluate(const dsl::ast::Expr& expr, const Place& place) const;
    [[nodiscard]] dsl::Value look_up(const dsl::ast::Expr& expr, const Place& place) const;
    [[nodiscard]] dsl::Value definition(const dsl::ast::Let& let, const Place& place) const;
    [[nodiscard]] dsl::Value list_of(const dsl::ast::FileValue& file) const;

    [[nodiscard]] Need need(const dsl::ast::Expr& expr, const Place& place) const;
    [[nodiscard]] Need need_of_operand(const dsl::ast::Expr& expr, const Place& place) const;
    [[nodiscard]] Need need_of_rule(const dsl::ast::Rule& rule, const Place& place, bool channels) const;
    [[nodiscard]] static Need joined(const std::vector<Need>& needs, bool any);

    [[nodiscard]] bool matches(const dsl::ast::ChannelPattern& pattern, const Place& place,
                               std::vector<SlowInput::Field>& captures) const;
    [[nodiscard]] std::string insert(const dsl::ast::Path& path, const Place& place) const;
    [[nodiscard]] std::optional<std::string> channel(const dsl::ast::ChannelPattern& pattern,
                                                     const Place& place) const;

    [[nodiscard]] bool rule_holds(const dsl::ast::Rule& rule, const Place& place, bool channels) const;
    void consider(const dsl::ast::Rule& rule, const Place& place, bool channels,
                  std::vector<Holding>& holding) const;
    [[nodiscard]] SlowVerdict verdict(std::vector<Holding> holding) const;

    const dsl::ast::File& file_;
    const dsl::Sources& sources_;
    std::string_view list_;
};

}  // namespace wayleave::tests
