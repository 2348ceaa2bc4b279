#include "daemon/backend/http_backends.h"

#include <pthread.h>

#include <algorithm>
#include <deque>
#include <map>
#include <mutex>
#include <random>
#include <stdexcept>
#include <thread>

#include "daemon/backend/breaker.h"
#include "daemon/backend/signature.h"
#include "daemon/backend/transfer.h"

namespace wayleave {
namespace {

constexpr size_t most_waiting = 1024;                    // for each backend, beside those under way
constexpr size_t most_backends = 1024;                   // that are remembered
constexpr size_t most_messages_waiting = 768;            // of those: the rest is for questions
constexpr size_t most_in_inbox = 16384;                  // between two turns of the thread
constexpr size_t most_bytes = size_t{16} << 20U;         // of one backend's requests
constexpr size_t most_bytes_of_all = size_t{64} << 20U;  // so that many backends are no way around it
constexpr size_t bytes_of_none = 1024;                   // what a request costs beside its body
constexpr int64_t longest_sleep_ms = 60'000;
constexpr int64_t first_pause_ms = 50;  // before a retry; doubles, with jitter
constexpr int64_t longest_pause_ms = 2000;

struct Lane;

// A request on its way, from attempt to attempt.
struct Job {
    BackendRequest request;
    Backends::Done done;
    Lane* lane = nullptr;
    uint32_t attempt = 0;
    size_t bytes = 0;
    int64_t give_up_ms = 0;  // waiting for a place; or the time of the next attempt
    std::unique_ptr<Transfer> transfer;
};

struct Lane {
    BackendStatus status;
    Breaker breaker;
    using Queue = std::deque<std::unique_ptr<Job>>;
    Queue questions;  // go first
    Queue messages;
    size_t messages_running = 0;

    [[nodiscard]] size_t waiting() const { return questions.size() + messages.size(); }
    [[nodiscard]] bool idle() const { return status.running == 0 && waiting() == 0 && !breaker.open(); }
    [[nodiscard]] Queue& queue_of(const Job& job) { return job.request.question ? questions : messages; }
    // A quarter of the places is for questions alone: messages that the backend is slow with keep nobody out.
    [[nodiscard]] bool has_place(const Job& job) const {
        const size_t most = job.request.backend->concurrency;
        if (status.running >= most) return false;
        return job.request.question || messages_running < most - most / 4;
    }
};

struct FreeMulti {
    void operator()(CURLM* multi) const noexcept { curl_multi_cleanup(multi); }
};

BackendAnswer not_sent(BackendAnswer::Kind kind, std::string why) {
    BackendAnswer answer;
    answer.kind = kind;
    answer.why = std::move(why);
    return answer;
}

bool is_good(const BackendAnswer& answer) {
    return answer.kind == BackendAnswer::Kind::answered && answer.status < 500;
}

}  // namespace

class HttpBackends::Impl {
  public:
    explicit Impl(Report report) : report_(std::move(report)), multi_(make_multi()) {
        thread_ = std::thread([this] { run(); });
    }
    ~Impl() { stop(); }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    void send(std::unique_ptr<Job> job);
    void stop();
    [[nodiscard]] std::vector<BackendStatus> status() const;

  private:
    static CURLM* make_multi() {
        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
            throw std::runtime_error("libcurl cannot be initialised");
        CURLM* multi = curl_multi_init();
        if (!multi) throw std::bad_alloc();
        return multi;
    }

    void run();
    void drop_all();
    bool take_inbox(std::vector<std::unique_ptr<Job>>& jobs);
    void enter(std::unique_ptr<Job> job, Now now);
    void start(std::unique_ptr<Job> job, Now now);
    void collect(Now now);
    void finish(std::unique_ptr<Job> job, BackendAnswer answer, Now now);
    [[nodiscard]] bool try_again(Job& job, const BackendAnswer& answer, Now now);
    void start_due(Now now);
    void fill(Lane& lane, Now now);
    void refuse_late(Lane& lane, Now now);
    [[nodiscard]] int64_t sleep_ms(Now now) const;
    Lane* lane_of(const Backend& backend);
    void authorize(Lane& lane, const Backend& backend, const BackendAnswer& answer, bool again, Now now);
    void refuse(std::unique_ptr<Job> job, BackendAnswer::Kind kind, const std::string& why, Now now);
    void publish_status();
    [[nodiscard]] bool admit(Job& job);
    void answer(Job& job, BackendAnswer answer, Now now);

