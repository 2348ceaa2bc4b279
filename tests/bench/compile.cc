// Time and memory of a large policy: parse, check and compile ROUTES routes with a token, ten rules, three
// messages, limits, defaults and a used policy each. Prints one JSON object; a process of its own, so that
// its peak is the policy's. Then lint looks at the same text.
//
//   bench_compile [ROUTES]
#include <malloc.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>

#include "dsl/compile/compile.h"
#include "dsl/lint/lint.h"
#include "dsl/syntax/load.h"
#include "dsl/syntax/parse.h"

using namespace wayleave;
using namespace wayleave::dsl;

namespace {

const std::string shared = R"(
let office = { 192.0.2.0/24, 198.51.100.0/24, 10.0.0.0/8 }
let rates  = { "free": 2/s, "team": 20/s }
token session {
    keys = file "k" from cookie "sid"
    claim sub : string required   claim company : string required   claim plan : string else "free"
    claim roles : set of string else {}   claim level : int else 0
}
policy fair_use {
    limit connects to 20/s per subnet burst 40
    limit messages to rates[user.plan] else 1/s per user.sub then error "slow_down"
    deny connect if ip in { 198.18.0.0/15, 192.0.2.128/25 } and not (ip in office)
}
defaults {
    origins = { "https://app.example.com", "https://www.example.com" }
    deny subscribe if channel like "internal*"
}
)";

std::string route_text(size_t number) {
    const std::string n = std::to_string(number);
    const std::string address = number % 3 == 0   ? "h" + n + ".example.com/ws/:room"
                                : number % 3 == 1 ? "/app" + n + "/:tenant/ws"
                                                  : "/svc/v" + n + "/:number(int)";
    return "route r" + n + " " + address +
           " {\n    auth = session\n    use fair_use\n    max_message = 16kb\n" +
           R"(
    allow connect if user.company == "c)" +
           n + R"(" or "staff" in user.roles
    deny  connect if user.plan == "free" and not tls because "pay for it"
    join user/{user.sub}
    allow subscribe on room)" +
           n + R"(/* if user.level > 1
    allow subscribe on company/{user.company}/**
    allow subscribe on public/*, news/*
    deny  subscribe on company/*/secret if not ("admin" in user.roles)
    allow publish on room)" +
           n + R"(/{user.sub}
    deny  publish if message.size > 4kb and user.plan == "free"
    deny  message if user.level < 0 or message.type like "admin.*"
    allow publish on cursor/** if user.plan in { "team", "enterprise" }
    message task.update {
        field id : int required   field state : string in { "open", "done" } required
        allow if "editor" in user.roles
        deny if state == "done" and user.level < 3 because "not yours"
        publish to company/{user.company}
    }
    message call.* {
        field to : string required
        allow
        limit messages to 1/s per user.sub burst 3
        publish to user/{to}
    }
    message typing { allow  publish to room)" +
           n + R"(/all except self }
}
)";
}

double seconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// All that `wayleave lint` does with the text, but for tests and keys.
double lint_seconds(const Sources& sources) {
    Diagnostics diagnostics;
    LintSurroundings surroundings;
    surroundings.style = true;
    const auto start = std::chrono::steady_clock::now();
    (void)compile_and_lint(
        sources, [](const std::string&) { return failure("no files"); }, surroundings, diagnostics);
    return seconds_since(start);
}

}  // namespace

int main(int argc, char** argv) {
    const size_t routes = argc > 1 ? static_cast<size_t>(std::atol(argv[1])) : 10'000;
    std::string text = shared;
    for (size_t i = 0; i < routes; ++i) text += route_text(i);
    if (argc > 2) std::ofstream(argv[2]) << text;
    const size_t bytes = text.size();
    Sources sources;
    Diagnostics diagnostics;
    const auto start = std::chrono::steady_clock::now();
    load_text("bench.route", std::move(text), sources, diagnostics);
    std::shared_ptr<const Policy> policy;
    double parsed = 0;
    {
        const ast::File file = parse(sources, diagnostics);
        parsed = seconds_since(start);
        policy = compile(
            file, sources, [](const std::string&) { return failure("no files"); }, diagnostics);
    }
    const double all = seconds_since(start);
    if (!policy) std::fputs(render(diagnostics, sources, false).substr(0, 2000).c_str(), stderr);
    malloc_trim(0);
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const struct mallinfo2 heap = mallinfo2();
    std::printf(
        "{\"routes\":%zu,\"text_mb\":%.1f,\"parse_s\":%.5f,\"total_s\":%.5f,\"peak_mb\":%ld,"
        "\"kept_mb\":%zu,\"lint_s\":%.3f}\n",
        routes, static_cast<double>(bytes) / 1e6, parsed, all, usage.ru_maxrss / 1024,
        (heap.uordblks + heap.hblkhd) >> 20, lint_seconds(sources));
    return policy ? 0 : 1;
}
