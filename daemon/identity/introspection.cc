#include "daemon/identity/introspection.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <simdjson.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "daemon/base/json_text.h"
#include "dsl/text/text.h"

namespace wayleave {
namespace {

constexpr int64_t no_ms = 1000;  // how long a no is believed
constexpr int64_t cleaning_ms = 1000;
// How long sessions of one credential can share an answer: they are due at one time, but each worker looks at
// its own some moments earlier or later.
constexpr int64_t shared_ms = 2000;
constexpr std::string_view silent = "the backend that knows this token does not answer";

// Only the backend's log needs to tell one question from another.
std::string new_id() {
    std::array<unsigned char, 16> bytes{};
    if (RAND_bytes(bytes.data(), bytes.size()) != 1)
        throw std::runtime_error("OpenSSL has no random numbers");
    return "check_" + dsl::hex_text({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

bool is_object(const std::string& body) {
    thread_local simdjson::dom::parser parser;
    simdjson::dom::element root;
    return parse_json(parser, body, root) == simdjson::SUCCESS && root.is_object();
}

}  // namespace

std::shared_ptr<Introspection> Introspection::create(Parts parts, IntrospectionBounds bounds) {
    return std::shared_ptr<Introspection>(new Introspection(std::move(parts), bounds));
}

Introspection::Key Introspection::key_of(std::string_view header) {
    Key key{};
    unsigned int size = 0;
    if (EVP_Digest(header.data(), header.size(), key.data(), &size, EVP_sha256(), nullptr) != 1)
        throw std::runtime_error("OpenSSL offers no SHA-256");
    return key;
}

// With the mutex held.
Proof Introspection::find(const Key& key, Now now) const {
    const auto it = entries_.find(key);
    if (it == entries_.end() || it->second.believed_ms <= now.steady_ms) return Proof::pending();
    parts_.counters->cached.fetch_add(1, std::memory_order_relaxed);
    return it->second.proof;
}

Proof Introspection::look_up(std::string_view header, Now now) {
    const Key key = key_of(header);
    const std::lock_guard lock(mutex_);
    return find(key, now);
}

void Introspection::ask(const std::string& header, const TokenVerifier::Asking& asking, Now now, Done done) {
    if (asking.since_ms) return ask_again(header, asking, now, std::move(done));
    ask_first(header, asking.traceparent, now, std::move(done));
}

void Introspection::ask_first(const std::string& header, const std::string& traceparent, Now now, Done done) {
    const Key key = key_of(header);
    Proof known;
    bool first = false;
    {
        const std::lock_guard lock(mutex_);
        known = find(key, now);  // it may have come meanwhile
        const auto it = questions_.find(key);
        if (known.kind == Proof::Kind::pending && it != questions_.end()) {
            parts_.counters->shared.fetch_add(1, std::memory_order_relaxed);
            it->second.waiting.push_back(std::move(done));  // no more than there are sockets
            if (it->second.header.empty()) return;
            // It waits as one of `recheck`; who wants to come in does not.
            it->second.header.clear();
            --waiting_;
            first = true;
        } else if (known.kind == Proof::Kind::pending && questions_.size() - waiting_ >= bounds_.questions) {
            known = Proof::unavailable("too many tokens wait for the backend");
            parts_.counters->unavailable.fetch_add(1, std::memory_order_relaxed);
        } else if (known.kind == Proof::Kind::pending) {
            first = true;
            questions_[key].waiting.push_back(std::move(done));
        }
        if (first) questions_[key].asked_ms = now.steady_ms;
    }
    if (!first) return done(std::move(known));
    send(key, header, traceparent);
}

void Introspection::ask_again(const std::string& header, const TokenVerifier::Asking& asking, Now now,
                              Done done) {
    const Key key = key_of(header);
    Proof known = Proof::pending();
    {
        const std::lock_guard lock(mutex_);
        const auto entry = entries_.find(key);
        const auto it = questions_.find(key);
        if (entry != entries_.end() && entry->second.asked_ms >= *asking.since_ms) {
            parts_.counters->shared.fetch_add(1, std::memory_order_relaxed);
            known = entry->second.proof;
        } else if (it != questions_.end()) {
            parts_.counters->shared.fetch_add(1, std::memory_order_relaxed);
            it->second.waiting.push_back(std::move(done));
        } else if (waiting_ >= bounds_.waiting) {
            known = Proof::unavailable("too many tokens wait for the backend");
            parts_.counters->unavailable.fetch_add(1, std::memory_order_relaxed);
        } else {
            Question& question = questions_[key];
            question.header = header;
            question.traceparent = asking.traceparent;
            question.waiting.push_back(std::move(done));
            turns_.push_back(key);
            ++waiting_;
        }
    }
    if (known.kind != Proof::Kind::pending) return done(std::move(known));
    send_waiting(now);
}

void Introspection::send(const Key& key, const std::string& header, const std::string& traceparent) {
    parts_.counters->asked.fetch_add(1, std::memory_order_relaxed);
    BackendRequest request;
    request.question = true;
    request.backend = parts_.backend;
    request.id = new_id();
    request.path = parts_.path;
    request.headers = {"Accept: application/json", header};
    if (!traceparent.empty()) request.headers.push_back("traceparent: " + traceparent);
    parts_.backends.send(std::move(request),
                         [self = shared_from_this(), key](const BackendAnswer& answer, Now then) {
                             self->arrived(key, answer, then);
                         });
}

// An answer may come before send() returns, and be here again: the first who is here goes on.
void Introspection::send_waiting(Now now) {
    const size_t most = (size_t{parts_.backend->concurrency} + 1) / 2;
    std::unique_lock lock(mutex_);
    if (std::exchange(sending_, true)) return;
    while (again_ < most && !turns_.empty()) {
        const Key key = turns_.front();
        turns_.pop_front();
        const auto it = questions_.find(key);
        if (it == questions_.end() || it->second.header.empty()) continue;
        const std::string header = std::exchange(it->second.header, {});
        const std::string traceparent = std::exchange(it->second.traceparent, {});
        it->second.asked_ms = now.steady_ms;
        it->second.again = true;
        --waiting_;
        ++again_;
        lock.unlock();
        send(key, header, traceparent);
        lock.lock();
    }
    sending_ = false;
}

Proof Introspection::read(const BackendAnswer& answer) const {
    CheckCounters& counters = *parts_.counters;
    const bool answered = answer.kind == BackendAnswer::Kind::answered;
    if (answered && answer.status == 200 && is_object(answer.body)) {
        counters.yes.fetch_add(1, std::memory_order_relaxed);
        return Proof::good(answer.body);
    }
    if (answered && (answer.status == 401 || answer.status == 403)) {
        counters.no.fetch_add(1, std::memory_order_relaxed);
        return Proof::refused("the backend does not know this token");
    }
    counters.unavailable.fetch_add(1, std::memory_order_relaxed);
    return Proof::unavailable(silent);
}

void Introspection::arrived(const Key& key, const BackendAnswer& answer, Now now) {
    const Proof proof = read(answer);
    const int64_t keep_ms = proof.kind == Proof::Kind::good      ? parts_.cache_ms
                            : proof.kind == Proof::Kind::refused ? no_ms
                                                                 : 0;
    Question question;
    {
        const std::lock_guard lock(mutex_);
        const auto it = questions_.find(key);
        if (it != questions_.end()) {
            question = std::move(it->second);
            questions_.erase(it);
        }
        if (question.again) --again_;
        const int64_t believed_ms = now.steady_ms + keep_ms;
        const bool shares = question.again && proof.kind != Proof::Kind::unavailable;
        const int64_t until_ms = shares ? std::max(believed_ms, now.steady_ms + shared_ms) : believed_ms;
        if (until_ms > now.steady_ms) keep(key, {proof, question.asked_ms, believed_ms, until_ms}, now);
    }
    for (const Done& done : question.waiting) done(proof);
    send_waiting(now);
}

// The next three with the mutex held. When it is full, answers are not kept: clients cost a request then.
void Introspection::keep(const Key& key, Entry entry, Now now) {
    forget(key);
    const size_t bytes = entry.proof.payload.size();
    const auto fits = [&] { return entries_.size() < bounds_.entries && bytes_ + bytes <= bounds_.bytes; };
    if (!fits() && (cleaned_ms_ == INT64_MIN || now.steady_ms - cleaned_ms_ >= cleaning_ms)) {
        cleaned_ms_ = now.steady_ms;
        absl::erase_if(entries_, [&](const auto& item) {
            const bool old = item.second.until_ms <= now.steady_ms;
            if (old) bytes_ -= item.second.proof.payload.size();
            return old;
        });
    }
    if (!fits()) return;
    entries_.emplace(key, std::move(entry));
    bytes_ += bytes;
}

void Introspection::forget(const Key& key) {
    const auto it = entries_.find(key);
    if (it == entries_.end()) return;
    bytes_ -= it->second.proof.payload.size();
    entries_.erase(it);
}

size_t Introspection::size() const {
    const std::lock_guard lock(mutex_);
    return entries_.size();
}

}  // namespace wayleave
