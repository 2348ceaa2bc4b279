// What lint is certain of, and whether the evaluator ever contradicts it.
#include "dsl/lint/exact/exact.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "dsl/compile/compile.h"
#include "dsl/lint/lint.h"
#include "dsl/lint/parts.h"
#include "dsl/policy/evaluate.h"
#include "dsl/syntax/load.h"
#include "dsl/syntax/parse.h"
#include "tests/support/policy_generator.h"
#include "tests/support/sample_values.h"

using namespace wayleave::dsl;
using namespace wayleave::tests;

namespace {

struct Compiled {
    Sources sources;
    Diagnostics diagnostics;
    ast::File file;
    std::shared_ptr<const Policy> policy;

    explicit Compiled(const std::vector<std::string>& files) {
        for (size_t i = 0; i < files.size(); ++i)
            load_text("p" + std::to_string(i) + ".route", files[i], sources, diagnostics);
        file = parse(sources, diagnostics);
        const auto list = [](const std::string&) {
            return wayleave::Result<std::string>(std::string(generated_list));
        };
        if (diagnostics.errors() == 0) policy = compile(file, sources, list, diagnostics);
        INFO(render(diagnostics, sources, false));
        REQUIRE(policy);
    }
};

WrittenRules written_rules(const LintRoute& route) {
    WrittenRules out(route.compiled->rules.size());
    const auto add = [&](const ast::Rule& rule) {
        for (size_t i = 0; i < out.size(); ++i) {
            const Span span = route.compiled->rules[i].span;
            if (span.file == rule.span.file && span.begin == rule.span.begin) out[i] = &rule;
        }
    };
    route.each<ast::Rule>(add);
    route.each<ast::Message>([&](const ast::Message& message) { each_in<ast::Rule>(message.members, add); });
    return out;
}

// --- a decision, asked clause by clause ---

bool holds_now(const Program& program, const Condition& condition, const Request& request) {
    const auto one = [&](const Condition& arg) { return holds_now(program, arg, request); };
    switch (condition.kind) {
        case Condition::Kind::constant: return condition.value;
        case Condition::Kind::atom: return holds(program, program.atoms[condition.atom], request);
        case Condition::Kind::negation: return !one(condition.args.front());
        case Condition::Kind::all_of: return std::all_of(condition.args.begin(), condition.args.end(), one);
        case Condition::Kind::any_of: break;
    }
    return std::any_of(condition.args.begin(), condition.args.end(), one);
}

struct Answer {
    const Route& route;
    const std::vector<Clause>& clauses;
    std::vector<bool> held;

