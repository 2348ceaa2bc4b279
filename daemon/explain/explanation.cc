#include "daemon/explain/explanation.h"

#include "daemon/base/escape.h"
#include "daemon/base/json_writer.h"
#include "dsl/text/text.h"

namespace wayleave {
namespace {

// What somebody chose may hold anything; a terminal shall not obey it.
std::string shown(std::string_view text) {
    return dsl::printable(text);
}

std::string rule_line(const RuleNote& rule) {
    std::string out = rule.decided ? "  > " : "    ";
    out += rule.place + ": " + shown(rule.text) + "\n";
    if (rule.holds && !rule.decided) out += "        holds\n";
    for (const std::string& why : rule.why)
        out += (rule.holds ? "        holds: " : "        does not hold: ") + shown(why) + "\n";
    return out;
}

std::string limit_line(const LimitNote& limit) {
    std::string out = limit.limited ? "  > " : "    ";
    out += limit.place + ": " + shown(limit.text) + "\n        ";
    if (!limit.applies) return out + "does not apply: its condition does not hold\n";
    return out + std::to_string(limit.left) + " of " + std::to_string(limit.most) + " left for " +
           shown(limit.key) + "\n";
}

std::string json_of(const RuleNote& rule) {
    JsonObject out;
    out.add("rule", rule.text).add("place", rule.place).add("allow", rule.allow).add("holds", rule.holds);
    return out.add("decided", rule.decided).add(rule.holds ? "why" : "why_not", rule.why).text();
}

std::string json_of(const LimitNote& limit) {
    JsonObject out;
    out.add("limit", limit.text).add("place", limit.place).add("key", limit.key);
    out.add("applies", limit.applies).add("limited", limit.limited);
    return out.add("left", limit.left).add("most", limit.most).text();
}

}  // namespace

std::string_view to_string(Verdict verdict) {
    constexpr std::string_view names[] = {"allow", "deny", "limit", "ask"};
    return names[static_cast<size_t>(verdict)];
}

std::string text_of(const Explanation& e) {
    std::string out = std::string(to_string(e.verdict)) + " " + e.action;
    if (!e.target.empty()) out += " " + shown(e.target);
    if (!e.route.empty()) out += "  (route " + e.route + ")";
    out += "\n";
    if (!e.place.empty()) out += "decided by  " + e.place + "\n";
    out += "decision    " + e.decision + "\n";
    if (!e.reason.empty()) out += "reason      " + e.reason + "\n";
    if (!e.because.empty()) out += "because     " + shown(e.because) + "\n";
    if (!e.client.empty()) out += "the client  " + shown(e.client) + "\n";
    for (const std::string& effect : e.effects) out += "then        it " + shown(effect) + "\n";
    if (!e.rules.empty()) out += "\nrules, in the order in which they are asked:\n";
    for (const RuleNote& rule : e.rules) out += rule_line(rule);
    if (!e.limits.empty()) out += "\nlimits:\n";
    for (const LimitNote& limit : e.limits) out += limit_line(limit);
    if (!e.notes.empty()) out += "\nnot asked:\n";
    for (const std::string& note : e.notes) out += "    " + shown(note) + "\n";
    if (!e.facts.empty()) out += "\nknown:\n";
    for (const std::string& fact : e.facts) out += "    " + shown(fact) + "\n";
    return out;
}

std::string json_of(const Explanation& e) {
    JsonArray rules;
    for (const RuleNote& rule : e.rules) rules.raw(json_of(rule));
    JsonArray limits;
    for (const LimitNote& limit : e.limits) limits.raw(json_of(limit));
    JsonObject out;
    out.add("verdict", to_string(e.verdict)).add("action", e.action).add("target", e.target);
    out.add("route", e.route).add("decision", e.decision).add("place", e.place);
    out.add("reason", e.reason).add("because", e.because).add("client", e.client);
    out.add("effects", e.effects).add("rules", rules).add("limits", limits);
    out.add("facts", e.facts).add("notes", e.notes);
    return escape_json(out.text()) + "\n";
}

}  // namespace wayleave
