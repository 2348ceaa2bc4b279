// Times of the policy's hot paths, in nanoseconds: a decision as written, after folding, and the look-up of a
// route. Prints one JSON object. No threshold: what is good enough is for the reader to say.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "daemon/core/client_message.h"
#include "dsl/compile.h"
#include "dsl/evaluate.h"
#include "dsl/load.h"

using namespace wayleave;
using namespace wayleave::dsl;

namespace {

std::shared_ptr<const Policy> compiled(const std::string& text) {
    Sources sources;
    Diagnostics diagnostics;
    load_text("bench.route", text, sources, diagnostics);
    auto policy = compile(
        sources, [](const std::string&) { return failure("no files"); }, diagnostics);
    if (!policy) std::fputs(render(diagnostics, sources, false).c_str(), stderr);
    return policy;
}

// Twelve rules about one message, none of which decides early: every one is asked.
const std::string twelve_rules = R"(
token session {
    keys = file "k" from cookie "sid"
    claim sub : string required   claim company : string required   claim plan : string required
    claim roles : set of string required   claim muted : bool required   claim level : int required
}
let office   = { 192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24, 10.0.0.0/8 }
let support  = { "support", "admin", "owner" }
route r app.example.com/ws/:company {
    auth = session
    origins = { "https://app.example.com", "https://www.example.com" }
    allow connect
    deny message if user.muted
    deny message if ip in { 198.18.0.0/15, 192.0.2.128/25 } and not (ip in office)
    deny message if user.plan == "free" and message.size > 2kb
    deny message if not (user.company == company) and not (user.roles overlaps support)
    deny message if user.level < 2 and (origin like "http://*" or not tls)
    deny message if message.type like "admin.*" and not ("admin" in user.roles)
    message task.update {
        field id : int required   field state : string required   field to : string required
        deny if state == "closed" and not ("editor" in user.roles)
        deny if state == "deleted" and user.level < 5
        deny if to == user.sub and not (user.plan in { "team", "enterprise" })
        deny if message.size > 16kb and user.plan != "enterprise"
        allow if "viewer" in user.roles and state in { "draft", "note" }
        allow if user.level > 1 and (state == "open" or state == "done") and message.size < 64kb
        publish to room/{company}
    }
})";

template <class Work>
double nanoseconds(const Work& work) {
    double best = 1e18;
    for (int round = 0; round < 7; ++round) {
        size_t count = 0;
        const auto start = std::chrono::steady_clock::now();
        std::chrono::steady_clock::duration spent{};
        do {
            for (int i = 0; i < 2000; ++i) work(count++);
            spent = std::chrono::steady_clock::now() - start;
        } while (spent < std::chrono::milliseconds(60));
        best = std::min(best,
                        std::chrono::duration<double, std::nano>(spent).count() / static_cast<double>(count));
    }
    return best;
}

volatile uint64_t sink = 0;

void decisions() {
    const auto policy = compiled(twelve_rules);
    const Route& route = *policy->routes[0];
    Facts facts;
    facts.ip = *parse_address("203.0.113.7");
    facts.tls = true;
    facts.origin = "https://app.example.com";
    facts.shape = route.shape;
    facts.values = {Value(std::string("acme")),
                    Value(std::string("u1")),
                    Value(std::string("acme")),
                    Value(std::string("team")),
                    Value(std::vector<Scalar>{std::string("dev"), std::string("editor")}),
                    Value(false),
                    Value(int64_t{3})};
    const std::vector<Value> fields{Value(int64_t{7}), Value(std::string("done")), Value(std::string("u2"))};
    Request request;
    request.facts = &facts;
    request.message_type = "task.update";
    request.message_size = 300;
    request.fields = fields;
    const RootId root = route.messages[0].decision;
    const Residual residual = fold(route.program, early_answers(route.program, request));
    const double whole = nanoseconds([&](size_t) {
        sink = sink + decide(route.program, route.program.nodes, route.program.roots[root], request);
    });
    const double folded = nanoseconds(
        [&](size_t) { sink = sink + decide(route.program, residual.nodes, residual.roots[root], request); });
    const double folding = nanoseconds([&](size_t) {
        sink = sink + fold(route.program, early_answers(route.program, request)).nodes.size();
    });
    std::printf("\"decision\":{\"atoms\":%zu,\"whole_ns\":%.0f,\"folded_ns\":%.0f,\"folding_ns\":%.0f}",
                route.program.atoms.size(), whole, folded, folding);
}