    Answer(const Route& asked, const std::vector<Clause>& rules, const Request& request)
        : route(asked), clauses(rules) {
        for (const Clause& clause : rules)
            held.push_back(holds_now(asked.program, clause.condition, request));
    }
    [[nodiscard]] std::optional<uint32_t> decides(const std::set<uint32_t>& without = {}) const {
        for (size_t i = 0; i < clauses.size(); ++i) {
            if (held[i] && !without.contains(clauses[i].rule)) return clauses[i].rule;
        }
        return std::nullopt;
    }
    [[nodiscard]] bool allows(const std::set<uint32_t>& without = {}) const {
        const auto rule = decides(without);
        return rule && route.rules[*rule].allow;
    }
    [[nodiscard]] bool any_allow() const {
        for (size_t i = 0; i < clauses.size(); ++i) {
            if (held[i] && route.rules[clauses[i].rule].allow) return true;
        }
        return false;
    }
    [[nodiscard]] bool holds(uint32_t rule) const {
        for (size_t i = 0; i < clauses.size(); ++i) {
            if (clauses[i].rule == rule && held[i]) return true;
        }
        return false;
    }
};

void channels_of(const Program& program, const Condition& condition, std::vector<Atom>& out) {
    if (condition.kind == Condition::Kind::atom && program.atoms[condition.atom].test == Test::channel_is)
        out.push_back(program.atoms[condition.atom]);
    for (const Condition& arg : condition.args) channels_of(program, arg, out);
}

// Whether the rule is about the channel at all.
bool concerned(const Answer& answer, uint32_t rule, const Request& request) {
    std::vector<Atom> channels;
    for (const Clause& clause : answer.clauses) {
        if (clause.rule == rule) channels_of(answer.route.program, clause.condition, channels);
    }
    return channels.empty() || std::any_of(channels.begin(), channels.end(), [&](const Atom& atom) {
               return holds(answer.route.program, atom, request);
           });
}

bool contradicted(const RuleFinding& finding, const Answer& answer, const Request& request) {
    const bool allow = answer.route.rules[finding.rule].allow;
    if (finding.id == "W102") return answer.decides() == finding.rule;
    if (finding.id == "W103")
        return concerned(answer, finding.rule, request) && answer.holds(finding.rule) != finding.value;
    if (finding.id == "W107") return answer.holds(finding.rule) && answer.any_allow();
    if (finding.id != "W104" && finding.id != "W105") return false;
    if (!allow) return answer.decides() == finding.rule;
    return answer.allows() != answer.allows({finding.rule});
}

// --- inputs ---

struct Input {
    Facts facts;
    std::string channel;
    ChannelName name;
    std::string type;
    std::vector<Value> fields;
    Request request;
    // What is asked for holds views into the rest.
    Input(const Route& route, const Message* message, bool with_channel, Choices& choices) {
        facts.ip = std::get<Address>(sample_value({Kind::ip, Shape::one}, choices).held);
        facts.tls = choices.chance(50);
        facts.host = choices.pick(std::array{"h.example.com", "app.example.com", "a"});
        facts.path = choices.pick(std::array{"/r0", "/r1/ann/7", "/a"});
        facts.origin = choices.pick(std::array{"https://app.example.com", "", "a"});
        facts.subprotocol = choices.chance(50) ? "a" : "";
        facts.shape = route.shape;
        for (const FactShape::Fact& fact : route.shape->facts)
            facts.values.push_back(sample_value(fact.type, choices));
        channel = sample_channel(choices);
        name = *split_channel(channel);
        type = sample_message_type(choices);
        if (message) {
            for (const FieldDecl& field : message->fields)
                fields.push_back(sample_value(field.type, choices));
        }
        request.facts = &facts;
        if (with_channel) request.channel = &name;
        request.connection = 1;
        request.connection_age_ms = std::get<int64_t>(sample_value({Kind::time, Shape::one}, choices).held);
        request.subscriptions = static_cast<int64_t>(choices.below(4));
        request.message_type = type;
        request.message_size = std::get<int64_t>(sample_value({Kind::size, Shape::one}, choices).held);
        request.message_binary = choices.chance(30);
        request.fields = fields;
    }
    Input(const Input&) = delete;
    Input& operator=(const Input&) = delete;
};

class Trial {
  public:
    std::map<std::string, size_t, std::less<>> found;
    size_t decisions = 0;
    size_t gave_up = 0;

    void policy(uint64_t seed) {
        Choices choices(seed);
        const Compiled compiled(PolicyGenerator(choices).files());
        for (const LintRoute& lint : lint_routes(compiled.file, *compiled.policy)) {
            const Route& route = *lint.compiled;
            const WrittenRules written = written_rules(lint);
            const auto absent = absent_facts(*compiled.policy, route);
            const auto ask = [&](RootId root, const Message* message, bool channel) {
                decide(route, route.clauses[root], written, absent, message, channel, choices);
            };
            ask(route.connect, nullptr, false);
            for (const RootId root : {route.subscribe, route.publish, route.presence, route.history})
                ask(root, nullptr, true);
            for (const Message& message : route.messages) ask(message.decision, &message, false);
        }
    }

  private:
    void decide(const Route& route, const std::vector<Clause>& clauses, const WrittenRules& written,
                const std::vector<AbsentFact>& absent, const Message* message, bool channel,
                Choices& choices) {
        const DecisionFindings looked = look_exactly(route, clauses, written, absent);
        ++decisions;
        gave_up += looked.gave_up ? 1 : 0;
        std::set<uint32_t> redundant;
        for (const RuleFinding& finding : looked.findings) {
            ++found[std::string(finding.id)];
            const bool covered = finding.id == "W104" || finding.id == "W105";
            if (covered && route.rules[finding.rule].allow) redundant.insert(finding.rule);
        }
        for (size_t i = looked.findings.empty() ? 0 : 60; i > 0; --i) {
            const Input input(route, message, channel, choices);
            const Answer answer(route, clauses, input.request);
            for (const RuleFinding& finding : looked.findings) {
                INFO(finding.id << " " << route.rules[finding.rule].place << ", channel " << input.channel);
                REQUIRE_FALSE(contradicted(finding, answer, input.request));
            }
            REQUIRE(answer.allows() == answer.allows(redundant));  // all of them at once
        }
    }
};

// --- findings of one route ---

constexpr std::string_view before = R"(token t {
    keys = file "k"
    from header "Authorization"
    claim sub   : string required
    claim plan  : string else "free"
    claim level : int else 0
    claim score : float else 0.5
    claim staff : bool else false
    claim roles : set of string else {}
    claim home  : ip required
}
route r /:tenant/x { auth = t origins = { none }
input env : string from header "X-Env" else ""
)";

