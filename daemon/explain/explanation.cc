#include "daemon/explain/explanation.h"

#include "daemon/base/escape.h"
#include "daemon/base/json_value.h"
#include "dsl/text/text.h"

namespace wayleave {
namespace {

void member(std::string& out, std::string_view name, std::string_view value) {
    if (out.back() != '{' && out.back() != '[') out += ',';
    append_json(out, name);
    out += ':';
    append_json(out, value);
}

void raw_member(std::string& out, std::string_view name, std::string_view value) {
    if (out.back() != '{' && out.back() != '[') out += ',';
    append_json(out, name);
    out += ':';
    out += value;
}

std::string list(const std::vector<std::string>& texts) {
    std::string out = "[";
    for (const std::string& text : texts) {
        if (out.size() > 1) out += ',';
        append_json(out, text);
    }
    return out + "]";
}

std::string_view truth(bool value) {
    return value ? "true" : "false";
}

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

}  // namespace

std::string_view to_string(Verdict verdict) {
    constexpr std::string_view names[] = {"allow", "deny", "limit"};
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
    std::string out = "{";
    member(out, "verdict", to_string(e.verdict));
    member(out, "action", e.action);
    member(out, "target", e.target);
    member(out, "route", e.route);
    member(out, "decision", e.decision);
    member(out, "place", e.place);
    member(out, "reason", e.reason);
    member(out, "because", e.because);
    member(out, "client", e.client);
    raw_member(out, "effects", list(e.effects));
    std::string rules = "[";
    for (const RuleNote& rule : e.rules) {
        std::string one = "{";
        member(one, "rule", rule.text);
        member(one, "place", rule.place);
        raw_member(one, "allow", truth(rule.allow));
        raw_member(one, "holds", truth(rule.holds));
        raw_member(one, "decided", truth(rule.decided));
        raw_member(one, rule.holds ? "why" : "why_not", list(rule.why));
        rules += (rules.size() > 1 ? "," : "") + one + "}";
    }
    raw_member(out, "rules", rules + "]");
    std::string limits = "[";
    for (const LimitNote& limit : e.limits) {
        std::string one = "{";
        member(one, "limit", limit.text);
        member(one, "place", limit.place);
        member(one, "key", limit.key);
        raw_member(one, "applies", truth(limit.applies));
        raw_member(one, "limited", truth(limit.limited));
        raw_member(one, "left", std::to_string(limit.left));
        raw_member(one, "most", std::to_string(limit.most));
        limits += (limits.size() > 1 ? "," : "") + one + "}";
    }
    raw_member(out, "limits", limits + "]");
    raw_member(out, "facts", list(e.facts));
    raw_member(out, "notes", list(e.notes));
    return escape_json(out) + "}\n";
}

}  // namespace wayleave
