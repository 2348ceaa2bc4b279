// Test blocks.
#include <algorithm>
#include <array>

#include "dsl/compile/parts.h"
#include "dsl/text/near_name.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

constexpr int64_t most_times = 10'000;

// What a test may say about the client besides the inputs of its routes.
struct ClientSetting {
    std::string_view name;
    Type type;
};
constexpr std::array<ClientSetting, 5> client_settings{{
    {"ip", {Kind::ip, Shape::one}},
    {"origin", {Kind::string, Shape::one}},
    {"host", {Kind::string, Shape::one}},
    {"subprotocol", {Kind::string, Shape::one}},
    {"tls", {Kind::boolean, Shape::one}},
}};

class TestCompiler {
  public:
    TestCompiler(CompileContext& context, const Policy& policy, const LetNames& instead)
        : context_(context), policy_(policy), lets_(&context.lets, &instead), reader_(context, lets_) {}

    TestCase compile(const ast::Test& test) {
        TestCase out{
            test.title.text, test.at ? test.at->text : "", {}, context_.sources.place(test.span), nullptr};
        TestClient client;
        std::vector<TestAnswer> answers;
        for (const ast::TestItem& item : test.items) {
            if (const auto* as = std::get_if<ast::As>(&item)) become(*as, client);
            if (const auto* setting = std::get_if<ast::Setting>(&item)) change(*setting, client);
            if (const auto* said = std::get_if<ast::Answers>(&item)) answer(*said, answers);
            if (const auto* expect = std::get_if<ast::Expect>(&item)) {
                out.steps.push_back(step(*expect, client));
                out.steps.back().answers = answers;
            }
        }
        if (out.steps.empty()) {
            context_.diagnostics.error("E022", test.title.span, "this test expects nothing", {},
                                       "write `expect allow connect \"/address\"`");
        }
        return out;
    }

  private:
    Diagnostics& diagnostics() { return context_.diagnostics; }

    void become(const ast::As& as, TestClient& client) {
        client.token = std::string(as.token.text);
        client.claims.clear();
        if (as.token.text == "none") {
            client.token.clear();
            return;
        }
        const TokenDecl* token = find_token(as.token, "`as none { }` is a client without one");
        if (!token) return;
        for (const ast::Setting& setting : as.claims)
            claim(*token, setting.name, setting.value, client.claims);
        check_required(*token, as.span, client.claims);
    }

    const TokenDecl* find_token(const ast::Name& name, std::string help) {
        const auto it = context_.token_numbers.find(name.text);
        if (it != context_.token_numbers.end()) return &policy_.tokens[it->second];
        std::vector<std::string_view> known;
        for (const auto& [token, number] : context_.token_numbers) known.push_back(token);
        const std::string_view near = near_name(name.text, known);
        if (!near.empty()) help = "did you mean " + quoted(near) + "?";
        diagnostics().error("E002", name.span, "there is no token " + quoted(name.text), {}, std::move(help));
        return nullptr;
    }

    void check_required(const TokenDecl& token, Span span, const std::vector<TestValue>& claims) {
        for (const ClaimDecl& claim : token.claims) {
            const bool said = std::any_of(claims.begin(), claims.end(),
                                          [&](const TestValue& value) { return value.name == claim.name; });
            if (claim.required && !said)
                diagnostics().error("E022", span, "the claim " + quoted(claim.name) + " is required");
        }
    }

    void claim(const TokenDecl& token, const ast::Name& name, const ast::SettingValue& written,
               std::vector<TestValue>& out) {
        const auto it = std::find_if(token.claims.begin(), token.claims.end(),
                                     [&](const ClaimDecl& known) { return known.name == name.text; });
        if (it == token.claims.end()) {
            std::vector<std::string_view> known;
            for (const ClaimDecl& claim : token.claims) known.push_back(claim.name);
            diagnostics().misspelt("E002", name.span,
                                   quoted(token.name) + " has no claim " + quoted(name.text),
                                   near_name(name.text, known));
        } else if (auto value = typed(name.text, written, it->type)) {
            out.push_back(std::move(*value));
        }
    }

    // What the client brings with `$subscribe`.
    std::optional<TestGrant> grant(const ast::Expect& expect) {
        if (!expect.with) return std::nullopt;
        const ast::Name& name = expect.with->token;
        if (expect.action.text != "subscribe") {
            diagnostics().error("E004", name.span,
                                "`with` has no meaning for " + std::string(expect.action.text),
                                "a client brings a grant with `$subscribe` alone");
            return std::nullopt;
        }
        const TokenDecl* token = find_token(name, "");
        if (!token) return std::nullopt;
        TestGrant out{token->name, {}};
        for (const ast::TestMember& member : expect.with->claims) {
            const auto* value = std::get_if<ast::Expr>(&member.value);
            const ast::Name claim_name{member.name.text, member.name.span};
            if (value) {
                claim(*token, claim_name, *value, out.claims);
            } else {
                diagnostics().error("E003", member.name.span, "a claim is no object");
            }
        }
        check_required(*token, name.span, out.claims);
        return out;
    }

    // A value that may be written where that type is wanted; an empty set fits every set.
    std::optional<TestValue> typed(std::string_view name, const ast::SettingValue& written, Type wanted) {
        const auto* expr = std::get_if<ast::Expr>(&written);
        if (!expr) {
            diagnostics().error("E003", span_of(written), "this is no value");
            return std::nullopt;
        }
        auto constant = reader_.constant(*expr);
        if (!constant) return std::nullopt;
        Type given = constant->type;
        if (given.shape == Shape::set && wanted.shape == Shape::list) given.shape = Shape::list;
        const auto* list = std::get_if<std::vector<Scalar>>(&constant->value->held);
        const bool empty = list && list->empty() && wanted.shape != Shape::one;
        if (given != wanted && !empty) {
            diagnostics().error("E003", expr->span,
                                quoted(name) + " is " + a_type(wanted) + ", not " + a_type(constant->type));
            return std::nullopt;
        }
        return TestValue{std::string(name), wanted, *constant->value, false, {}};
    }