// "W105 16" for each: the id and the line below `before`.
std::set<std::string> told(const std::string& rules) {
    Sources sources;
    Diagnostics diagnostics;
    load_text("p.route", std::string(before) + rules + "\n}\n", sources, diagnostics);
    const auto none = [](const std::string&) { return wayleave::Result<std::string>(std::string()); };
    (void)compile_and_lint(sources, none, {}, diagnostics);
    std::set<std::string> out;
    const auto head = std::count(before.begin(), before.end(), '\n');
    for (const Diagnostic& diagnostic : diagnostics.all()) {
        const bool exact = (diagnostic.id >= "W102" && diagnostic.id <= "W108" && diagnostic.id != "W106") ||
                           diagnostic.id == "N504" || diagnostic.severity == Severity::error;
        const Span span = diagnostic.primary.span;
        if (exact)
            out.insert(std::string(diagnostic.id) + " " +
                       std::to_string(
                           static_cast<std::ptrdiff_t>(sources.position(span.file, span.begin).line) - head));
    }
    return out;
}

using Told = std::set<std::string>;

}  // namespace

TEST_CASE("what lint is certain of is never contradicted", "[exact]") {
    Trial trial;
    const uint64_t policies = GENERATED_PAIRS / 10;
    for (uint64_t policy = 0; policy < policies; ++policy) {
        INFO("policy " << policy);
        trial.policy(7'000'000 + policy);
    }
    INFO(trial.decisions << " decisions, " << trial.gave_up << " given up");
    CHECK(trial.gave_up * 20 < trial.decisions);
    for (const char* id : {"W102", "W103", "W105", "W107", "W108"}) {
        INFO(id << ": " << trial.found[id]);
        CHECK(trial.found[id] > 0);
    }
}

namespace {

struct Case {
    std::string_view rules;
    Told expected;
};

void check_all(const std::vector<Case>& cases) {
    for (const Case& c : cases) {
        INFO(c.rules);
        CHECK(told(std::string(c.rules)) == c.expected);
    }
}

}  // namespace

TEST_CASE("W102: an allow under a deny", "[exact]") {
    check_all({
        {"allow connect\ndeny connect if tls", {}},
        {"allow connect if tls\ndeny connect", {"W102 1"}},
        {"allow connect\nallow connect if tls and host == \"a\"\ndeny connect if host in { \"a\", \"b\" }",
         {"W102 2"}},
        // Two denies together, and a gap between them.
        {"allow subscribe on a/*\ndeny subscribe on a/** if tls\ndeny subscribe if not tls", {"W102 1"}},
        {"allow subscribe on a/*\nallow subscribe on b\ndeny subscribe on a/** if tls\n"
         "deny subscribe if not tls and user.sub == \"x\"",
         {}},
        // Of several actions one is dead.
        {"allow subscribe, publish on a\ndeny publish on *", {"W102 1"}},
    });
}

