// Any text as a policy, compiled: diagnostics have places, and what compiles decides the same before and
// after folding.
#include <cstdint>
#include <cstdlib>

#include "dsl/compile/compile.h"
#include "dsl/lint/lint.h"
#include "dsl/policy/evaluate.h"
#include "dsl/syntax/load.h"
#include "dsl/text/catalogue.h"

using namespace wayleave;
using namespace wayleave::dsl;

namespace {

void check(bool holds) {
    if (!holds) std::abort();
}

Value value_of(Type type) {
    if (type.shape != Shape::one) return Value(std::vector<Scalar>{});
    switch (type.kind) {
        case Kind::boolean: return Value(true);
        case Kind::floating: return Value(1.5);
        case Kind::string: return Value(std::string("a"));
        case Kind::ip: return Value(Address{});
        case Kind::net: return Value(Net{});
        case Kind::rate: return Value(Rate{1, 1000, false});
        default: return Value(int64_t{1});
    }
}

void decide_all(const Route& route, const Facts& facts, std::string_view name) {
    const auto channel = split_channel(name);
    Request request;
    request.facts = &facts;
    request.channel = channel ? &*channel : nullptr;
    request.message_type = "a";
    const Residual residual = fold(route.program, early_answers(route.program, request));
    for (const RootId root : {route.connect, route.subscribe, route.publish}) {
        const NodeId whole = decide(route.program, route.program.nodes, route.program.roots[root], request);
        check(decide(route.program, residual.nodes, residual.roots[root], request) == whole);
        check((whole & ~verdict_bit) < route.rules.size() + 2);
    }
    for (const Message& message : route.messages) {
        std::vector<Value> fields;
        for (const FieldDecl& field : message.fields) fields.push_back(value_of(field.type));
        request.fields = fields;
        (void)decide(route.program, residual.nodes, residual.roots[message.decision], request);
        std::string out;
        for (const auto* list : {&message.subscribes, &message.unsubscribes})
            for (const Join& one : *list) (void)build_channel(route.program, one.channel, request, out);
        for (const Publish& publish : message.publish) {
            if (build_channel(route.program, publish.channel, request, out))
                check(split_channel(out).has_value());
        }
    }
}

bool is_inside(const Sources& sources, Span span) {
    return span.file < sources.size() && span.begin <= span.end &&
           span.end <= sources.file(span.file).text.size() + 1;
}

// Lint finds places and pages for what it says, and refuses what compile() refuses.
void lint_too(const Sources& sources, const FileReader& files, bool compiles, Diagnostics& loaded) {
    const LintSurroundings surroundings{LintSurroundings::Listeners{true, false}, 20'000, nullptr, true};
    const Linted linted = compile_and_lint(sources, files, surroundings, loaded);
    check((linted.policy != nullptr) == compiles);
    for (const Diagnostic& one : loaded.all()) {
        check(find_check(one.id) != nullptr && is_inside(sources, one.primary.span));
        for (const Label& label : one.secondary) check(is_inside(sources, label.span));
        check(!one.replacement || is_inside(sources, one.replacement->span));
        (void)fingerprint(one.id, one.primary.span, sources, *linted.statements);
    }
    (void)render(loaded, sources, false);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Sources sources;
    Diagnostics diagnostics;
    load_text("fuzz.route", std::string(reinterpret_cast<const char*>(data), size), sources, diagnostics);
    const FileReader files = [](const std::string&) {
        return Result<std::string>(std::string("10.0.0.0/8\n"));
    };
    Diagnostics loaded = diagnostics;
    const auto policy = compile(sources, files, diagnostics);
    lint_too(sources, files, policy != nullptr, loaded);
    check((policy != nullptr) == (diagnostics.errors() == 0));
    (void)render(diagnostics, sources, true);
    for (const Diagnostic& one : diagnostics.all())
        check(one.primary.span.begin <= one.primary.span.end && one.primary.span.begin <= size);
    if (!policy) return 0;
    for (const auto& route : policy->routes) {
        Facts facts;
        facts.shape = route->shape;
        for (const FactShape::Fact& fact : route->shape->facts) facts.values.push_back(value_of(fact.type));
        for (const std::string_view channel : {"a", "room/a", "a/b/c"}) decide_all(*route, facts, channel);
        RouteMatch match;
        for (const std::string_view path : {"/", "/a", "/a/1/", "/ws/chat"})
            (void)policy->router.find("a.example.com", path, match);
    }
    return 0;
}
