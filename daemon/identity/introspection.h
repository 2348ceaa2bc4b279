// `check = backend "/path"`: a backend that says who an opaque cookie or header belongs to. Its answers are
// believed for a while; the same question is asked once at a time, however many clients wait for it.
// Questions about those who are connected already (`recheck`) take at most half of what the backend does at
// one time: who wants to come in does not wait behind them. Belongs to one token block of one policy: a
// reload begins anew. Thread-safe and bounded.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "daemon/decision/proof.h"
#include "daemon/decision/runtime.h"
#include "daemon/message/backend.h"

namespace wayleave {

// Of all token blocks together. They outlast reloads.
struct CheckCounters {
    std::atomic<uint64_t> asked{0};   // requests to backends
    std::atomic<uint64_t> cached{0};  // answered without one
    std::atomic<uint64_t> shared{0};  // waited for another's
    std::atomic<uint64_t> yes{0};
    std::atomic<uint64_t> no{0};
    std::atomic<uint64_t> unavailable{0};  // neither: nobody comes in
};

struct IntrospectionBounds {
    size_t entries = 65'536;
    size_t bytes = size_t{32} << 20U;  // of answers
    size_t questions = 8192;           // at one time
    size_t waiting = 65'536;           // of `recheck`, for their turn
};

class Introspection : public std::enable_shared_from_this<Introspection> {
  public:
    using Done = std::function<void(Proof)>;
    struct Parts {
        std::shared_ptr<const Backend> backend;
        std::string path;
        int64_t cache_ms = 0;
        Backends& backends;  // borrowed
        std::shared_ptr<CheckCounters> counters;
    };

    static std::shared_ptr<Introspection> create(Parts parts, IntrospectionBounds bounds = {});

    // `header` is the line that is handed on: "Cookie: sid=…". What is known, or pending.
    [[nodiscard]] Proof look_up(std::string_view header, Now now);
    // Again, whatever is believed, where the asking says since when: sessions of one credential are due at
    // one time and share an answer.
    void ask(const std::string& header, const TokenVerifier::Asking& asking, Now now, Done done);

    [[nodiscard]] size_t size() const;

  private:
    using Key = std::array<unsigned char, 32>;
    struct Entry {
        Proof proof;
        int64_t asked_ms = 0;     // steady time
        int64_t believed_ms = 0;  // until then, likewise
        int64_t until_ms = 0;     // and then it is forgotten
    };
    struct Question {
        std::string header = {};  // of one that waits for its turn; else empty
        std::string traceparent = {};
        int64_t asked_ms = 0;
        bool again = false;  // it has a place among those of `recheck`
        std::vector<Done> waiting = {};
    };
    Introspection(Parts parts, IntrospectionBounds bounds) : parts_(std::move(parts)), bounds_(bounds) {}

    [[nodiscard]] static Key key_of(std::string_view header);
    [[nodiscard]] Proof find(const Key& key, Now now) const;
    void ask_first(const std::string& header, const std::string& traceparent, Now now, Done done);
    void ask_again(const std::string& header, const TokenVerifier::Asking& asking, Now now, Done done);
    void send(const Key& key, const std::string& header, const std::string& traceparent);
    void send_waiting(Now now);
    void keep(const Key& key, Entry entry, Now now);
    void forget(const Key& key);
    void arrived(const Key& key, const BackendAnswer& answer, Now now);
    [[nodiscard]] Proof read(const BackendAnswer& answer) const;

    const Parts parts_;
    const IntrospectionBounds bounds_;
    mutable std::mutex mutex_;
    absl::flat_hash_map<Key, Entry> entries_;
    size_t bytes_ = 0;
    int64_t cleaned_ms_ = INT64_MIN;
    absl::flat_hash_map<Key, Question> questions_;  // on their way, or waiting for their turn
    std::deque<Key> turns_;                         // of those that wait; some may have been asked since
    size_t waiting_ = 0;                            // questions that are not sent yet
    size_t again_ = 0;                              // questions of `recheck` that are on their way
    bool sending_ = false;                          // somebody is in send_waiting()
};

}  // namespace wayleave
