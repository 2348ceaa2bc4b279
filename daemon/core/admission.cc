#include "daemon/core/admission.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <optional>
#include <stdexcept>

#include "daemon/core/identify.h"
#include "daemon/core/json_value.h"

namespace wayleave {
namespace {

using From = dsl::ast::Source::Kind;
using dsl::ast::Meter;

// Subprotocols that the daemon itself speaks.
constexpr std::string_view native_protocol = "wayleave.v1";

// "Bearer TOKEN" (RFC 6750 2.1). Another scheme is no token for us.
std::optional<std::string> bearer(std::string_view value) {
    const size_t space = value.find(' ');
    if (space == std::string_view::npos || !same_ignoring_case(value.substr(0, space), "bearer"))
        return std::nullopt;
    return std::string(trim(value.substr(space + 1)));
}

// One handshake on its way through the door, step by step; each may turn it away.
class Doorway {
  public:
    Doorway(const Runtime& runtime, LimitTable& limits, const Peer& peer, const HttpHead& head,
            const Upgrade& upgrade, uint64_t connection, Now now, DoorKind kind, const Resumed* resumed)
        : runtime_(runtime),
          kind_(kind),
          limits_(limits),
          peer_(peer),
          head_(head),
          upgrade_(upgrade),
          connection_(connection),
          now_(now),
          resumed_(resumed) {}

    Admission pass() {
        if (!find_route() || !check_alias() || !check_origin() || !choose_protocol() || !read_facts() ||
            !draw_arrival() || !authenticate() || !draw_connects(dsl::Stage::identity) || !decide() ||
            !enter_limits() || !use_token()) {
            if (question_) return Waiting{std::move(*question_)};  // it has drawn and entered nothing yet
            for (const std::string& key : out_.entered) limits_.leave(key);
            return TurnedAway{out_.route, std::move(rejection_), std::move(out_.facts), judged_,
                              out_.verdict};
        }
        return std::move(out_);
    }

  private:
    bool turn_away(Reason reason, std::string because) {
        rejection_.reason = reason;
        rejection_.because = std::move(because);
        return false;
    }