TEST_CASE("W103: what never changes", "[exact]") {
    check_all({
        {"allow connect if 2kb < 1kb", {"W103 1"}},
        {"allow connect if user.sub == \"a\" and user.sub == \"b\"", {"W103 1"}},
        {"allow connect if user.sub != \"a\" or user.sub != \"b\"", {"W103 1"}},
        {"allow connect if user.level > 3 and user.level < 4", {"W103 1"}},
        {"allow connect if user.level > 3 and user.level < 5", {}},
        {"allow connect if user.score > 3.0 and user.score < 3.0", {"W103 1"}},
        {"allow connect if user.score > 3.0 and user.score <= 3.5", {}},
        {"allow connect if ip in 10.0.0.0/8 and ip in 11.0.0.0/8", {"W103 1"}},
        {"allow connect if ip in 10.0.0.0/8 and ip == 10.0.0.1", {}},
        {"allow connect if ip in 10.0.0.0/8 and ip == 11.0.0.1", {"W103 1"}},
        {"allow connect if ip in 0.0.0.0/1 or ip in 128.0.0.0/1 or not (ip in 0.0.0.0/0)", {"W103 1"}},
        {"allow connect if subnet in 10.0.0.0/8 and subnet in 11.0.0.0/8", {"W103 1"}},
        {"allow connect if host like \"a*\" and host == \"b\"", {"W103 1"}},
        {"allow connect if host like \"a*\" and host like \"b*\"", {"W103 1"}},
        {"allow connect if host like \"*\"", {"W103 1"}},
        {"allow connect if tenant == user.sub and tenant != user.sub", {"W103 1"}},
        {"allow connect if tenant == tenant", {"W103 1"}},
        {"allow subscribe on a/:x(int) if x == \"b\"", {"W103 1"}},
        {"allow subscribe on a/:x(int) if x == \"7\"", {}},
        {"allow subscribe on a/b if channel like \"c*\"", {"W103 1"}},
        {"allow subscribe on a/b if channel like \"a/*\"", {"W103 1"}},
        {"allow subscribe on a/*, b/* if channel like \"a/*\"", {}},
        {"allow subscribe on a/b if channel == \"a/c\"", {"W103 1"}},
        {"allow subscribe if connection.subscriptions >= 0", {"W103 1"}},
        {"allow publish on a if message.size < 0b or tls", {}},
        {"deny connect if not (user.level < 3) and not (user.level >= 3)\nallow connect", {"W103 1"}},
    });
}

TEST_CASE("W104 and W105: what another rule says already", "[exact]") {
    check_all({
        {"allow connect if tls\nallow connect if tls", {"W104 2"}},
        {"allow connect if not (tls or host == \"a\")\nallow connect if host != \"a\" and not tls",
         {"W104 2"}},
        {"allow connect\nallow connect if tls", {"W105 2"}},
        {"allow connect if tls\nallow connect", {"W105 1"}},
        {"allow connect if tls\nallow connect if host == \"a\"", {}},
        {"allow subscribe on room/*\nallow subscribe on room/a", {"W105 2"}},
        {"allow subscribe on room/**\nallow subscribe on room/a, room/*/c", {"W105 2"}},
        {"allow subscribe on room/*\nallow subscribe on room/a/b", {}},
        {"allow subscribe on :x/:y if x == \"room\"\nallow subscribe on room/a", {"W105 2"}},
        {"allow subscribe if channel like \"room/*\"\nallow subscribe on room/**", {"W104 2"}},
        {"allow subscribe on room/:r(slug)\nallow subscribe on room/:r(int)", {"W105 2"}},
        {"allow subscribe on room/:r(int)\nallow subscribe on room/:r(date)", {}},
        {"allow subscribe on room/{user.sub}\nallow subscribe on room/{user.sub} if tls", {"W105 2"}},
        {"allow subscribe on room/{user.sub}\nallow subscribe on room/{tenant}", {}},
        // Two together cover a third.
        {"allow connect if tls\nallow connect if not tls and ip in 10.0.0.0/8\nallow connect if ip in "
         "10.1.0.0/16",
         {"W105 3"}},
        // Of two that cover each other with a third one stays.
        {"allow connect if user.sub in { \"a\", \"b\" }\nallow connect if user.sub in { \"b\", \"c\" }\n"
         "allow connect if user.sub in { \"a\", \"c\" }",
         {"W105 3"}},
        {"allow connect if \"a\" in user.roles\nallow connect if user.roles overlaps { \"a\", \"b\" }",
         {"W105 1"}},
        // A deny is asked in the order of stage and place, and says why.
        {"allow connect\ndeny connect if ip in 10.0.0.0/8\ndeny connect if ip in 10.1.0.0/16", {"W105 3"}},
        {"allow connect\ndeny connect if ip in 10.1.0.0/16\ndeny connect if ip in 10.0.0.0/8", {}},
        {"allow connect\ndeny connect if user.sub == \"a\" and tls\ndeny connect if tls", {"W105 2"}},
        {"allow connect\ndeny connect if tls because \"a\"\ndeny connect if tls because \"b\"", {"W104 3"}},
    });
}

TEST_CASE("W107: a deny where nothing is allowed", "[exact]") {
    check_all({
        {"deny presence on staff", {"W107 1"}},
        {"allow subscribe on a/*\ndeny subscribe on b/*", {"W107 2"}},
        {"allow subscribe on a/*\ndeny subscribe on *", {"W107 2"}},
        {"allow subscribe on a/*\ndeny subscribe on */b", {}},
        {"allow connect if tls\ndeny connect if not tls", {"W107 2"}},
        {"allow connect\ndeny connect, presence if tls", {"W107 2"}},
    });
}

