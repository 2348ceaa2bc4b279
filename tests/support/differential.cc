#include "tests/support/differential.h"

#include <array>
#include <optional>

#include "dsl/compile/compile.h"
#include "dsl/policy/evaluate.h"
#include "dsl/syntax/load.h"
#include "dsl/syntax/parse.h"
#include "tests/support/policy_generator.h"
#include "tests/support/sample_values.h"
#include "tests/support/slow_interpreter.h"

namespace wayleave::tests {
namespace {

using namespace dsl;

constexpr std::array hosts{"h.example.com", "app.example.com", "a"};
constexpr std::array paths{"/r0", "/r1/ann/7", "/a"};
constexpr std::array origins{"https://app.example.com", "", "a"};

struct Compiled {
    Sources sources;
    Diagnostics diagnostics;
    ast::File file;
    std::shared_ptr<const Policy> policy;

    explicit Compiled(const std::vector<std::string>& files) {
        for (size_t i = 0; i < files.size(); ++i)
            load_text("p" + std::to_string(i) + ".route", files[i], sources, diagnostics);
        file = parse(sources, diagnostics);
        if (diagnostics.errors() > 0) return;
        const auto list = [](const std::string&) { return Result<std::string>(std::string(generated_list)); };
        policy = compile(file, sources, list, diagnostics);
    }
};

SlowInput sample_input(const Route& route, Choices& choices) {
    SlowInput input;
    input.facts.ip = std::get<Address>(sample_value({Kind::ip, Shape::one}, choices).held);
    input.facts.tls = choices.chance(50);
    input.facts.host = choices.pick(hosts);
    input.facts.path = choices.pick(paths);
    input.facts.origin = choices.pick(origins);
    input.facts.subprotocol = choices.chance(50) ? "a" : "";
    input.facts.shape = route.shape;
    for (const FactShape::Fact& fact : route.shape->facts)
        input.facts.values.push_back(sample_value(fact.type, choices));
    input.channel = sample_channel(choices);
    input.connection_age_ms = std::get<int64_t>(sample_value({Kind::time, Shape::one}, choices).held);
    input.subscriptions = static_cast<int64_t>(choices.below(4));
    input.message_type = sample_message_type(choices);
    input.message_size = std::get<int64_t>(sample_value({Kind::size, Shape::one}, choices).held);
    input.message_binary = choices.chance(30);
    return input;
}

// The decisions about one input.
class Comparison {
  public:
    Comparison(const Route& route, const SlowInterpreter& slow, const SlowInput& input, Differential& result)
        : route_(route), program_(route.program), slow_(slow), input_(input), result_(result) {
        channel_ = split_channel(input.channel);
        request_.facts = &input_.facts;
        request_.connection = 1;
        request_.connection_age_ms = input_.connection_age_ms;
        request_.subscriptions = input_.subscriptions;
        request_.message_type = input_.message_type;
        request_.message_size = input_.message_size;
        request_.message_binary = input_.message_binary;
        residual_ = fold(program_, early_answers(program_, request_));
    }

    void run(Choices& choices) {
        compare_channels("join", slow_.joins(route_.name, input_), route_.joins);
        compare("connect", route_.connect, slow_.decide(route_.name, Action::connect, input_));
        const auto amounts = slow_.limits(route_.name, input_);
        for (size_t i = 0; i < amounts.size(); ++i) compare_limit(route_.limits[i], amounts[i]);
        request_.channel = &*channel_;
        compare("subscribe", route_.subscribe, slow_.decide(route_.name, Action::subscribe, input_));
        compare("publish", route_.publish, slow_.decide(route_.name, Action::publish, input_));
        compare("presence", route_.presence, slow_.decide(route_.name, Action::presence, input_));
        compare("history", route_.history, slow_.decide(route_.name, Action::history, input_));
        request_.channel = nullptr;
        compare_conditions("proxy", slow_.proxies(route_.name, input_), route_.proxies);
        streams();
        message(choices);
    }

  private:
    void streams() {
        const auto expected = slow_.streams(route_.name, input_);
        SlowInterpreter::Conditions has;
        for (const auto& one : expected) has.push_back(one.has);
        compare_conditions("stream", has, route_.streams);
        for (size_t i = 0; i < expected.size() && i < route_.streams.size(); ++i)
            compare("a message to a stream", route_.streams[i].decision, expected[i].verdict);
    }

    void message(Choices& choices) {
        const Message* block = route_.message(input_.message_type);
        const ast::Message* plain = slow_.message(route_.name, input_.message_type);
        if ((block == nullptr) != (plain == nullptr)) return fail("message", "another block");
        if (!block) return;
        std::vector<Value> fields;
        for (const FieldDecl& field : block->fields) {
            fields.push_back(sample_value(field.type, choices));
            input_.fields.push_back({field.name, fields.back()});
        }
        request_.fields = fields;
        compare("message", block->decision, slow_.decide(route_.name, *plain, input_));
        compare_channels("publish to", slow_.publications(route_.name, *plain, input_), block->publish);
        compare_conditions("forward", slow_.forwards(route_.name, *plain, input_), block->forwards);
        compare_conditions("reply", slow_.replies(route_.name, *plain, input_), block->replies);
    }

