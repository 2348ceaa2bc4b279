#include "daemon/identity/remote_keys.h"

#include <algorithm>
#include <atomic>

namespace wayleave {
namespace {

constexpr int64_t minute_ms = 60'000;
constexpr int64_t fetch_timeout_ms = 5000;
constexpr int64_t usual_age_ms = 5 * minute_ms;  // without Cache-Control
constexpr int64_t least_age_ms = minute_ms;
constexpr int64_t most_age_ms = 24 * 60 * minute_ms;
constexpr int64_t first_retry_ms = 5000;  // while there is no set at all
constexpr int64_t retry_ms = minute_ms;
constexpr size_t most_waiting = 65'536;

uint64_t next_number() {
    static std::atomic<uint64_t> last{0};  // of all sets: a number never means another set
    return ++last;
}

std::shared_ptr<const Backend> backend_of(std::string url) {
    Backend backend;
    backend.name = "keys " + url;
    backend.url = std::move(url);
    backend.timeout_ms = fetch_timeout_ms;
    backend.retries = 0;
    backend.concurrency = 1;
    backend.break_after = UINT32_MAX;  // it is asked seldom enough
    return std::make_shared<const Backend>(std::move(backend));
}

// A line of a log holds some of them; the set is there for who wants to see all.
std::string words_about(std::span<const KeyError> left_out) {
    constexpr size_t most_named = 5;
    if (left_out.empty()) return {};
    std::string out = ", and " + std::to_string(left_out.size()) + " that are left out";
    for (size_t i = 0; i < left_out.size() && i < most_named; ++i)
        out += (i == 0 ? ": " : ", ") + left_out[i].text();
    return out + (left_out.size() > most_named ? ", …" : "");
}

int64_t age_ms(const BackendAnswer& answer) {
    if (!answer.max_age_s) return usual_age_ms;
    if (*answer.max_age_s > most_age_ms / 1000) return most_age_ms;
    return std::max(least_age_ms, *answer.max_age_s * 1000);
}

}  // namespace

std::shared_ptr<RemoteKeys> RemoteKeys::create(std::string url, Backends& backends, Report report) {
    return std::shared_ptr<RemoteKeys>(new RemoteKeys(std::move(url), backends, std::move(report)));
}

RemoteKeys::RemoteKeys(std::string url, Backends& backends, Report report)
    : backend_(backend_of(std::move(url))), backends_(backends), report_(std::move(report)) {}

RemoteKeys::Set RemoteKeys::current() const {
    const std::lock_guard lock(mutex_);
    return set_;
}

void RemoteKeys::refresh(Now now) {
    {
        const std::lock_guard lock(mutex_);
        if (fetching_ || now.steady_ms < due_ms_) return;
        fetching_ = true;
    }
    fetch();
}

bool RemoteKeys::may_renew(Now now) const {
    const std::lock_guard lock(mutex_);
    return fetching_ || asked_ms_ == INT64_MIN || now.steady_ms - asked_ms_ >= minute_ms;
}

void RemoteKeys::renew(Now now, std::function<void()> done) {
    bool start = false;
    bool wait = false;
    {
        const std::lock_guard lock(mutex_);
        start = !fetching_ && (asked_ms_ == INT64_MIN || now.steady_ms - asked_ms_ >= minute_ms);
        if (start) asked_ms_ = now.steady_ms;
        fetching_ = fetching_ || start;
        wait = fetching_ && waiting_.size() < most_waiting;
        if (wait) waiting_.push_back(std::move(done));
    }
    if (start) fetch();
    if (!wait) done();  // it has just ended, and there is a new set or there is none
}

// Without the mutex: it may be answered at once.
void RemoteKeys::fetch() {
    BackendRequest request;
    request.backend = backend_;
    request.headers = {"Accept: application/jwk-set+json, application/json"};
    request.max_answer = max_key_file_bytes;
    // The runtimes may forget us meanwhile.
    backends_.send(std::move(request), [self = weak_from_this()](const BackendAnswer& answer, Now now) {
        if (const auto keys = self.lock()) keys->arrived(answer, now);
    });
}

// With the mutex held. `text` is the reason, or a word about what was left out.
bool RemoteKeys::accept(const BackendAnswer& answer, Now now, std::string& text) {
    due_ms_ = now.steady_ms + (set_.keys ? retry_ms : first_retry_ms);
    text = answer.why;
    if (answer.kind != BackendAnswer::Kind::answered) return false;
    text = "it answered " + std::to_string(answer.status);
    if (answer.status != 200) return false;
    due_ms_ = now.steady_ms + age_ms(answer);
    if (set_.keys && answer.body == text_) return true;
    auto keys = KeySet::published(answer.body);
    if (!keys) {
        due_ms_ = now.steady_ms + (set_.keys ? retry_ms : first_retry_ms);
        text = keys.error().text();
        return false;
    }
    text = std::to_string(keys->keys().size()) + " keys" + words_about(keys->left_out());
    set_ = {std::make_shared<const KeySet>(std::move(*keys)), next_number()};
    text_ = answer.body;
    return true;
}

void RemoteKeys::arrived(const BackendAnswer& answer, Now now) {
    std::vector<std::function<void()>> waiting;
    std::string text;
    bool good = false;
    bool tell = false;
    {
        const std::lock_guard lock(mutex_);
        const bool first = !set_.keys;
        fetching_ = false;
        good = accept(answer, now, text);
        ++(good ? fetched_ : failed_);
        tell = good ? first || failing_ : !failing_;
        failing_ = !good;
        waiting.swap(waiting_);
    }
    if (tell && report_) {
        report_(
            good ? "keys-fetched" : "keys-unavailable",
            backend_->url + ": " + (good ? "the keys are there: " : "the keys cannot be fetched: ") + text,
            !good);
    }
    for (const auto& done : waiting) done();
}

RemoteKeysStatus RemoteKeys::status() const {
    const std::lock_guard lock(mutex_);
    return {set_.keys != nullptr, fetched_, failed_};
}

}  // namespace wayleave