TEST_CASE("W108: who brings nothing is permitted more", "[exact]") {
    check_all({
        {"allow connect if env != \"prod\"", {"W108 1"}},
        {"allow connect if env == \"prod\"", {}},
        {"allow connect if env == \"\" or env == \"test\"", {}},
        {"allow connect if user.plan == \"free\"", {}},
        {"allow connect if user.plan != \"muted\"", {"W108 1"}},
        {"allow connect if user.plan != \"free\"", {}},
        {"allow connect if user.staff", {}},
        {"allow connect if not user.staff", {"W108 1"}},
        {"allow connect if user.level < 5", {"W108 1"}},
        {"allow connect if user.level > 5", {}},
        {"allow connect if \"a\" in user.roles", {}},
        {"allow connect if not (\"a\" in user.roles)", {"W108 1"}},
        {"allow connect\ndeny connect if env == \"prod\"", {}},
        {"allow connect if user.sub != \"a\"", {}},
    });
}

TEST_CASE("in message blocks, and rules that reach several routes", "[exact]") {
    check_all({
        {"message a { allow\ndeny if tls and not tls\npublish to x }", {"W103 2"}},
        {"message a { field n : int required allow if n < 5\nallow if n < 3\npublish to x }", {"W105 2"}},
        // The one deny is idle in one block alone.
        {"deny message if tls\nmessage a { allow publish to x }\nmessage b { allow if not tls\npublish to x "
         "}",
         {}},
        {"deny message if tls\nmessage a { allow if not tls publish to x }\nmessage b { allow if not "
         "tls\npublish to x }",
         {"W107 1"}},
        // Definitions are looked through.
        {"let early = user.level < 5\nallow connect if early and user.level > 9", {"W103 2"}},
        {"let open = { \"a\": true, \"b\": false }\nallow connect if open[user.sub] else false and user.sub "
         "== \"b\"",
         {"W103 2"}},
        {"let rank = { \"a\": 1, \"b\": 7 }\nallow connect if rank[user.sub] else 0 > 5 and user.sub != "
         "\"b\"",
         {"W103 2"}},
    });
    const auto two = [](const std::string& first, const std::string& second) {
        Compiled compiled(
            {"defaults { allow connect if tls\ndeny connect if host == \"a\" because \"a\" }\n"
             "route one /one { auth = none\n" +
             first +
             " }\n"
             "route two /two { auth = none\n" +
             second + " }\n"});
        Diagnostics diagnostics;
        lint(compiled.file, compiled.sources, *compiled.policy, {}, diagnostics);
        std::string ids;
        for (const Diagnostic& one : diagnostics.all()) {
            if (one.id >= "W102" && one.id <= "W108")
                ids += std::string(one.id) + (one.primary.span.begin < 80 ? " of defaults\n" : "\n");
        }
        return ids;
    };
    CHECK(two("", "").empty());
    CHECK(two("deny connect if tls", "").empty());
    CHECK(two("deny connect if tls", "deny connect").find("W102 of defaults") != std::string::npos);
    CHECK(two("allow connect", "").empty());
    CHECK(two("allow connect", "allow connect") == "W105 of defaults\n");
}

TEST_CASE("N504: lint gives up rather than guess", "[exact]") {
    std::string hard;  // the carry of a sum: its diagram grows with the width in this order
    for (int i = 0; i < 16; ++i) {
        const std::string n = std::to_string(i);
        hard += (i > 0 ? " or " : "") + std::string("(host like \"*h") + n + "*\" and path like \"*p" + n +
                "*\")";
    }
    CHECK(told("allow connect if " + hard + "\nallow connect if " + hard) == Told{"N504 -1"});
    std::string many;
    for (int i = 0; i < 130; ++i) many += "allow connect if user.sub == \"" + std::to_string(i) + "\" ";
    CHECK(told(many).size() == 1);
    // What is usual is not too much.
    std::string names;
    for (int i = 0; i < 60; ++i) names += (i > 0 ? ", \"u" : "\"u") + std::to_string(i) + "\"";
    CHECK(told("allow connect\ndeny connect if user.sub in { " + names +
               " }\n"
               "allow subscribe on a if user.sub in { " +
               names + " } and ip in { 10.0.0.0/8, 192.168.0.0/16 }")
              .empty());
}