    [[nodiscard]] NodeId whole(RootId root) const {
        return decide(program_, program_.nodes, program_.roots[root], request_);
    }
    [[nodiscard]] NodeId folded(RootId root) const {
        return decide(program_, residual_.nodes, residual_.roots[root], request_);
    }
    [[nodiscard]] SlowVerdict verdict_of(NodeId node) const {
        if (node == never || node == always) return {};  // of a stream: the statement is the permission
        const RuleInfo& rule = route_.rules[(node & ~verdict_bit) - 2];
        return {rule.allow, rule.place};
    }

    void compare(std::string_view what, RootId root, const SlowVerdict& expected) {
        const SlowVerdict made = verdict_of(whole(root));
        (made.place.empty() ? result_.unnamed : made.allow ? result_.allowed : result_.denied) += 1;
        if (whole(root) != folded(root)) return fail(what, "folding decides otherwise");
        if (made != expected)
            fail(what, "compiled: " + (made.place.empty() ? "nothing" : made.place) +
                           ", slow: " + (expected.place.empty() ? "nothing" : expected.place));
    }

    template <class List>
    void compare_channels(std::string_view what, const SlowInterpreter::Channels& expected,
                          const List& made) {
        if (made.size() != expected.size()) return fail(what, "another number");
        for (size_t i = 0; i < made.size(); ++i) {
            const bool holds = whole(made[i].condition) == always;
            if (holds != (folded(made[i].condition) == always))
                return fail(what, "folding decides otherwise");
            std::string name;
            const bool named = holds && build_channel(program_, made[i].channel, request_, name);
            if (named != expected[i].has_value() || (named && name != *expected[i]))
                fail(what, "number " + std::to_string(i));
        }
    }

    template <class List>
    void compare_conditions(std::string_view what, const SlowInterpreter::Conditions& expected,
                            const List& made) {
        if (made.size() != expected.size()) return fail(what, "another number");
        for (size_t i = 0; i < made.size(); ++i) {
            const bool holds = whole(made[i].condition) == always;
            if (holds != (folded(made[i].condition) == always))
                return fail(what, "folding decides otherwise");
            if (holds != expected[i]) fail(what, "number " + std::to_string(i));
        }
    }

    void compare_limit(const Limit& limit, const std::optional<Value>& expected) {
        const bool counts = whole(limit.condition) == always;
        if (counts != (folded(limit.condition) == always)) return fail("limit", "folding decides otherwise");
        if (counts != expected.has_value()) return fail("limit", limit.place);
        if (!counts) return;
        const ValueView to = fetch(program_, limit.to, request_);
        const auto* rate = std::get_if<Rate>(&to);
        if (!(rate ? Value(*rate) == *expected : Value(std::get<int64_t>(to)) == *expected))
            fail("limit", limit.place + ": another amount");
    }

    void fail(std::string_view what, const std::string& how) {
        std::string text = std::string(what) + " of " + route_.name + ": " + how + "\nchannel " +
                           input_.channel + ", type " + input_.message_type + ", ip " +
                           input_.facts.ip.text() + "\n";
        for (size_t i = 0; i < input_.facts.values.size(); ++i)
            text += input_.facts.shape->facts[i].name + " = " + print(input_.facts.values[i]) + "\n";
        for (const SlowInput::Field& field : input_.fields)
            text += field.name + " = " + print(field.value) + "\n";
        if (result_.failure.empty()) result_.failure = std::move(text);
    }

    const Route& route_;
    const Program& program_;
    const SlowInterpreter& slow_;
    SlowInput input_;
    Differential& result_;
    std::optional<ChannelName> channel_;
    Request request_;
    Residual residual_;
};

}  // namespace

Differential decide_generated(Choices& choices, size_t inputs) {
    Differential out;
    const std::vector<std::string> files = PolicyGenerator(choices).files();
    const Compiled compiled(files);
    if (!compiled.policy) {
        out.failure =
            "the generated policy has mistakes:\n" + render(compiled.diagnostics, compiled.sources, false);
    } else {
        const SlowInterpreter slow(compiled.file, compiled.sources, generated_list);
        for (const auto& route : compiled.policy->routes) out.switches += route->program.switches.size();
        for (; out.inputs < inputs && out.failure.empty(); ++out.inputs) {
            const Route& route = *choices.pick(compiled.policy->routes);
            Comparison(route, slow, sample_input(route, choices), out).run(choices);
        }
    }
    for (const std::string& file : files) {
        if (!out.failure.empty()) out.failure += "\n--- a file:\n" + file;
    }
    return out;
}

}  // namespace wayleave::tests
