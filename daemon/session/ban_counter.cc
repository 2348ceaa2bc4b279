#include "daemon/session/ban_counter.h"

#include <algorithm>

#include "daemon/base/escape.h"
#include "daemon/decision/counting_key.h"
#include "dsl/policy/canonical.h"
#include "dsl/policy/trace.h"

namespace wayleave {
namespace {

// What the client could have avoided; a full server or a new policy is not its fault.
bool is_counted(std::string_view counted, Reason reason) {
    const bool error = reason == Reason::bad_message || reason == Reason::unknown_message ||
                       reason == Reason::too_big || reason == Reason::bad_request;
    if (counted == "errors") return error;
    if (counted == "limits") return reason == Reason::limited;
    return error || reason == Reason::limited || reason == Reason::forbidden ||
           reason == Reason::unauthenticated;
}

// A handshake that was turned away early has not told all.
bool is_known(const dsl::Ban& ban, const dsl::Facts& facts, bool identified) {
    if (ban.stage > dsl::Stage::arrival && !identified) return false;
    return std::all_of(ban.keys.begin(), ban.keys.end(), [&](const dsl::Operand& key) {
        return key.attribute != dsl::Attribute::fact || key.slot < facts.values.size();
    });
}

void note_network(BanEntry& out, const dsl::ValueView& value) {
    if (const auto* address = std::get_if<dsl::Address>(&value))
        out.networks.push_back(dsl::canonical({*address, static_cast<uint8_t>(address->is_v4() ? 128 : 64)}));
    if (const auto* net = std::get_if<dsl::Net>(&value)) out.networks.push_back(*net);
}

BanEntry described(const dsl::Route& route, const dsl::Ban& ban, const dsl::Request& request) {
    const dsl::Words words{route};
    BanEntry out;
    for (const dsl::Operand& key : ban.keys) {
        std::string value = dsl::shown(words, key, request);
        out.who += (out.who.empty() ? "" : ", ") + words.operand(key) + " " + value;
        if (value.size() > 2 && value.starts_with('"')) value = value.substr(1, value.size() - 2);
        out.values.push_back(std::move(value));
        note_network(out, dsl::fetch(route.program, key, request));
    }
    out.who = escape_peer_text(out.who, 256);
    out.route = route.name;
    out.place = ban.place;
    out.because = ban.because;
    return out;
}

}  // namespace

std::optional<Rejection> BanCounter::count_refusal(const dsl::Policy& policy, const dsl::Route& route,
                                                   const dsl::Request& request, const Whom& whom,
                                                   Reason reason, Now now) {
    std::optional<Rejection> banned;
    for (const dsl::Ban& ban : route.bans) {
        if (!is_counted(ban.counted, reason) || !is_known(ban, *request.facts, whom.identified)) continue;
        BanEntry entry;
        const auto describe = [&] { return entry = described(route, ban, request); };
        const auto counted = bans_.count(ban_key(route.program, ban, request), ban, describe, now.steady_ms);
        if (counted.left_ms == 0) continue;
        if (!banned || banned->retry_after_ms < counted.left_ms) banned = banned_by(ban, counted.left_ms);
        if (!counted.begun) continue;
        const std::string decision = decision_id(policy, ban.place);
        // The log names the user alone, and not the other claims by which a ban may count: `wayleave bans`
        // has them.
        const bool claims = ban.stage > dsl::Stage::arrival;
        const std::string who = claims ? "whom `wayleave bans` lists as " + counted.id : entry.who;
        Event event{"banned", who + " may not use the route for " +
                                  std::to_string((counted.left_ms + 999) / 1000) + " s" +
                                  (ban.because.empty() ? "" : ": " + ban.because)};
        event.of_client = true;
        event.with("user", whom.user, whom.nameless)
            .with("ip", request.facts->ip.text())
            .with("route", route.name)
            .with("reason", to_string(Reason::banned))
            .with("decision", decision)
            .with("rule", ban.place);
        log_.tell(std::move(event), who, decision, now);
    }
    return banned;
}

std::optional<Rejection> BanCounter::count_refusal(const Session& session, Reason reason, Now now) {
    const dsl::Route& route = *session.binding->route;
    if (route.bans.empty()) return std::nullopt;
    const dsl::Request request = request_for(session.facts, session.number);
    return count_refusal(*session.binding->runtime->policy, route, request,
                         {true, session.user, session.nameless}, reason, now);
}

}  // namespace wayleave
