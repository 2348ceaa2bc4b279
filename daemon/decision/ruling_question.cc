#include "daemon/decision/ruling_question.h"

#include <openssl/evp.h>

#include <stdexcept>

#include "daemon/base/json_writer.h"
#include "daemon/decision/envelope.h"
#include "dsl/text/text.h"

namespace wayleave {
namespace {

RulingKey digest(const std::string& text) {
    RulingKey out;
    unsigned int size = 0;
    if (EVP_Digest(text.data(), text.size(), out.data(), &size, EVP_sha256(), nullptr) != 1 ||
        size != out.size())
        throw std::runtime_error("OpenSSL offers no SHA-256");
    return out;
}

RulingKey key_of(const RulingOf& of, const RulingQuestion& question) {
    // A session tells apart those who have no name.
    const std::string session = of.user.empty() ? dsl::hex_text(of.session) : std::string();
    const EnvelopeOf told{"subscribe", "", 0, of.route, of.facts, session, {}, of.user};
    std::string more = "\"backend\":";
    append_json(more, question.backend->name);
    more += ",\"path\":";
    append_json(more, question.path);
    more += ",\"channel\":";
    append_json(more, question.channel);
    return digest(envelope(told, more));
}

}  // namespace

Result<RulingQuestion, Rejection> ruling_question(const RulingOf& of, const dsl::Request& request,
                                                  dsl::NodeId verdict) {
    const Rejection rule = rejected_by(of.route, verdict);
    RulingQuestion out;
    out.backend = asked_backend(of.route, verdict);
    out.rule = rule.rule;
    out.because = rule.because;
    out.channel = request.channel->text;
    if (!dsl::build_path(of.route.program, out.backend->to, request, out.path))
        return failure(Rejection::of(
            Reason::forbidden, "a part of this channel cannot be part of the path of a request", rule.rule));
    out.key = key_of(of, out);
    return out;
}

Rejection ruled_out(const RulingQuestion& question, const BackendRuling& ruling) {
    if (ruling.kind == BackendRuling::Kind::unavailable)
        return Rejection::of(Reason::unavailable, "the server behind this one does not answer as it should",
                             question.rule);
    std::string because = !ruling.because.empty()     ? ruling.because
                          : !question.because.empty() ? question.because
                                                      : "the application does not allow this";
    Rejection out = Rejection::of(Reason::forbidden, std::move(because), question.rule);
    if (!ruling.error.empty()) out.then = dsl::Outcome{dsl::OutcomeKind::error, 0, ruling.error};
    return out;
}

}  // namespace wayleave