    const Report report_;
    std::unique_ptr<CURLM, FreeMulti> multi_;

    // Of the thread alone.
    std::map<std::string, std::unique_ptr<Lane>> lanes_;
    std::map<Job*, std::unique_ptr<Job>> running_;
    std::vector<std::unique_ptr<Job>> pausing_;  // until give_up_ms, then the next attempt
    std::minstd_rand dice_{std::random_device{}()};

    mutable std::mutex mutex_;
    bool stopping_ = false;
    std::vector<std::unique_ptr<Job>> inbox_;
    std::vector<BackendStatus> status_;
    std::map<std::string, size_t> bytes_;  // of what was sent and is not answered, by the backend's name
    size_t bytes_of_all_ = 0;

    std::thread thread_;  // last: it uses all of the above
};

void HttpBackends::Impl::send(std::unique_ptr<Job> job) {
    {
        const std::lock_guard lock(mutex_);
        if (!stopping_ && inbox_.size() < most_in_inbox && admit(*job)) inbox_.push_back(std::move(job));
    }
    if (job) return job->done(not_sent(BackendAnswer::Kind::full, "too many requests wait"), read_clocks());
    curl_multi_wakeup(multi_.get());
}

// With the mutex held.
bool HttpBackends::Impl::admit(Job& job) {
    const size_t bytes = bytes_of_none + job.request.body.size();
    size_t& of_it = bytes_[job.request.backend->name];
    if (of_it + bytes > most_bytes || bytes_of_all_ + bytes > most_bytes_of_all) return false;
    job.bytes = bytes;
    of_it += bytes;
    bytes_of_all_ += bytes;
    return true;
}

void HttpBackends::Impl::answer(Job& job, BackendAnswer answer, Now now) {
    {
        const std::lock_guard lock(mutex_);
        const auto it = bytes_.find(job.request.backend->name);
        if (it != bytes_.end() && (it->second -= job.bytes) == 0) bytes_.erase(it);
        bytes_of_all_ -= job.bytes;
    }
    job.done(std::move(answer), now);
}

void HttpBackends::Impl::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    curl_multi_wakeup(multi_.get());
    if (!thread_.joinable()) return;
    thread_.join();
    drop_all();
}

// On the stopping thread: those that wait hold on to objects that would otherwise never go.
void HttpBackends::Impl::drop_all() {
    std::vector<std::unique_ptr<Job>> left = std::move(inbox_);
    for (auto& job : pausing_) left.push_back(std::move(job));
    for (auto& [raw, job] : running_) {
        curl_multi_remove_handle(multi_.get(), job->transfer->easy());
        left.push_back(std::move(job));
    }
    for (auto& [name, lane] : lanes_) {
        for (Lane::Queue* queue : {&lane->questions, &lane->messages}) {
            for (auto& job : *queue) left.push_back(std::move(job));
            queue->clear();
        }
    }
    running_.clear();
    pausing_.clear();
    for (auto& job : left)
        answer(*job, not_sent(BackendAnswer::Kind::failed, "the server is stopping"), read_clocks());
}

std::vector<BackendStatus> HttpBackends::Impl::status() const {
    const std::lock_guard lock(mutex_);
    return status_;
}

bool HttpBackends::Impl::take_inbox(std::vector<std::unique_ptr<Job>>& jobs) {
    const std::lock_guard lock(mutex_);
    jobs.clear();
    jobs.swap(inbox_);
    return !stopping_;
}

void HttpBackends::Impl::run() {
    pthread_setname_np(pthread_self(), "wayleave-http");
    std::vector<std::unique_ptr<Job>> jobs;
    while (take_inbox(jobs)) {
        Now now = read_clocks();
        for (auto& job : jobs) enter(std::move(job), now);
        start_due(now);
        int left = 0;
        curl_multi_perform(multi_.get(), &left);
        collect(read_clocks());
        publish_status();
        curl_multi_poll(multi_.get(), nullptr, 0, static_cast<int>(sleep_ms(read_clocks())), nullptr);
    }
}