    std::optional<Type> input_type(std::string_view name) const {
        for (const auto* list : {&policy_.routes, &policy_.apis}) {
            for (const auto& route : *list) {
                for (const InputDecl& input : route->inputs) {
                    if (input.name == name) return input.type;
                }
            }
        }
        return std::nullopt;
    }

    void change(const ast::Setting& setting, TestClient& client) {
        const std::string_view name = setting.name.text;
        const auto it = std::find_if(client_settings.begin(), client_settings.end(),
                                     [&](const ClientSetting& known) { return known.name == name; });
        std::optional<Type> type = input_type(name);
        if (it != client_settings.end()) type = it->type;
        if (!type) {
            diagnostics().error("E008", setting.name.span, "a client has no " + quoted(name), {},
                                "ip, origin, host, subprotocol, tls and the inputs of the routes can be set");
            return;
        }
        // `origin = none` is a client that sends none.
        const auto* expr = std::get_if<ast::Expr>(&setting.value);
        std::optional<TestValue> value;
        if (name == "origin" && expr && expr->kind == ast::Expr::Kind::path && expr->path.text() == "none") {
            value = TestValue{"none", *type, Value(std::string()), true, {}};
        } else {
            value = typed(name, setting.value, *type);
        }
        if (!value) return;
        std::erase_if(client.settings, [&](const auto& known) { return known.first == name; });
        client.settings.emplace_back(std::string(name), std::move(*value));
    }

    std::vector<TestValue> object(const std::vector<ast::TestMember>& members) {
        std::vector<TestValue> out;
        for (const ast::TestMember& member : members) {
            if (std::any_of(out.begin(), out.end(),
                            [&](const TestValue& known) { return known.name == member.name.text; })) {
                diagnostics().error("E020", member.name.span, quoted(member.name.text) + " is set twice");
                continue;
            }
            if (const auto* inner = std::get_if<std::vector<ast::TestMember>>(&member.value)) {
                out.push_back({member.name.text, {}, {}, true, object(*inner)});
                continue;
            }
            const auto constant = reader_.constant(std::get<ast::Expr>(member.value));
            if (constant) out.push_back({member.name.text, constant->type, *constant->value, false, {}});
        }
        return out;
    }

    // A later one of the same backend takes its place.
    void answer(const ast::Answers& said, std::vector<TestAnswer>& answers) {
        const std::string name(said.backend.text);
        if (!context_.backend_numbers.contains(said.backend.text)) {
            std::vector<std::string_view> known;
            for (const auto& [one, number] : context_.backend_numbers) known.push_back(one);
            return void(diagnostics().misspelt("E012", said.backend.span,
                                               "there is no backend " + quoted(name),
                                               near_name(said.backend.text, known)));
        }
        const auto* status = std::get_if<int64_t>(&said.status.value.held);
        if (!status || *status < 100 || *status > 599)
            return void(diagnostics().error("E003", said.status.span, "a status is from 100 to 599"));
        std::erase_if(answers, [&](const TestAnswer& one) { return one.backend == name; });
        answers.push_back({name, *status, object(said.members)});
    }

    // Which route it is about is known when the test runs.
    void check_stream(const ast::Text& name) {
        std::vector<std::string_view> known;
        for (const auto& route : policy_.routes)
            for (const Stream& stream : route->streams) known.push_back(stream.name);
        if (std::find(known.begin(), known.end(), name.text) != known.end()) return;
        diagnostics().misspelt("E002", name.span, "there is no stream " + quoted(name.text),
                               near_name(name.text, known));
    }

    TestStep step(const ast::Expect& expect, const TestClient& client) {
        TestStep out;
        out.verdict = expect.verdict.text == "allow"  ? TestStep::Verdict::allow
                      : expect.verdict.text == "deny" ? TestStep::Verdict::deny
                                                      : TestStep::Verdict::limit;
        for (const Action action : {Action::connect, Action::subscribe, Action::publish, Action::presence,
                                    Action::history, Action::disconnect, Action::message, Action::stream}) {
            if (to_string(action) == expect.action.text) out.action = action;
        }
        if (out.action == Action::stream) check_stream(expect.target);
        out.target = expect.target.text;
        out.members = object(expect.members);
        out.grant = grant(expect);
        if (expect.at) out.at = expect.at->text;
        if (expect.times) out.times = std::get<int64_t>(expect.times->value.held);
        if (out.times < 1 || out.times > most_times)
            diagnostics().error("E003", expect.times->span, "this is from 1 to 10000");
        if (expect.because) out.because = expect.because->text;
        if (expect.because && out.verdict == TestStep::Verdict::allow)
            diagnostics().error("E003", expect.because->span, "what is allowed has no `because`");
        out.client = client;
        out.place = context_.sources.place(expect.span);
        return out;
    }

    CompileContext& context_;
    const Policy& policy_;
    Lets lets_;
    ValueReader reader_;
};

}  // namespace

TestCase compile_test(CompileContext& context, const Policy& policy, const ast::Test& test,
                      const LetNames& instead) {
    return TestCompiler(context, policy, instead).compile(test);
}

}  // namespace wayleave::dsl
