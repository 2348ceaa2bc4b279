// Every example of wayleave.route(5) compiles, and its tests pass. A comment above each says what it is:
// `.\" example: file` is a whole policy, `route-file` stands beside what is declared below, the others stand
// in a block of that name.
#include <catch2/catch.hpp>

#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "daemon/explain/test_run.h"
#include "dsl/compile/compile.h"
#include "dsl/lint/parts.h"
#include "dsl/policy/settings.h"
#include "dsl/syntax/load.h"
#include "dsl/syntax/parse.h"
#include "dsl/syntax/words.h"

using namespace wayleave;

namespace {

const std::string beside = R"(
backend app { url = "http://127.0.0.1:8000" }
token session {
    keys = file "k"
    from header "Authorization"
    claim sub     : string required
    claim plan    : string else "free"
    claim company : string else ""
    claim roles   : set of string else {}
    claim level   : int else 0
    claim score   : float else 0.0
    claim since   : date required
    claim staff   : bool else false
}
)";
const std::string in_route = beside + R"(
policy fair_use { }
let plan_rate = { "free": 2/s, "team": 20/s }
let open      = { "free": true }
route chat app.example.com/ws/:place {
)";
const std::string door = "auth = session origins = { none }\n";

struct Example {
    std::string frame;
    std::string text;
    size_t line = 0;
};

// mdoc's escapes as a reader sees them.
std::string read(const std::string& line) {
    std::string out;
    for (size_t i = 0; i < line.size(); ++i) {
        if (line[i] != '\\') {
            out += line[i];
        } else if (line.compare(i, 4, "\\(dq") == 0) {
            out += '"', i += 3;
        } else if (line.compare(i, 2, "\\e") == 0) {
            out += '\\', ++i;
        } else if (line.compare(i, 2, "\\&") == 0) {
            ++i;
        } else {
            out += "?";  // no other is used
        }
    }
    return out;
}

std::vector<Example> examples() {
    std::ifstream file(PROJECT_DIR "/man/wayleave.route.5");
    std::vector<Example> out;
    const std::string mark = ".\\\" example: ";
    std::string frame;
    size_t number = 0;
    bool inside = false;
    for (std::string line; std::getline(file, line);) {
        ++number;
        if (line.starts_with(mark)) {
            frame = line.substr(mark.size());
        } else if (line.starts_with(".Bd -literal")) {
            INFO("line " << number << ": say above it what it is an example of");
            REQUIRE_FALSE(frame.empty());
            // Of a page: the browser test's. Of a shell: it needs a daemon.
            inside = frame != "javascript" && frame != "shell";
            if (inside) out.push_back({frame, "", number});
            frame.clear();
        } else if (line == ".Ed") {
            inside = false;
        } else if (inside) {
            out.back().text += read(line) + "\n";
        }
    }
    return out;
}

std::string whole(const std::string& frame, const std::string& text) {
    if (frame == "file") return text;
    if (frame == "route-file") return beside + text;
    if (frame == "route") return in_route + door + text + "}\n";
    if (frame == "body") return in_route + text + "}\n";
    if (frame == "message") return in_route + door + "message m.x {\nallow\n" + text + "}\n}\n";
    if (frame == "token") return "token t {\nkeys = file \"k\"\n" + text + "}\n";
    if (frame == "backend" || frame == "channel") return frame + " x {\n" + text + "}\n";
    REQUIRE(frame == "conditions");
    std::istringstream lines(text);
    std::string out;
    for (std::string line; std::getline(lines, line);) out += "allow if " + line + "\n";
    return in_route + door + "message m.x {\n" + out + "}\n}\n";
}

struct Compiled {
    dsl::Sources sources;
    dsl::Diagnostics diagnostics;
    dsl::ast::File file;
    std::shared_ptr<const dsl::Policy> policy;

    explicit Compiled(const std::string& text) {
        dsl::load_text("example.route", text, sources, diagnostics);
        file = dsl::parse(sources, diagnostics);
        const auto list = [](const std::string&) { return Result<std::string>("192.0.2.0/24\n"); };
        if (diagnostics.errors() == 0) policy = dsl::compile(file, sources, list, diagnostics);
    }
};

// What the examples show.
class Shown : public dsl::Walker {
  public:
    std::set<dsl::ast::CompareOp> operators;
    std::set<dsl::Kind> literals;
    std::set<dsl::ast::Expr::Kind> forms;
    std::set<std::pair<dsl::Place, std::string>> settings;