// Null if too many are remembered already, which takes a thousand blocks of that many names.
Lane* HttpBackends::Impl::lane_of(const Backend& backend) {
    if (const auto it = lanes_.find(backend.name); it != lanes_.end()) return it->second.get();
    if (lanes_.size() >= most_backends)
        std::erase_if(lanes_, [](const auto& it) { return it.second->idle(); });
    if (lanes_.size() >= most_backends) return nullptr;
    auto& lane = lanes_[backend.name] = std::make_unique<Lane>();
    lane->status.name = backend.name;
    return lane.get();
}

void HttpBackends::Impl::refuse(std::unique_ptr<Job> job, BackendAnswer::Kind kind, const std::string& why,
                                Now now) {
    if (job->lane) ++job->lane->status.refused;
    answer(*job, not_sent(kind, why), now);
}

void HttpBackends::Impl::enter(std::unique_ptr<Job> job, Now now) {
    const Backend& backend = *job->request.backend;
    Lane* lane = job->lane = lane_of(backend);
    if (!lane) return refuse(std::move(job), BackendAnswer::Kind::full, "too many backends", now);
    if (const std::string_view fault = fault_of(job->request); !fault.empty())
        return refuse(std::move(job), BackendAnswer::Kind::failed, std::string(fault), now);
    if (!lane->breaker.admits(now.steady_ms))
        return refuse(std::move(job), BackendAnswer::Kind::broken, "it failed too often a moment ago", now);
    if (lane->has_place(*job)) return start(std::move(job), now);
    const bool full = lane->waiting() >= most_waiting ||
                      (!job->request.question && lane->messages.size() >= most_messages_waiting);
    if (full) return refuse(std::move(job), BackendAnswer::Kind::full, "too many requests wait for it", now);
    job->give_up_ms = now.steady_ms + backend.timeout_ms;
    Lane::Queue& queue = lane->queue_of(*job);
    queue.push_back(std::move(job));
}

void HttpBackends::Impl::start(std::unique_ptr<Job> job, Now now) {
    Lane& lane = *job->lane;
    const Backend& backend = *job->request.backend;
    lane.breaker.started(now.steady_ms);
    ++lane.status.running;
    if (!job->request.question) ++lane.messages_running;
    ++job->attempt;
    job->transfer = std::make_unique<Transfer>(job->request, backend.timeout_ms, now.wall_ms, job.get());
    curl_multi_add_handle(multi_.get(), job->transfer->easy());
    running_.emplace(job.get(), std::move(job));
}

void HttpBackends::Impl::collect(Now now) {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
        if (message->msg != CURLMSG_DONE) continue;
        const auto it = running_.find(static_cast<Job*>(Transfer::owner(message->easy_handle)));
        const CURLcode result = message->data.result;  // the message dies with the handle's removal
        curl_multi_remove_handle(multi_.get(), message->easy_handle);
        if (it == running_.end()) continue;
        std::unique_ptr<Job> job = std::move(it->second);
        running_.erase(it);
        BackendAnswer answer = job->transfer->finish(result);
        curl_off_t took_us = 0;
        curl_easy_getinfo(job->transfer->easy(), CURLINFO_TOTAL_TIME_T, &took_us);
        job->lane->status.time.add(took_us);
        job->transfer.reset();
        finish(std::move(job), std::move(answer), now);
    }
}

void HttpBackends::Impl::authorize(Lane& lane, const Backend& backend, const BackendAnswer& answer,
                                   bool again, Now now) {
    if (is_good(answer)) {
        ++lane.status.answered;
        if (lane.breaker.succeeded() && report_)
            report_("backend-mended", "the backend " + backend.name + " answers again", false);
        return;
    }
    ++lane.status.failed;
    if (again || !lane.breaker.failed(backend, now.steady_ms) || !report_) return;
    const std::string why = answer.kind == BackendAnswer::Kind::answered
                                ? "it answered " + std::to_string(answer.status)
                                : answer.why;
    report_("backend-broken",
            "the backend " + backend.name + " failed " + std::to_string(backend.break_after) +
                " times in a row and is left alone for a while: " + why,
            true);
}