    bool find_route() {
        out_.facts.host = host_name(head_.host);
        out_.facts.path = head_.path;
        const dsl::Policy& policy = *runtime_.policy;
        const bool api = kind_ == DoorKind::api;
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

    bool check_origin() {
        if (out_.route->origins.allow(upgrade_.origin, upgrade_.has_origin)) return true;
        return turn_away(Reason::forbidden, upgrade_.has_origin
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

    bool read_facts() {
        auto& values = out_.facts.values;
        values.reserve(out_.route->shape->facts.size());
        for (size_t i = 0; i < out_.route->captures; ++i) {
            if (!read_capture(i)) return false;
        }
        for (const dsl::InputDecl& input : out_.route->inputs) {
            const auto text = find(input.from);
            auto value = text ? text_value(*text, input.type) : std::nullopt;
            if (!value && input.required)
                return turn_away(
                    Reason::bad_message,
                    "the input " + input.name + (text ? " is no " + to_string(input.type) : " is missing"));
            values.push_back(value ? std::move(*value) : input.otherwise);
        }
        // Claims are read by nothing before they are known; the slots are there so that a reader could not
        // stray.
        values.resize(out_.route->shape->facts.size());
        return true;
    }

    // From the address, or as the alias says.
    bool read_capture(size_t i) {
        const dsl::FactShape::Fact& fact = out_.route->shape->facts[i];
        auto& values = out_.facts.values;
        const auto* bound = out_.alias ? &out_.alias->captures[i] : nullptr;
        if (!bound || bound->index() == 0) {
            values.push_back(dsl::capture_value(match_.types[i], match_.captures[i]));
            return true;
        }
        if (const auto* literal = std::get_if<dsl::Value>(bound)) {
            values.push_back(*literal);
            return true;
        }
        const auto text = find(std::get<dsl::TokenSource>(*bound));
        auto value = text && !text->empty() ? text_value(*text, fact.type) : std::nullopt;
        if (!value) {
            return turn_away(Reason::bad_message,
                             fact.name + (text ? " is no " + to_string(fact.type) : " is missing"));
        }
        values.push_back(std::move(*value));
        return true;
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

    std::vector<Credential> credentials() const {
        std::vector<Credential> out;
        for (const uint32_t number : out_.route->auth) {
            const auto& sources = runtime_.policy->tokens[number].from;
            for (uint32_t source = 0; source < sources.size(); ++source) {
                auto text = find(sources[source]);
                if (text && !text->empty()) out.push_back({number, source, std::move(*text)});
            }
        }
        return out;
    }

    bool authenticate() {
        if (out_.route->auth.empty()) return true;
        static const std::vector<AnsweredProof> none;
        auto found =
            identify(runtime_, *out_.route, credentials(), resumed_ ? resumed_->answers : none, now_);
        if (auto* who = std::get_if<Identified>(&found)) {
            out_.expires_ms = who->claims.expires_ms;
            out_.token = who->token + 1;
            out_.user = who->user;
            put_claims(*out_.route, *who, out_.facts);
            who_ = std::move(*who);
            return true;
        }
        if (auto* rejection = std::get_if<Rejection>(&found)) {
            rejection_ = std::move(*rejection);
        } else {
            question_ = std::move(std::get<Credential>(found));
        }
        return false;
    }

    bool use_token() {
        if (!who_) return true;
        auto rejection = use_up(runtime_, *who_, now_);
        if (rejection) rejection_ = std::move(*rejection);
        return !rejection;
    }

    dsl::Request request() const {
        dsl::Request request;
        request.facts = &out_.facts;
        request.connection = connection_;
        return request;
    }

    // Who waited has drawn them already.
    bool draw_arrival() { return resumed_ || draw_connects(dsl::Stage::arrival); }

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

    bool decide() {
        const dsl::Program& program = out_.route->program;
        out_.answers = dsl::early_answers(program, request());
        judged_ = true;
        if (kind_ == DoorKind::api) return true;
        out_.verdict = dsl::decide(program, program.nodes, program.roots[out_.route->connect], request());
        if (allows(*out_.route, out_.verdict)) return true;
        rejection_ = rejected_by(*out_.route, out_.verdict);
        return false;
    }

    bool enter_limits() {
        const dsl::Program& program = out_.route->program;
        for (const dsl::Limit& limit : out_.route->limits) {
            if (limit.meter != Meter::connections) continue;
            if (dsl::decide(program, program.nodes, program.roots[limit.condition], request()) == dsl::never)
                continue;
            const auto most = std::get<int64_t>(dsl::fetch(program, limit.to, request()));
            std::string key = limit_key(program, limit, request());
            if (limits_.enter(key, most)) {
                out_.entered.push_back(std::move(key));
                continue;
            }
            rejection_ = {Reason::limited, limit.because.empty() ? "too many connections" : limit.because,
                          limit.place, limit.then, 0};
            return false;
        }
        return true;
    }

    const Runtime& runtime_;
    DoorKind kind_;
    LimitTable& limits_;
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
    bool judged_ = false;
};

constexpr size_t longest_key_part = 32;

std::string digest(std::string_view text) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
    unsigned int size = 0;
    if (EVP_Digest(text.data(), text.size(), out.data(), &size, EVP_sha256(), nullptr) != 1) {
        throw std::runtime_error("OpenSSL offers no SHA-256");
    }
    return {out.begin(), out.begin() + size};
}

void append_part(std::string& key, const dsl::ValueView& value) {
    std::visit(
        [&](const auto& held) {
            using T = std::decay_t<decltype(held)>;
            const auto raw = [&](const auto& bytes) {
                key.append(reinterpret_cast<const char*>(&bytes), sizeof bytes);
            };
            if constexpr (std::is_same_v<T, std::string_view>) {
                raw(held.size());  // so that "a","bc" is not "ab","c"
                // The client chooses some of them: the table's memory is bounded by keys, so keys are small.
                key += held.size() <= longest_key_part ? std::string(held) : digest(held);
            } else if constexpr (std::is_same_v<T, dsl::Address>) {
                raw(held.bytes);
            } else if constexpr (std::is_same_v<T, dsl::Net>) {
                raw(held.address.bytes);
                raw(held.bits);
            } else if constexpr (std::is_same_v<T, dsl::Rate>) {
                raw(held.count);
                raw(held.period_ms);
            } else if constexpr (!std::is_pointer_v<T>) {
                raw(held);
            }
        },
        value);
}

}  // namespace

std::string host_name(std::string_view host) {
    const size_t bracket = host.rfind(']');
    const size_t colon = host.rfind(':');
    if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket))
        host = host.substr(0, colon);
    std::string out(host);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return out;
}

Admission admit(const Runtime& runtime, LimitTable& limits, const Peer& peer, const HttpHead& head,
                const Upgrade& upgrade, uint64_t connection, Now now, DoorKind kind, const Resumed* resumed) {
    return Doorway(runtime, limits, peer, head, upgrade, connection, now, kind, resumed).pass();
}

std::string limit_key(const dsl::Program& program, const dsl::Limit& limit, const dsl::Request& request) {
    std::string key(reinterpret_cast<const char*>(&limit.identity), sizeof limit.identity);
    for (const dsl::Operand& part : limit.per) append_part(key, dsl::fetch(program, part, request));
    return key;
}

std::optional<Rejection> draw(const dsl::Program& program, const dsl::Limit& limit,
                              const dsl::Request& request, LimitTable& limits, Now now) {
    if (dsl::decide(program, program.nodes, program.roots[limit.condition], request) == dsl::never)
        return std::nullopt;
    const auto rate = std::get<dsl::Rate>(dsl::fetch(program, limit.to, request));
    const LimitAnswer answer = limits.take(limit_key(program, limit, request), rate.count, rate.period_ms,
                                           limit.burst.value_or(rate.count), now.steady_ms);
    if (answer.pass) return std::nullopt;
    return Rejection{Reason::limited, limit.because.empty() ? "too many in too short a time" : limit.because,
                     limit.place, limit.then, answer.retry_after_ms};
}

}  // namespace wayleave
