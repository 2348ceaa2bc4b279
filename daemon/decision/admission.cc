#include "daemon/decision/admission.h"

#include <algorithm>
#include <optional>

#include "daemon/base/json_value.h"
#include "daemon/decision/authorize.h"
#include "daemon/decision/counting_key.h"
#include "daemon/decision/identify.h"

namespace wayleave {
namespace {

using From = dsl::SourceKind;
using dsl::Meter;

// Subprotocols that the daemon itself speaks.
constexpr std::string_view native_protocol = "wayleave.v1";

// "Bearer TOKEN" (RFC 6750 2.1). Another scheme is no token for us.
std::optional<std::string> bearer(std::string_view value) {
    const size_t space = value.find(' ');
    if (space == std::string_view::npos || !same_ignoring_case(value.substr(0, space), "bearer"))
        return std::nullopt;
    return std::string(trim(value.substr(space + 1)));
}

// A browser says whose page made it send a request, and no page can make it say something else (Fetch
// Metadata 2.1). `none` is the user himself, at the address bar.
bool is_of_foreign_page(const HttpHead& head) {
    const std::string_view site = head.field("sec-fetch-site");
    const size_t said = head.count("sec-fetch-site");
    return said > 1 || (said == 1 && site != "same-origin" && site != "none");
}

Rejection too_many(const dsl::Limit& limit) {
    const char* what =
        limit.meter == Meter::subscriptions ? "too many subscriptions" : "too many connections";
    return {Reason::limited, limit.because.empty() ? what : limit.because, limit.place, limit.then, 0};
}

// One handshake on its way through the door, step by step; each may turn it away.
class AdmissionCheck {
  public:
    AdmissionCheck(const Runtime& runtime, LimitTable& limits, const BanTable* bans, const Peer& peer,
                   const HttpHead& head, const Upgrade& upgrade, uint64_t connection, Now now,
                   AdmissionKind kind, const Resumed* resumed)
        : runtime_(runtime),
          kind_(kind),
          limits_(limits),
          bans_(bans),
          peer_(peer),
          head_(head),
          upgrade_(upgrade),
          connection_(connection),
          now_(now),
          resumed_(resumed) {}

    Admission pass() {
        if (head_.count("traceparent") == 1) out_.trace = parse_traceparent(head_.field("traceparent"));
        if (!find_route() || !check_origin() || !check_tls() || !check_alias() || !choose_protocol() ||
            !read_facts() || !check_bans() || !decide_early() || !draw_arrival() || !authenticate() ||
            !check_bans() || (kind_ != AdmissionKind::post && !enter_connection())) {
            for (const std::string& key : out_.entered) limits_.leave(key);
            if (question_) return Waiting{std::move(*question_), out_.trace};
            return turned_away();
        }
        return std::move(out_);
    }

  private:
    TurnedAway turned_away() {
        TurnedAway out{out_.route, std::move(rejection_), std::move(out_.facts), identified_, judged_,
                       foreign_};
        out.user = identified_ ? out_.user : out.rejection.user;
        out.nameless = identified_ ? out_.nameless : out.rejection.nameless;
        out.verdict = out_.verdict;
        return out;
    }

    bool turn_away(Reason reason, std::string because) {
        rejection_.reason = reason;
        rejection_.because = std::move(because);
        return false;
    }

    bool find_route() {
        out_.facts.host = head_.authority.name;
        out_.facts.path = head_.path;
        const dsl::Policy& policy = *runtime_.policy;
        const bool api = kind_ == AdmissionKind::api;
        if (!(api ? policy.api_router : policy.router).find(out_.facts.host, out_.facts.path, match_)) {
            return turn_away(Reason::unknown_route,
                             api ? "no api has this address" : "no route has this address");
        }
        out_.route = (api ? policy.apis : policy.routes)[match_.route].get();
        const auto alias = api ? policy.aliases.end() : policy.aliases.find(match_.address);
        if (alias != policy.aliases.end()) out_.alias = &alias->second;
        out_.facts.ip = peer_.ip;
        out_.facts.tls = peer_.tls;
        out_.facts.origin = std::string(upgrade_.origin);
        out_.facts.shape = out_.route->shape;
        return true;
    }