void HttpBackends::Impl::finish(std::unique_ptr<Job> job, BackendAnswer answer, Now now) {
    Lane& lane = *job->lane;
    --lane.status.running;
    if (!job->request.question) --lane.messages_running;
    // What is tried again has not failed yet; but after a break the first answer decides.
    const bool again = try_again(*job, answer, now);
    authorize(lane, *job->request.backend, answer, again, now);
    if (again) {
        pausing_.push_back(std::move(job));
    } else {
        this->answer(*job, std::move(answer), now);
    }
    fill(lane, now);
}

bool HttpBackends::Impl::try_again(Job& job, const BackendAnswer& answer, Now now) {
    const bool repeatable = job.request.method == "GET" || !job.request.id.empty();
    const bool again = !is_good(answer) && !answer.too_large && repeatable &&
                       job.attempt <= job.request.backend->retries && !job.lane->breaker.open();
    if (!again) return false;
    ++job.lane->status.retried;
    const int64_t pause = std::min(longest_pause_ms, first_pause_ms << std::min(job.attempt, 6U));
    // From half of it to one and a half: those that failed together do not come together again.
    job.give_up_ms = now.steady_ms + pause / 2 + static_cast<int64_t>(dice_()) % (pause + 1);
    return true;
}

void HttpBackends::Impl::fill(Lane& lane, Now now) {
    for (Lane::Queue* queue : {&lane.questions, &lane.messages}) {
        while (!queue->empty()) {
            const bool admitted = lane.breaker.admits(now.steady_ms);
            if (admitted && !lane.has_place(*queue->front())) break;
            std::unique_ptr<Job> job = std::move(queue->front());
            queue->pop_front();
            if (admitted) {
                start(std::move(job), now);
            } else {
                refuse(std::move(job), BackendAnswer::Kind::broken, "it failed too often a moment ago", now);
            }
        }
    }
}

void HttpBackends::Impl::refuse_late(Lane& lane, Now now) {
    for (Lane::Queue* queue : {&lane.questions, &lane.messages}) {
        while (!queue->empty() && queue->front()->give_up_ms <= now.steady_ms) {
            std::unique_ptr<Job> job = std::move(queue->front());
            queue->pop_front();
            refuse(std::move(job), BackendAnswer::Kind::full, "it waited too long for its turn", now);
        }
    }
}

void HttpBackends::Impl::start_due(Now now) {
    for (const auto& [name, lane] : lanes_) refuse_late(*lane, now);
    std::vector<std::unique_ptr<Job>> due;
    for (auto& job : pausing_) {
        if (job->give_up_ms <= now.steady_ms) due.push_back(std::move(job));
    }
    std::erase(pausing_, nullptr);
    for (auto& job : due) enter(std::move(job), now);
}

int64_t HttpBackends::Impl::sleep_ms(Now now) const {
    int64_t until = now.steady_ms + longest_sleep_ms;
    for (const auto& job : pausing_) until = std::min(until, job->give_up_ms);
    for (const auto& [name, lane] : lanes_) {
        for (const Lane::Queue* queue : {&lane->questions, &lane->messages}) {
            if (!queue->empty()) until = std::min(until, queue->front()->give_up_ms);
        }
    }
    return std::max<int64_t>(0, until - now.steady_ms);
}

void HttpBackends::Impl::publish_status() {
    std::vector<BackendStatus> all;
    for (const auto& [name, lane] : lanes_) {
        all.push_back(lane->status);
        all.back().waiting = lane->waiting();
        all.back().broken = lane->breaker.open();
    }
    const std::lock_guard lock(mutex_);
    for (BackendStatus& one : all) {
        const auto it = bytes_.find(one.name);
        if (it != bytes_.end()) one.bytes = it->second;
    }
    status_.swap(all);
}

HttpBackends::HttpBackends(Report report) : impl_(std::make_unique<Impl>(std::move(report))) {}
HttpBackends::~HttpBackends() = default;

std::string HttpBackends::identity_of(const BackendRequest& request, Now now) const {
    auto token = identity_token(request, now.wall_ms / 1000);
    return token ? std::move(*token) : std::string();
}

void HttpBackends::send(BackendRequest request, Done done) {
    auto job = std::make_unique<Job>();
    job->request = std::move(request);
    job->done = std::move(done);
    impl_->send(std::move(job));
}

void HttpBackends::stop() {
    impl_->stop();
}

std::vector<BackendStatus> HttpBackends::status() const {
    return impl_->status();
}

}  // namespace wayleave
