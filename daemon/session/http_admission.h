// Whether who asks over HTTP may come in, and what it is told if not. One thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "daemon/decision/admission.h"
#include "daemon/protocol/forwarded.h"
#include "daemon/session/credential_questions.h"
#include "daemon/session/outbox.h"
#include "daemon/session/shadow_comparison.h"

namespace wayleave {

// Of a request with a body.
struct BodyRefusal {
    int status = 0;
    const char* because = nullptr;
};
// What its head may not say: an expectation that nobody meets, or no length.
[[nodiscard]] std::optional<BodyRefusal> check_body_head(const HttpHead& head, bool needs_length);
// The type of its body without the parameters.
[[nodiscard]] std::string_view media_type_of(const HttpHead& head);
// It sends the body when it is told to.
[[nodiscard]] bool waits_for_continue(const Session& session, const HttpHead& head);

class HttpAdmission {
  public:
    // Who asks: a proxy's connection carries the requests of many, so he is found for each.
    struct Asking {
        Peer client;
        Upgrade upgrade;
    };
    [[nodiscard]] Asking asking_of(const Session& session, const HttpHead& head, Now now);
    HttpAdmission(const Bindings& bindings, LimitTable& limits, BanTable& bans,
                  CredentialQuestions& questions, BanCounter& ban_counter, ShadowComparison& shadow,
                  ConnectionLog& log, Outbox& outbox, Counters& counters);

    // As whom it comes in; nothing: it is answered, or waits.
    [[nodiscard]] std::optional<Admitted> admit_connection(Session& session, const Peer& client,
                                                           const HttpHead& head, const Upgrade& upgrade,
                                                           AdmissionKind kind, const std::string& headers,
                                                           Now now);
    // Who is behind the proxies.
    [[nodiscard]] Origination client_of(const Peer& peer, const HttpHead& head, Now now);
    // Counts a request that is no handshake, tells of it, and answers with it. Without a head nothing has
    // matched, or it is not known any more.
    void refuse_request(Session& session, int status, Rejection rejection, std::string_view headers, Now now);
    void refuse_request(Session& session, const HttpHead& head, int status, const Rejection& rejection,
                        std::string_view headers, Now now);

    // What a browser needs to show the answer to a page of another origin (Fetch 3.2); empty where it may
    // not.
    [[nodiscard]] std::string cors_headers(const dsl::Route& route, std::string_view origin,
                                           std::string_view host) const;

  private:
    void turn_away(Session& session, const HttpHead& head, TurnedAway turned, const std::string& headers,
                   Now now);

    const Bindings& bindings_;
    LimitTable& limits_;
    BanTable& bans_;
    CredentialQuestions& questions_;
    BanCounter& ban_counter_;
    ShadowComparison& shadow_;
    ConnectionLog& log_;
    Outbox& outbox_;
    Counters& counters_;
};

}  // namespace wayleave