    // What a proxy does with its client is the proxy's affair; then the version is not known.
    bool check_tls() {
        if (out_.route->min_tls == 0) return true;
        const bool old = peer_.tls_version != 0 && peer_.tls_version < out_.route->min_tls;
        if (peer_.tls && !old) return true;
        rejection_.rule = out_.route->min_tls_place;
        return turn_away(Reason::forbidden, out_.route->min_tls > 0x0303 ? "this address needs TLS 1.3"
                                                                         : "this address needs TLS");
    }

    // Before anything else is said about it: a visitor does not answer for what a page of a foreign origin
    // made the browser do.
    bool check_origin() {
        const dsl::Origins& origins = out_.route->origins;
        const bool shown = upgrade_.has_origin;
        // A link or an address that is typed says no origin, wherever it stands.
        if (kind_ == AdmissionKind::request && is_safe(head_.method) && !shown) return true;
        const bool admitted = origins.allow(upgrade_.origin, shown, head_.authority.text()) &&
                              (shown || origins.any || !is_of_foreign_page(head_));
        if (admitted) return true;
        foreign_ = true;
        rejection_.rule = out_.route->origins_place;
        return turn_away(Reason::forbidden, shown || is_of_foreign_page(head_)
                                                ? "pages of this origin may not connect here"
                                                : "a client without Origin may not connect here");
    }

    // The application's choice first, then what carries a token, then our own name.
    bool choose_protocol() {
        const auto offered = [&](std::string_view name) {
            return std::find(upgrade_.protocols.begin(), upgrade_.protocols.end(), name) !=
                   upgrade_.protocols.end();
        };
        for (const std::string_view name : upgrade_.protocols) {
            const auto& wanted = out_.route->subprotocols;
            if (out_.protocol.empty() && std::find(wanted.begin(), wanted.end(), name) != wanted.end())
                out_.protocol = name;
        }
        for (const uint32_t number : out_.route->auth) {
            for (const dsl::TokenSource& source : runtime_.policy->tokens[number].from) {
                if (source.kind == From::subprotocol && out_.protocol.empty() && offered(source.name))
                    out_.protocol = source.name;
            }
        }
        if (out_.protocol.empty() && offered(native_protocol)) out_.protocol = native_protocol;
        out_.facts.subprotocol = out_.protocol;
        return true;
    }

    std::optional<std::string> find(const dsl::TokenSource& source) const {
        switch (source.kind) {
            case From::query: return query_value(head_.query, source.name);
            case From::cookie: {
                const auto value = cookie_value(head_, source.name);
                return value ? std::optional(std::string(*value)) : std::nullopt;
            }
            case From::header: {
                if (head_.count(source.name) != 1) return std::nullopt;
                const std::string_view value = head_.field(source.name);
                return source.name == "authorization" ? bearer(value) : std::optional(std::string(value));
            }
            case From::subprotocol: {
                const auto& list = upgrade_.protocols;  // "name, TOKEN"
                const auto it = std::find(list.begin(), list.end(), source.name);
                return it != list.end() && it + 1 != list.end() ? std::optional(std::string(it[1]))
                                                                : std::nullopt;
            }
            default: return std::nullopt;
        }
    }

    // Why find() finds nothing where something stands; empty: nothing stands there.
    [[nodiscard]] std::string why_not_found(const dsl::TokenSource& source) const {
        switch (source.kind) {
            case From::query:
                if (query_values(head_.query, source.name).size() < 2) return {};
                return "the parameter " + source.name + " stands twice";
            case From::cookie: {
                const size_t count = cookie_count(head_, source.name);
                if (count > 1) return "the cookie " + source.name + " stands twice";
                if (count == 0 || cookie_value(head_, source.name)) return {};
                return "the cookie " + source.name + " holds a byte that is not printable ASCII";
            }
            case From::header: {
                const size_t count = head_.count(source.name);
                if (count > 1) return "the header " + source.name + " stands twice";
                if (count == 0 || source.name != "authorization" || find(source)) return {};
                return "the header authorization is not `Bearer TOKEN`";
            }
            default: return {};
        }
    }