    void look(const dsl::ast::File& file) {
        walk(file);
        for (const dsl::ast::Item& item : file.items) {
            if (const auto* token = std::get_if<dsl::ast::Token>(&item))
                add(token->settings, dsl::Place::token);
            if (const auto* backend = std::get_if<dsl::ast::Backend>(&item))
                add(backend->settings, dsl::Place::backend);
            if (const auto* channel = std::get_if<dsl::ast::Channel>(&item))
                add(channel->settings, dsl::Place::channel);
            if (const auto* route = std::get_if<dsl::ast::Route>(&item)) body(route->members);
            if (const auto* defaults = std::get_if<dsl::ast::Defaults>(&item)) body(defaults->members);
        }
    }

  private:
    void on_expr(const dsl::ast::Expr& expr) override {
        forms.insert(expr.kind);
        if (expr.kind == dsl::ast::Expr::Kind::comparison) operators.insert(expr.op);
        if (expr.kind == dsl::ast::Expr::Kind::literal) literals.insert(expr.literal.type.kind);
    }
    void add(const std::vector<dsl::ast::Setting>& list, dsl::Place place) {
        for (const dsl::ast::Setting& setting : list) settings.emplace(place, setting.name.text);
    }
    void body(const std::vector<dsl::ast::Member>& members) {
        for (const dsl::ast::Member& member : members) {
            if (const auto* setting = std::get_if<dsl::ast::Setting>(&member))
                settings.emplace(dsl::Place::body, setting->name.text);
            if (const auto* message = std::get_if<dsl::ast::Message>(&member))
                dsl::each_in<dsl::ast::Setting>(message->members, [&](const dsl::ast::Setting& setting) {
                    settings.emplace(dsl::Place::message, setting.name.text);
                });
        }
    }
};

// Whether a statement of the text begins with the word.
bool begins(const std::string& text, std::string_view word) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        line.erase(0, line.find_first_not_of(' '));
        if (line.starts_with(word) && line.size() > word.size() && line[word.size()] == ' ') return true;
        if (line == word) return true;
    }
    return false;
}

}  // namespace

TEST_CASE("every example of the manual compiles, and its tests pass") {
    const auto all = examples();
    CHECK(all.size() > 35);
    for (const Example& example : all) {
        const Compiled compiled(whole(example.frame, example.text));
        INFO("wayleave.route.5:" << example.line << "\n"
                                 << dsl::render(compiled.diagnostics, compiled.sources, false));
        CHECK(compiled.policy);
        if (!compiled.policy || compiled.policy->tests.empty()) continue;
        class NoKeys final : public TokenVerifier {
            Proof verify(const Credential&, Now) const override {
                return Proof::refused("the signature is wrong");
            }
        };
        Runtime runtime;
        runtime.policy = compiled.policy;
        runtime.verifier = std::make_shared<NoKeys>();
        const TestRun run = run_tests(runtime, compiled.policy->tests, {1'000'000, 1'800'000'000'000});
        for (const TestResult& result : run.results) {
            for (const TestFailure& failure : result.failures)
                FAIL_CHECK(failure.place << ": " << failure.text);
        }
        CHECK(run.uncovered() == 0);
    }
}

TEST_CASE("the manual has an example of every construct") {
    Shown shown;
    std::string text;
    for (const Example& example : examples()) {
        shown.look(Compiled(whole(example.frame, example.text)).file);
        text += example.text;
    }
    for (const dsl::SettingRow& row : dsl::setting_rows()) {
        INFO("the setting " << row.name);
        CHECK(shown.settings.contains({row.place, std::string(row.name)}));
    }
    for (const dsl::Words list : {dsl::Words(dsl::keywords::item), dsl::Words(dsl::keywords::body),
                                  dsl::Words(dsl::keywords::message), dsl::Words(dsl::keywords::token)}) {
        for (const std::string_view word : list) {
            INFO(word);
            CHECK(begins(text, word));
        }
    }
    for (const std::string_view verdict : {"as", "expect allow", "expect deny", "expect limit"})
        CHECK(begins(text, verdict));
    for (const std::string_view setting : {"ip", "origin", "host", "tls", "subprotocol"}) {
        INFO(setting);
        CHECK(begins(text, setting));
    }
    CHECK(shown.operators.size() == 9);
    CHECK(shown.literals.size() == 10);
    CHECK(shown.forms.size() == 9);
}
