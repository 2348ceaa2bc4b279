#include <fmt/format.h>
#include <simdjson.h>
#include <sysexits.h>

#include <algorithm>
#include <memory>

#include "daemon/base/json_writer.h"
#include "daemon/cli/control_options.h"
#include "daemon/cli/policy_options.h"
#include "daemon/cli/terminal.h"
#include "daemon/explain/explained_decision.h"
#include "daemon/explain/simulate.h"
#include "daemon/ops/load/read_file.h"
#include "daemon/protocol/http_head.h"
#include "dsl/text/text.h"

namespace wayleave {

namespace {

constexpr int refused = 1;
constexpr size_t max_token_bytes = 1U << 20U;

struct ExplainOptions {
    PolicyOptions policy;
    std::pair<std::string, std::string> as;    // token, JSON
    std::pair<std::string, std::string> with;  // likewise, of a grant
    std::string live;                          // a session of the running daemon
    std::string socket;                        // of it
    std::string jwt;                           // file
    std::string at;
    std::string ip = "127.0.0.1";
    std::string origin;
    bool no_origin = false;
    bool tls = false;
    std::string subprotocol;
    std::vector<std::string> headers;
    std::vector<std::string> inputs;
    std::string format = "text";
    std::string action;
    std::string target;
    std::string json;
};

int broken_because(const std::string& text) {
    complain(dsl::printable(text));  // it may hold what came from elsewhere
    return exit_broken;
}

int show(const Explanation& explanation, const std::string& format) {
    write_text(stdout, format == "json" ? json_of(explanation) : text_of(explanation));
    return explanation.verdict == Verdict::allow ? EX_OK : refused;
}

// "NAME=VALUE" or "NAME: VALUE".
Result<std::pair<std::string, std::string>> pair_of(const std::string& text, char separator) {
    const size_t at = text.find(separator);
    if (at == std::string::npos || at == 0)
        return failure("`" + text + "` is not NAME" + separator + "VALUE");
    return std::pair(text.substr(0, at), std::string(trim(std::string_view(text).substr(at + 1))));
}

bool has_input(const dsl::Policy& policy, const std::string& name) {
    return std::any_of(policy.routes.begin(), policy.routes.end(), [&](const auto& route) {
        return std::any_of(route->inputs.begin(), route->inputs.end(),
                           [&](const dsl::InputDecl& input) { return input.name == name; });
    });
}

Result<Nothing> add_pairs(const ExplainOptions& options, const dsl::Policy& policy, ClientSpec& sketch) {
    for (const std::string& header : options.headers) {
        auto pair = pair_of(header, ':');
        if (!pair) return failure(pair.error());
        sketch.headers.push_back(std::move(*pair));
    }
    for (const std::string& input : options.inputs) {
        auto pair = pair_of(input, '=');
        if (!pair) return failure(pair.error());
        if (!has_input(policy, pair->first))
            return failure("--input: no route has the input `" + pair->first + "`");
        sketch.inputs.push_back(std::move(*pair));
    }
    return Nothing{};
}

Result<Nothing> add_identity(const ExplainOptions& options, const dsl::Policy& policy, ClientSpec& sketch) {
    if (!options.as.first.empty()) {
        sketch.token = options.as.first;
        sketch.claims = options.as.second;
        for (const dsl::TokenDecl& token : policy.tokens) {
            if (token.name == sketch.token) return Nothing{};
        }
        return failure("--as: the policy has no token " + dsl::quoted(sketch.token));
    }
    if (options.jwt.empty()) return Nothing{};
    const auto content = read_whole_file(options.jwt, max_token_bytes);
    if (!content) return failure(options.jwt + ": " + content.error());
    sketch.jwt = trim(std::string_view(*content).substr(0, content->find('\n')));
    if (sketch.jwt.empty()) return failure(options.jwt + ": there is no token in it");
    return Nothing{};
}

Result<ClientSpec> sketch_from(const ExplainOptions& options, const dsl::Policy& policy) {
    ClientSpec sketch;
    const auto ip = dsl::parse_address(options.ip);
    if (!ip) return failure("--ip: " + dsl::quoted(options.ip) + " is no IP address");
    sketch.ip = *ip;
    sketch.tls = options.tls;
    sketch.no_origin = options.no_origin;
    if (!options.origin.empty()) sketch.origin = options.origin;
    sketch.subprotocol = options.subprotocol;
    if (auto added = add_pairs(options, policy, sketch); !added) return failure(added.error());
    if (auto added = add_identity(options, policy, sketch); !added) return failure(added.error());
    return sketch;
}

// What it brings with a subscription. One that is none is an answer, too.
Result<Nothing> add_grant(const ExplainOptions& options, const dsl::Policy& policy, const dsl::Route& route,
                          Now now, Question& question) {
    // No structured binding: a lambda of clang 14 cannot capture one.
    const std::string& token = options.with.first;
    if (token.empty()) return Nothing{};
    if (question.action != dsl::Action::subscribe)
        return failure("--with: a client brings a grant with `subscribe` alone");
    if (std::none_of(policy.tokens.begin(), policy.tokens.end(),
                     [&](const dsl::TokenDecl& known) { return known.name == token; }))
        return failure("--with: the policy has no token " + dsl::quoted(token));
    auto grant = stated_grant(policy, route, token, options.with.second, now);
    if (grant) {
        question.grant = std::move(*grant);
    } else {
        question.no_grant = grant.error();
    }
    return Nothing{};
}

// Where the client connects, for questions about what it does afterwards.
Result<std::string> address_of(const ExplainOptions& options, const dsl::Policy& policy) {
    if (!options.at.empty()) return options.at;
    if (policy.routes.size() == 1 && !policy.routes.front()->addresses.empty()) {
        const std::string& address = policy.routes.front()->addresses.front();
        if (address.find_first_of(":*") == std::string::npos) return address;
    }
    return failure("say with --at where the client connects, such as --at app.example.com/ws");
}

// The daemon explains its own connection, with its own policy and counters.
int explain_live(const ExplainOptions& options) {
    const std::string config = options.policy.config.empty() ? default_config : options.policy.config;
    JsonObject question;
    question.add("session", options.live).add("action", options.action);
    question.add("target", options.target).add("json", options.json);
    const auto answer = ask_daemon({config, options.socket}, "POST", "/explain", question.text());
    if (!answer) return exit_broken;
    simdjson::dom::parser parser;
    simdjson::dom::element document;
    std::string_view text;
    if (parser.parse(answer->body).get(document) != simdjson::SUCCESS)
        return broken_because(answer->status == 413
                                  ? std::string("the message is too large to ask about: at most 64 KiB")
                                  : strange_answer(*answer));
    if (answer->status != 200)
        return broken_because(document["detail"].get(text) == simdjson::SUCCESS ? std::string(text)
                                                                                : "the daemon refuses");
    std::string_view verdict;
    if (document["text"].get(text) != simdjson::SUCCESS ||
        document["verdict"].get(verdict) != simdjson::SUCCESS)
        return broken_because(strange_answer(*answer));
    write_text(stdout, options.format == "json" ? std::string_view(answer->body) : text);
    return verdict == "allow" ? EX_OK : refused;
}

int explain(const ExplainOptions& options) {
    if (!options.live.empty()) return explain_live(options);
    const auto action = action_from(options.action);
    if (!action) {
        complain("`" + options.action +
                 "` is no action; connect, subscribe, publish, message, stream, presence, history and "
                 "disconnect are");
        return EX_USAGE;
    }
    const auto loaded =
        policy_or_complain(options.policy, options.jwt.empty() ? Purpose::ask : Purpose::look);
    if (!loaded) return loaded.error();
    const Runtime& runtime = *loaded->runtime;
    auto sketch = sketch_from(options, *runtime.policy);
    if (!sketch) return broken_because(sketch.error());
    const bool connecting = *action == dsl::Action::connect;
    auto address = connecting ? Result<std::string>(options.target) : address_of(options, *runtime.policy);
    if (!address) return broken_because(address.error());
    sketch->address = *address;
    LimitTable limits(1024);
    const Now now = read_clocks();
    dsl::RouteMatch match;
    const std::string path = address->substr(std::min(address->find('/'), address->size()));
    const auto authority = parse_authority(address->substr(0, address->find('/')));
    const std::string host = authority ? authority->name : "";
    const bool api =
        !connecting && runtime.policy->api_router.find(host, path.substr(0, path.find('?')), match);
    const auto admission =
        simulate(runtime, *sketch, api ? AdmissionKind::api : AdmissionKind::route, limits, now);
    if (!admission) return broken_because(admission.error());
    const auto* admitted = std::get_if<Admitted>(&*admission);
    if (connecting || !admitted) {
        if (!connecting) complain("this client cannot even connect:");
        return show(explain_admission(*runtime.policy, *admission, *address, limits, now, true).explanation,
                    options.format);
    }
    const dsl::Residual residual = dsl::fold(admitted->route->program, admitted->answers);
    const ConnectionView view = opened(*runtime.policy, *admitted, residual);
    Question question{*action, options.target, options.json};
    if (auto added = add_grant(options, *runtime.policy, *admitted->route, now, question); !added)
        return broken_because(added.error());
    return show(explain(view, question, limits, now, true).explanation, options.format);
}

}  // namespace

void add_explain(CLI::App& app, int& exit_code) {
    auto* command = app.add_subcommand(
        "explain", "Say what the policy decides about a client, by which line, and why no other rule did.");
    auto options = std::make_shared<ExplainOptions>();
    command->add_option("-c,--config", options->policy.config, "Settings file that says where the policy is")
        ->type_name("FILE");
    command->add_option("--policy", options->policy.paths, "Files, or directories of *.route files")
        ->type_name("PATH")
        ->expected(1)
        ->take_all()
        ->allow_extra_args(false);
    auto* as = command->add_option("--as", options->as, "A token of the policy, and its claims as JSON")
                   ->type_name("TOKEN JSON")
                   ->type_size(2)
                   ->expected(1);
    command->add_option("--jwt", options->jwt, "A file with a signed token; the keys are asked")
        ->type_name("FILE")
        ->excludes(as);
    auto* with = command
                     ->add_option("--with", options->with,
                                  "A token that it brings with a subscription, and its claims as JSON")
                     ->type_name("TOKEN JSON")
                     ->type_size(2)
                     ->expected(1);
    auto* live = command->add_option(
        "--live", options->live, "A connection of the running daemon, with what it knows and has counted");
    live->type_name("SESSION")->excludes(as)->excludes(with)->excludes("--jwt")->excludes("--policy");
    command->add_option("-s,--socket", options->socket, "Control socket of the daemon")
        ->type_name("PATH")
        ->needs(live);
    command->add_option("--at", options->at, "Where the client is connected, or the address of an api")
        ->type_name("ADDRESS");
    command->add_option("--ip", options->ip, "Where it comes from")->capture_default_str();
    auto* origin = command->add_option("--origin", options->origin,
                                       "Its Origin; unset, the first that the route admits");
    command->add_flag("--no-origin", options->no_origin, "It sends no Origin")->excludes(origin);
    command->add_flag("--tls", options->tls, "It uses TLS");
    command->add_option("--subprotocol", options->subprotocol, "What it offers")->type_name("NAME");
    command->add_option("--header", options->headers, "A header that it sends")
        ->type_name("NAME:VALUE")
        ->expected(1)
        ->take_all()
        ->allow_extra_args(false);
    command->add_option("--input", options->inputs, "An input of the route")
        ->type_name("NAME=VALUE")
        ->expected(1)
        ->take_all()
        ->allow_extra_args(false);
    command->add_option("--format", options->format, "Form of the output")
        ->check(CLI::IsMember({"text", "json"}))
        ->capture_default_str();
    command->add_option("ACTION", options->action, "What it wants to do")
        ->type_name("{connect,subscribe,publish,message,stream,presence,history,disconnect}")
        ->required();
    command
        ->add_option("TARGET", options->target, "An address, a channel, the type of a message, or a stream")
        ->required();
    command->add_option(
        "JSON", options->json,
        "The members of the message, the data of the publication, or what is said to the stream");
    command->footer(std::string("Without --policy and --config: ") + default_config +
                    "\nExit status: 0 allowed, 1 denied or limited, 2 the policy or the question is broken, "
                    "64 wrong usage.");
    command->callback([options, &exit_code] { exit_code = explain(*options); });
}

}  // namespace wayleave
