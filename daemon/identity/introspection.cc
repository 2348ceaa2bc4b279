#include "daemon/identity/introspection.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <simdjson.h>

#include <stdexcept>

#include "daemon/base/json_text.h"
#include "dsl/text/text.h"

namespace wayleave {
namespace {

constexpr int64_t no_ms = 1000;  // how long a no is believed
constexpr int64_t cleaning_ms = 1000;
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
    if (it == entries_.end() || it->second.until_ms <= now.steady_ms) return Proof::pending();
    parts_.counters->cached.fetch_add(1, std::memory_order_relaxed);
    return it->second.proof;
}

Proof Introspection::look_up(std::string_view header, Now now) {
    const Key key = key_of(header);
    const std::lock_guard lock(mutex_);
    return find(key, now);
}

void Introspection::ask(const std::string& header, Now now, Done done) {
    const Key key = key_of(header);
    Proof known;
    bool first = false;
    {
        const std::lock_guard lock(mutex_);
        known = find(key, now);  // it may have come meanwhile
        const auto it = questions_.find(key);
        if (known.kind == Proof::Kind::pending && it != questions_.end()) {
            parts_.counters->shared.fetch_add(1, std::memory_order_relaxed);
            it->second.push_back(std::move(done));  // no more than there are sockets
            return;
        }
        if (known.kind == Proof::Kind::pending && questions_.size() >= bounds_.questions) {
            known = Proof::unavailable("too many tokens wait for the backend");
            parts_.counters->unavailable.fetch_add(1, std::memory_order_relaxed);
        }
        first = known.kind == Proof::Kind::pending;
        if (first) questions_[key].push_back(std::move(done));
    }
    if (!first) return done(std::move(known));
    parts_.counters->asked.fetch_add(1, std::memory_order_relaxed);
    BackendRequest request;
    request.backend = parts_.backend;
    request.id = new_id();
    request.path = parts_.path;
    request.headers = {"Accept: application/json", header};
    parts_.backends.send(std::move(request),
                         [self = shared_from_this(), key](const BackendAnswer& answer, Now then) {
                             self->arrived(key, answer, then);
                         });
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
    std::vector<Done> waiting;
    {
        const std::lock_guard lock(mutex_);
        if (keep_ms > 0) keep(key, proof, now.steady_ms + keep_ms, now);
        const auto it = questions_.find(key);
        if (it != questions_.end()) {
            waiting = std::move(it->second);
            questions_.erase(it);
        }
    }
    for (const Done& done : waiting) done(proof);
}

// The next three with the mutex held. When it is full, answers are not kept: clients cost a request then.
void Introspection::keep(const Key& key, const Proof& proof, int64_t until_ms, Now now) {
    forget(key);
    const auto fits = [&] {
        return entries_.size() < bounds_.entries && bytes_ + proof.payload.size() <= bounds_.bytes;
    };
    if (!fits() && (cleaned_ms_ == INT64_MIN || now.steady_ms - cleaned_ms_ >= cleaning_ms)) {
        cleaned_ms_ = now.steady_ms;
        absl::erase_if(entries_, [&](const auto& item) {
            const bool old = item.second.until_ms <= now.steady_ms;
            if (old) bytes_ -= item.second.proof.payload.size();
            return old;
        });
    }
    if (!fits()) return;
    entries_.emplace(key, Entry{proof, until_ms});
    bytes_ += proof.payload.size();
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