    // Nothing was shown of which anybody could be asked whether it is good.
    [[nodiscard]] std::string why_no_token() const {
        for (const uint32_t number : out_.route->auth) {
            for (const dsl::TokenSource& source : runtime_.policy->tokens[number].from) {
                if (std::string why = why_not_found(source); !why.empty()) return why;
            }
        }
        return {};
    }

    bool read_facts() {
        auto& values = out_.facts.values;
        values.reserve(out_.route->shape->facts.size());
        for (size_t i = 0; i < out_.route->captures; ++i) {
            if (!read_capture(i)) return false;
        }
        for (const dsl::InputDecl& input : out_.route->inputs) {
            const auto text = find(input.from);
            auto value = text ? text_value(*text, input.type) : std::nullopt;
            if (!value && input.required) {
                const std::string why = text ? "" : why_not_found(input.from);
                return turn_away(Reason::bad_message, "the input " + input.name +
                                                          (!why.empty() ? ": " + why
                                                           : text       ? " is no " + to_string(input.type)
                                                                        : " is missing"));
            }
            values.push_back(value ? std::move(*value) : input.otherwise);
        }
        // Claims are read by nothing before they are known; the slots are there so that a reader could not
        // stray.
        values.resize(out_.route->shape->facts.size());
        return true;
    }

    // From the address, or as the alias says.
    bool read_capture(size_t i) {
        auto& values = out_.facts.values;
        const auto* bound = out_.alias ? &out_.alias->captures[i] : nullptr;
        if (!bound) {
            values.push_back(dsl::capture_value(match_.types[i], match_.captures[i]));
            return true;
        }
        if (const auto* literal = std::get_if<dsl::Value>(bound)) {
            values.push_back(*literal);
            return true;
        }
        const auto* source = std::get_if<dsl::TokenSource>(bound);
        return read_old_capture(i, source ? find(*source) : std::string(match_.captures[i]));
    }

    // An old address may catch more than the route's own do. What they would not have caught, it brings not.
    bool read_old_capture(size_t i, const std::optional<std::string>& text) {
        const std::string& name = out_.route->shape->facts[i].name;
        if (!text || text->empty()) return turn_away(Reason::bad_message, name + " is missing");
        for (const dsl::CaptureType type : out_.route->capture_types[i]) {
            if (!dsl::accepts(type, *text)) continue;
            out_.facts.values.push_back(dsl::capture_value(type, *text));
            return true;
        }
        return turn_away(Reason::bad_message, name + " is nothing that this route's address could hold");
    }

    // An old address works beyond its date, unless the route refuses it.
    bool check_alias() {
        constexpr int64_t day_ms = 86'400'000;
        if (!out_.alias || !out_.alias->until) return true;
        out_.expired_alias = now_.wall_ms / day_ms > *out_.alias->until;
        if (!out_.expired_alias || !out_.route->refuse_expired_alias) return true;
        turn_away(Reason::unknown_route, "this address is not in use any more");
        rejection_.rule = out_.alias->place;
        return false;
    }

    // Who is kept out is told so before anything more expensive is done for him: bans by address come before
    // the token is looked at, those that need a claim after it.
    bool check_bans() {
        if (!bans_) return true;
        for (const dsl::Ban& ban : out_.route->bans) {
            if ((ban.stage > dsl::Stage::arrival) != identified_) continue;
            const auto left = bans_->left(ban_key(out_.route->program, ban, request()), now_.steady_ms);
            if (!left) continue;
            rejection_ = banned_by(ban, *left);
            return false;
        }
        return true;
    }

    Shown shown() const {
        Shown out{{}, peer_.certificate};
        for (const uint32_t number : out_.route->auth) {
            const auto& sources = runtime_.policy->tokens[number].from;
            for (uint32_t source = 0; source < sources.size(); ++source) {
                if (sources[source].kind == From::certificate) {
                    if (peer_.certificate) out.credentials.push_back({number, source, {}});
                    continue;
                }
                auto text = find(sources[source]);
                if (text && !text->empty()) out.credentials.push_back({number, source, std::move(*text)});
            }
        }
        return out;
    }

