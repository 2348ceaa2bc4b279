#include "daemon/session/http_admission.h"

#include <algorithm>
#include <utility>

namespace wayleave {

std::optional<BodyRefusal> check_body_head(const HttpHead& head, bool needs_length) {
    if (head.count("expect") > 0 && !same_ignoring_case(head.field("expect"), "100-continue"))
        return BodyRefusal{417, "the only expectation that is met is 100-continue"};
    if (needs_length && !head.chunked && !head.content_length)
        return BodyRefusal{411, "Content-Length is missing"};
    return std::nullopt;
}

std::string_view media_type_of(const HttpHead& head) {
    const std::string_view value = head.field("content-type");
    return trim(value.substr(0, value.find(';')));
}

bool waits_for_continue(const Session& session, const HttpHead& head) {
    return head.count("expect") > 0 && !head.http10 && session.handshaking->bytes.size() == head.size;
}

HttpAdmission::HttpAdmission(const Bindings& bindings, LimitTable& limits, BanTable& bans,
                             CredentialQuestions& questions, BanCounter& ban_counter,
                             ShadowComparison& shadow, ConnectionLog& log, Outbox& outbox, Counters& counters)
    : bindings_(bindings),
      limits_(limits),
      bans_(bans),
      questions_(questions),
      ban_counter_(ban_counter),
      shadow_(shadow),
      log_(log),
      outbox_(outbox),
      counters_(counters) {}

std::optional<Admitted> HttpAdmission::admit_connection(Session& session, const Peer& client,
                                                        const HttpHead& head, const Upgrade& upgrade,
                                                        AdmissionKind kind, const std::string& headers,
                                                        Now now) {
    std::optional<Resumed> resumed;
    if (session.awaiting) resumed.emplace(Resumed{std::move(session.awaiting->answers)});
    Admission admission = admit(bindings_.runtime(), limits_, &bans_, client, head, upgrade, session.number,
                                now, kind, resumed ? &*resumed : nullptr);
    if (auto* waiting = std::get_if<Waiting>(&admission)) {
        if (!session.awaiting) session.awaiting = std::make_unique<Awaiting>();
        if (resumed) session.awaiting->answers = std::move(resumed->answers);
        questions_.ask(session.id, *session.awaiting, std::move(waiting->question),
                       waiting->trace ? &*waiting->trace : nullptr);
        return std::nullopt;
    }
    session.awaiting.reset();
    if (auto* turned = std::get_if<TurnedAway>(&admission)) {
        if (turned->judged) shadow_.connect(session, *turned->route, turned->facts, turned->verdict, now);
        turn_away(session, head, std::move(*turned), headers, now);
        return std::nullopt;
    }
    return std::move(std::get<Admitted>(admission));
}

void HttpAdmission::turn_away(Session& session, const HttpHead& head, TurnedAway turned,
                              const std::string& headers, Now now) {
    Rejection& rejection = turned.rejection;
    log_.refused(&bindings_.policy(), turned.route, rejection);
    log_.tell_turned_away(session, head, turned, now);
    if (turned.route && !turned.foreign) {
        dsl::Request request;
        request.facts = &turned.facts;
        request.connection = session.number;
        (void)ban_counter_.count_refusal(bindings_.policy(), *turned.route, request,
                                         {turned.identified, turned.user, turned.nameless}, rejection.reason,
                                         now);
    }
    const dsl::Outcome outcome = outcome_of(turned.route, rejection, dsl::Phase::handshake);
    if (outcome.kind == dsl::OutcomeKind::drop) return outbox_.abort(session);
    const bool named = outcome.kind == dsl::OutcomeKind::error && !outcome.name.empty();
    const int status =
        outcome.kind == dsl::OutcomeKind::status ? outcome.code : default_status(rejection.reason);
    outbox_.send_last(
        session,
        problem_response(status, named ? std::string_view(outcome.name) : to_string(rejection.reason),
                         rejection, turned.route && turned.route->detail, headers));
}

Origination HttpAdmission::client_of(const Peer& peer, const HttpHead& head, Now now) {
    const Origination client =
        client_behind({peer.ip, peer.tls, peer.unix_socket}, head, bindings_.settings().proxies);
    if (client.unknown) {
        counters_.unknown_clients.add();
        log_.tell_of_unknown_client(peer, head, now);
    }
    return client;
}

void HttpAdmission::refuse_request(Session& session, int status, Rejection rejection,
                                   std::string_view headers, Now now) {
    counters_.refuse(rejection.reason);
    const auto* post = session.post.get();
    log_.tell_of_request(post ? post->client : session.peer.ip, {}, post ? post->path : std::string(),
                         rejection, now);
    outbox_.send_last(session,
                      problem_response(status, to_string(rejection.reason), rejection, false, headers));
}

void HttpAdmission::refuse_request(Session& session, const HttpHead& head, int status,
                                   const Rejection& rejection, std::string_view headers, Now now) {
    counters_.refuse(rejection.reason);
    log_.tell_of_request(session, head, rejection, now);
    outbox_.send_last(session,
                      problem_response(status, to_string(rejection.reason), rejection, false, headers));
}

std::string HttpAdmission::cors_headers(const dsl::Route& route, std::string_view origin,
                                        std::string_view host) const {
    if (origin.empty() || !route.origins.allow(origin, true, host)) return {};
    const bool cookies = std::any_of(route.auth.begin(), route.auth.end(), [&](uint32_t token) {
        const auto& from = bindings_.policy().tokens[token].from;
        return std::any_of(from.begin(), from.end(), [](const dsl::TokenSource& source) {
            return source.kind == dsl::SourceKind::cookie;
        });
    });
    std::string out = "Access-Control-Allow-Origin: " + std::string(origin) + "\r\nVary: Origin\r\n";
    if (cookies) out += "Access-Control-Allow-Credentials: true\r\n";
    return out;
}

HttpAdmission::Asking HttpAdmission::asking_of(const Session& session, const HttpHead& head, Now now) {
    Asking out{session.peer, {}};
    const Origination behind = client_of(out.client, head, now);
    out.client.ip = behind.ip;
    out.client.tls = behind.tls;
    out.upgrade.origin = head.field("origin");
    out.upgrade.has_origin = head.count("origin") > 0;
    return out;
}

}  // namespace wayleave