// So many rules on one route, about rooms and about companies; the one that decides is far back.
void many_rules(size_t count) {
    std::string text =
        "token session { keys = file \"k\" from cookie \"sid\" claim company : string required }\n"
        "route r /ws { auth = session origins = { none }\n";
    for (size_t i = 0; i < count / 2; ++i) {
        const std::string n = std::to_string(i);
        text += "deny subscribe if user.company == \"c" + n + "\" and channel like \"secret*\"\n";
        text += "allow subscribe on room" + n + "/* if user.company != \"c" + n + "\"\n";
    }
    const auto policy = compiled(text + "}");
    const Route& route = *policy->routes[0];
    Facts facts;
    facts.shape = route.shape;
    facts.values = {Value("c" + std::to_string(count / 2 - 3))};
    const std::string name = "room" + std::to_string(count / 2 - 5) + "/a";
    const auto channel = split_channel(name);
    Request request;
    request.facts = &facts;
    request.channel = &*channel;
    const Residual residual = fold(route.program, early_answers(route.program, request));
    const NodeId root = route.program.roots[route.subscribe];
    const NodeId folded_root = residual.roots[route.subscribe];
    const double whole =
        nanoseconds([&](size_t) { sink = sink + decide(route.program, route.program.nodes, root, request); });
    const double folded = nanoseconds(
        [&](size_t) { sink = sink + decide(route.program, residual.nodes, folded_root, request); });
    std::printf(",\"rules_%zu_ns\":%.0f,\"rules_%zu_folded_ns\":%.0f", count, whole, count, folded);
}

void routing(size_t count) {
    std::string text;
    for (size_t i = 0; i < count; ++i) {
        const std::string n = std::to_string(i);
        // Three shapes in turn: a host of its own, a capture in the middle, a typed capture at the end.
        const std::string address = i % 3 == 0   ? "h" + n + ".example.com/ws/:room"
                                    : i % 3 == 1 ? "/app" + n + "/:tenant/ws"
                                                 : "/svc/v" + n + "/:id(int)";
        text += "route r" + n + " " + address + " { auth = none }\n";
    }
    const auto policy = compiled(text);
    std::vector<std::pair<std::string, std::string>> asked;
    for (size_t i = 0; i < 4096; ++i) {
        const std::string n = std::to_string(i * 7919 % count);
        const size_t shape = i * 7919 % count % 3;
        asked.emplace_back(shape == 0 ? "h" + n + ".example.com" : "localhost", shape == 0 ? "/ws/lobby"
                                                                                : shape == 1
                                                                                    ? "/app" + n + "/acme/ws"
                                                                                    : "/svc/v" + n + "/42");
    }
    size_t missed = 0;
    const double each = nanoseconds([&](size_t i) {
        RouteMatch match;
        const auto& [host, path] = asked[i % asked.size()];
        missed += policy->router.find(host, path, match) ? 0 : 1;
    });
    if (missed > 0) std::fprintf(stderr, "the router missed %zu addresses\n", missed);
    std::printf(",\"route_%zu_ns\":%.0f", count, each);
}

void messages() {
    MessageParser parser;
    const std::string text =
        R"({"type":"task.update","id":7,"state":"done","to":"u2","note":")" + std::string(120, 'x') + R"("})";
    const double parse = nanoseconds([&](size_t) { sink = sink + parser.parse(text).ok(); });
    const double encode = nanoseconds([&](size_t) {
        const auto parsed = parser.parse(text);
        sink = sink + publication_text("room/acme", "0-1", 1'700'000'000'000, parsed.value()->members).size();
    });
    std::printf(",\"parse_ns\":%.0f,\"parse_and_encode_ns\":%.0f", parse, encode);
}

}  // namespace

int main() {
    std::printf("{");
    decisions();
    for (const size_t count : {1000U, 10000U}) many_rules(count);
    for (const size_t count : {10U, 100U, 1000U, 10000U}) routing(count);
    messages();
    std::printf("}\n");
}
