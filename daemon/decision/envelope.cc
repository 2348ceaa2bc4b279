#include "daemon/decision/envelope.h"

#include <fmt/chrono.h>

#include "daemon/base/json_value.h"
#include "daemon/base/json_writer.h"

namespace wayleave {
namespace {

std::string timestamp(int64_t wall_ms) {
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(static_cast<std::time_t>(wall_ms / 1000)),
                       wall_ms % 1000);
}

// The facts from `begin` to `end`, by their names without what is before a dot.
JsonObject facts_of(const EnvelopeOf& of, size_t begin, size_t end) {
    JsonObject out;
    for (size_t i = begin; i < end; ++i) {
        const dsl::FactShape::Fact& fact = of.route.shape->facts[i];
        if (fact.secret || i >= of.facts.values.size()) continue;
        std::string text;
        append_json(text, of.facts.values[i], fact.type);
        out.raw(std::string_view(fact.name).substr(fact.name.find('.') + 1), text);
    }
    return out;
}

}  // namespace

std::string envelope(const EnvelopeOf& of, std::string_view more) {
    JsonObject out;
    out.add("type", of.type)
        .add("id", of.id)
        .add("timestamp", timestamp(of.wall_ms))
        .add("route", of.route.name)
        .add("session", of.session);
    if (of.seq) {
        out.add("seq", *of.seq);
    } else {
        out.raw("seq", "null");
    }
    if (of.user.empty()) {
        out.raw("user", "null");
    } else {
        out.add("user", of.user);
    }
    out.add("captures", facts_of(of, 0, of.route.captures))
        .add("inputs", facts_of(of, of.route.captures, of.route.first_claim))
        .add("claims", facts_of(of, of.route.first_claim, of.route.shape->facts.size()));
    std::string text = out.text();
    text.pop_back();
    if (!more.empty()) text.append(",").append(more);
    return text += '}';
}

std::string identity_members(const EnvelopeOf& of) {
    JsonObject out;
    if (!of.user.empty()) out.add("sub", of.user);
    if (!of.session.empty()) out.add("sid", of.session);
    const std::string text = out.add("route", of.route.name).text();
    return text.substr(1, text.size() - 2);
}

}  // namespace wayleave
