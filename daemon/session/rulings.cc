#include "daemon/session/rulings.h"

#include <algorithm>
#include <utility>

#include "daemon/base/json_writer.h"
#include "daemon/decision/envelope.h"
#include "daemon/protocol/traceparent.h"
#include "daemon/session/native.h"

namespace wayleave {
namespace {

// An answer takes a hundred bytes, whatever was asked.
constexpr size_t most_believed = 20'000;
constexpr size_t most_rulings = 4096;

}  // namespace

std::optional<int64_t> Rulings::believed(const RulingKey& key, Now now) {
    const auto it = believed_.find(key);
    if (it == believed_.end() || it->second <= now.steady_ms) return std::nullopt;
    counters_.rulings_believed.add();
    return it->second;
}

std::optional<Rejection> Rulings::ask(const Session& session, const RulingQuestion& question, Now now) {
    if (const auto known = numbers_.find(question.key); known != numbers_.end()) {
        auto& waiting = running_.at(known->second).waiting;
        if (std::find(waiting.begin(), waiting.end(), session.id) == waiting.end())
            waiting.push_back(session.id);
        counters_.rulings_shared.add();
        return std::nullopt;
    }
    if (running_.size() >= most_rulings)
        return Rejection::of(Reason::unavailable, "too many questions wait for the servers behind this one",
                             question.rule);
    const Binding& binding = *session.binding;
    const uint64_t number = ++calls_ | question_bit;
    BackendCall call{number, binding.runtime, {}};
    call.request.backend = binding.runtime->backends.at(question.backend->to.backend);
    write(session, question, call.request, now);
    running_.emplace(number, Running{question.key, question.backend->name, question.rule, {session.id}});
    numbers_.emplace(question.key, number);
    counters_.rulings.add();
    out_.push_back(std::move(call));
    return std::nullopt;
}

void Rulings::write(const Session& session, const RulingQuestion& question, BackendRequest& request,
                    Now now) {
    request.id = "ask_" + name_ + "-" + std::to_string(calls_);
    request.method = "POST";
    request.path = question.path;
    request.headers = {"Content-Type: application/json", "Accept: application/json, application/problem+json",
                       "traceparent: " + traceparent(session.trace.get(), random_)};
    const std::string number = session_text(session.number);
    const EnvelopeOf of{"subscribe",   request.id, now.wall_ms, *session.binding->route,
                        session.facts, number,     {},          session.shown_user()};
    JsonObject asked;
    asked.add("channel", question.channel);
    if (request.backend->body == BackendBody::message) {
        request.body = asked.text();
        request.identity = identity_members(of);
    } else {
        const std::string text = asked.text();
        request.body = envelope(of, text.substr(1, text.size() - 2));
    }
}

std::optional<Ruled> Rulings::answered(uint64_t call, const BackendAnswer& answer, Now now) {
    const auto it = running_.find(call);
    if (it == running_.end()) return std::nullopt;
    Running question = std::move(it->second);
    running_.erase(it);
    numbers_.erase(question.key);
    Ruled out{question.key, read_ruling(answer), 0, std::move(question.waiting)};
    switch (out.ruling.kind) {
        case BackendRuling::Kind::yes:
            out.until_ms = now.steady_ms + out.ruling.believed_ms;
            if (out.ruling.believed_ms > 0) believe(out.key, out.until_ms);
            break;
        case BackendRuling::Kind::no:
            counters_.rulings_no.add();
            believed_.erase(out.key);  // whatever it has said before
            break;
        case BackendRuling::Kind::unavailable: tell_failed(question, out.ruling.because, now); break;
    }
    return out;
}

// The oldest go first.
void Rulings::believe(const RulingKey& key, int64_t until_ms) {
    if (believed_.insert_or_assign(key, until_ms).second) oldest_.push_back(key);
    while (oldest_.size() > most_believed) {
        believed_.erase(oldest_.front());
        oldest_.pop_front();
    }
    counters_.ruling_memory.set(believed_.size());
}

void Rulings::forget() {
    believed_.clear();
    oldest_.clear();
    counters_.ruling_memory.set(0);
}

void Rulings::tell_failed(const Running& question, const std::string& why, Now now) {
    counters_.rulings_failed.add();
    Event event{"ruling-failed",
                "the backend " + question.backend + " did not say who may subscribe: " + why};
    event.severity = Severity::warning;
    event.with("action", "subscribe")
        .with("reason", to_string(Reason::unavailable))
        .with("decision", decision_id(bindings_.policy(), question.rule))
        .with("rule", question.rule);
    log_.tell(std::move(event), question.backend, why, now);
}

}  // namespace wayleave