    bool authenticate() {
        identified_ = true;
        if (out_.route->auth.empty()) return true;
        const Shown shown = this->shown();
        auto found = identify(runtime_, *out_.route, out_.route->auth, shown, answers(), now_);
        if (auto* who = std::get_if<Identified>(&found)) {
            out_.expires_ms = who->claims.expires_ms;
            out_.token = who->token + 1;
            out_.key = who->key;
            out_.user = who->user;
            out_.nameless = who->nameless;
            out_.shown = who->shown;
            put_claims(*out_.route, *who, out_.facts);
            if (kind_ == AdmissionKind::post) out_.who = std::make_shared<const Identified>(*who);
            who_ = std::move(*who);
            return true;
        }
        identified_ = false;
        if (auto* rejection = std::get_if<Rejection>(&found)) {
            rejection_ = std::move(*rejection);
            if (shown.credentials.empty()) {
                if (std::string why = why_no_token(); !why.empty()) rejection_.because = std::move(why);
            }
            return false;
        }
        // A message draws from no limit of connecting; but what makes a backend work is drawn like a
        // connection.
        if (kind_ == AdmissionKind::post && !resumed_ && !draw_connects(dsl::Stage::arrival)) return false;
        question_ = std::move(std::get<Credential>(found));
        return false;
    }

    bool enter_connection() {
        return (was_to_use() || draw_connects(dsl::Stage::identity)) && decide() && enter_limits() &&
               use_token();
    }

    const std::vector<AnsweredProof>& answers() const {
        static const std::vector<AnsweredProof> none;
        return resumed_ ? resumed_->answers : none;
    }

    // It has waited for the last step, and drawn what there is to be drawn.
    bool was_to_use() const {
        const auto& known = answers();
        return std::any_of(known.begin(), known.end(), [](const AnsweredProof& one) {
            return one.credential.use || one.credential.place;
        });
    }

    bool use_token() {
        if (!who_) return true;
        auto used = use_up(runtime_, *who_, answers(), now_);
        if (auto* why = std::get_if<Rejection>(&used)) rejection_ = std::move(*why);
        if (auto* question = std::get_if<Credential>(&used)) question_ = std::move(*question);
        return std::holds_alternative<std::monostate>(used);
    }

    dsl::Request request() const { return request_for(out_.facts, connection_); }

    // Who waited has drawn them already.
    bool draw_arrival() {
        return resumed_ || kind_ == AdmissionKind::post || draw_connects(dsl::Stage::arrival);
    }

    bool draw_connects(dsl::Stage stage) {
        for (const dsl::Limit& limit : out_.route->limits) {
            const bool early = limit.stage <= dsl::Stage::arrival;
            if (limit.meter != Meter::connects || early != (stage == dsl::Stage::arrival)) continue;
            if (auto rejection = draw(out_.route->program, limit, request(), limits_, now_)) {
                rejection_ = std::move(*rejection);
                return false;
            }
        }
        return true;
    }

    // What the rules say without knowing who it is. A network that is kept out is told so before a signature
    // is verified for it, or a backend asked.
    bool decide_early() {
        if (kind_ == AdmissionKind::api) return true;
        const dsl::Program& program = out_.route->program;
        const dsl::NodeId verdict =
            dsl::decide_at_arrival(program, program.roots[out_.route->connect], request());
        if (verdict == dsl::undecided || allows(*out_.route, verdict)) return true;
        out_.verdict = verdict;
        rejection_ = rejected_by(*out_.route, verdict);
        return false;
    }

    bool decide() {
        out_.answers = dsl::early_answers(out_.route->program, request());
        judged_ = true;
        if (kind_ == AdmissionKind::api) return true;
        Authorization judged = authorize_connect(*out_.route, request());
        out_.verdict = judged.verdict;
        if (judged.rejection) rejection_ = std::move(*judged.rejection);
        return judged.allowed();
    }

    // Taken when all else is settled: nobody loses a connection to one that is then refused.
    void note_seat(const dsl::Limit& limit) {
        const dsl::Program& program = out_.route->program;
        if (dsl::decide(program, program.nodes, program.roots[limit.condition], request()) == dsl::never)
            return;
        const auto most = std::get<int64_t>(dsl::fetch(program, limit.to, request()));
        out_.connection_slots.push_back({limit_key(program, limit, request()), most});
    }

    // The first that all nodes have not answered about is asked for; who is refused for another gives it
    // back.
    bool hold_place(const dsl::Limit& limit, const std::string& key) {
        for (const AnsweredProof& answer : answers()) {
            if (!answer.credential.place || answer.credential.place->key != key) continue;
            if (answer.proof.place) {
                out_.places.push_back(answer.proof.place);
                return true;
            }
            rejection_ = answer.proof.kind == Proof::Kind::refused
                             ? too_many(limit)
                             : Rejection::of(Reason::unavailable, std::string(answer.proof.because));
            return false;
        }
        const auto most = std::get<int64_t>(dsl::fetch(out_.route->program, limit.to, request()));
        question_ = Credential{};
        question_->place = PlaceWish{key, most};
        return false;
    }

    bool enter_limits() {
        for (const dsl::Limit& limit : out_.route->limits) {
            if (limit.meter != Meter::connections) continue;
            if (limit.replace_oldest) {
                if (kind_ != AdmissionKind::request) note_seat(limit);
                continue;
            }
            const size_t before = out_.entered.size();
            if (auto rejection = enter(out_.route->program, limit, request(), limits_, out_.entered)) {
                rejection_ = std::move(*rejection);
                return false;
            }
            if (limits_.counts_everywhere() && out_.entered.size() > before &&
                !hold_place(limit, out_.entered.back()))
                return false;
        }
        return true;
    }

    const Runtime& runtime_;
    AdmissionKind kind_;
    LimitTable& limits_;
    const BanTable* bans_;
    const Peer& peer_;
    const HttpHead& head_;
    const Upgrade& upgrade_;
    uint64_t connection_;
    Now now_;
    const Resumed* resumed_;
    std::optional<Identified> who_;
    std::optional<Credential> question_;
    dsl::RouteMatch match_;
    Admitted out_;
    Rejection rejection_;
    bool identified_ = false;
    bool judged_ = false;
    bool foreign_ = false;
};

}  // namespace

bool is_safe(std::string_view method) {
    return method == "GET" || method == "HEAD" || method == "OPTIONS";
}

Admission admit(const Runtime& runtime, LimitTable& limits, const BanTable* bans, const Peer& peer,
                const HttpHead& head, const Upgrade& upgrade, uint64_t connection, Now now,
                AdmissionKind kind, const Resumed* resumed) {
    return AdmissionCheck(runtime, limits, bans, peer, head, upgrade, connection, now, kind, resumed).pass();
}

std::optional<Rejection> draw(const dsl::Program& program, const dsl::Limit& limit,
                              const dsl::Request& request, LimitTable& limits, Now now, int64_t cost) {
    if (dsl::decide(program, program.nodes, program.roots[limit.condition], request) == dsl::never)
        return std::nullopt;
    const auto rate = std::get<dsl::Rate>(dsl::fetch(program, limit.to, request));
    const LimitAnswer answer = limits.take(limit_key(program, limit, request), rate.count, rate.period_ms,
                                           limit.burst.value_or(rate.count), now.steady_ms, cost);
    if (answer.pass) return std::nullopt;
    const char* too_fast =
        limit.meter == Meter::bytes ? "too many bytes in too short a time" : "too many in too short a time";
    return Rejection{Reason::limited, limit.because.empty() ? too_fast : limit.because, limit.place,
                     limit.then, answer.retry_after_ms};
}

std::optional<Rejection> enter(const dsl::Program& program, const dsl::Limit& limit,
                               const dsl::Request& request, LimitTable& limits,
                               std::vector<std::string>& entered) {
    if (dsl::decide(program, program.nodes, program.roots[limit.condition], request) == dsl::never)
        return std::nullopt;
    const auto most = std::get<int64_t>(dsl::fetch(program, limit.to, request));
    std::string key = limit_key(program, limit, request);
    if (limits.enter(key, most)) {
        entered.push_back(std::move(key));
        return std::nullopt;
    }
    return too_many(limit);
}

}  // namespace wayleave
