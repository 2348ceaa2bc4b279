#include "daemon/notify/notice_queue.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "daemon/notify/notice_store.h"

namespace wayleave {
namespace {

constexpr size_t bytes_of_none = 512;  // what a notice costs beside its texts
constexpr int64_t first_pause_ms = 1000;
constexpr int64_t longest_sleep_ms = 1000;
constexpr int64_t no_room_pause_ms = 10'000;
constexpr int64_t store_pause_ms = 1000;  // after a failure of the disk

size_t bytes_of(const Notice& notice) {
    return bytes_of_none + notice.backend.size() + notice.path.size() + notice.id.size() +
           notice.body.size() + notice.user.size();
}

struct Opened {
    uint64_t session;
    Notice lost;
};
struct Closed {
    uint64_t session;
};
struct Answer {
    std::pair<std::string, uint64_t> line;
    BackendAnswer answer;
};
using Item = std::variant<Notice, Opened, Closed, Answer>;

struct Entry {
    Notice notice;
    int64_t row = 0;     // in the store; 0: it is not there
    int64_t due_ms = 0;  // steady
    uint32_t attempts = 0;
};

// What is told of one session to one backend. The first is tried until it has arrived; then comes the next.
using LineKey = std::pair<std::string, uint64_t>;
struct Line {
    std::deque<Entry> waiting;
    bool busy = false;  // the first is at the backend
};

// One backend's share of the queue.
struct Lane {
    size_t in_memory = 0;
    size_t on_disk = 0;    // beside those
    int64_t last_row = 0;  // the newest that was in memory
    size_t running = 0;
    std::set<std::pair<int64_t, uint64_t>> due;  // of lines that are not busy: when, and which session
};

}  // namespace

class NoticeQueue::Impl {
  public:
    Impl(Parts parts, Bounds bounds) : parts_(std::move(parts)), bounds_(bounds) {
        recover();
        thread_ = std::thread([this] { run(); });
    }
    ~Impl() { finish(0); }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    void add(Item item);
    void finish(int64_t patience_ms);
    [[nodiscard]] NoticeTotals totals() const;

  private:
    void recover();
    void run();
    [[nodiscard]] std::vector<Item> wait();
    void write(std::vector<Item>& items, std::vector<int64_t>& rows);
    void apply(Item& item, int64_t row, Now now);
    void take(Notice notice, int64_t row, Now now);
    void put(Entry entry);
    void tell_lost(Now now);
    void report_no_room(Now now);
    void refill(const std::string& backend, Lane& lane, Now now);
    void send_due(const std::string& backend, Lane& lane, Now now);
    void send(const LineKey& key, Line& line, const std::shared_ptr<const Backend>& backend);
    void answered(const Answer& answer, Now now);
    void finish_first(const LineKey& key, Line& line);
    void lose(const Notice& notice, const std::string& why);
    void publish_totals();
    [[nodiscard]] int64_t sleep_ms(Now now) const;

    Parts parts_;
    const Bounds bounds_;

    // Of the thread alone.
    std::map<LineKey, Line> lines_;
    std::map<std::string, Lane> lanes_;
    std::unordered_map<std::string, size_t> users_;                          // sessions of a user
    std::unordered_map<uint64_t, std::pair<std::string, size_t>> sessions_;  // their users, and their bytes
    std::vector<Notice> lost_;                                               // sessions of the daemon before
    int64_t lost_at_ms_ = 0;                                                 // steady; when they are told of
    std::vector<int64_t> arrived_;                                           // rows to be removed
    std::minstd_rand dice_{std::random_device{}()};
    bool store_failed_ = false;
    uint64_t no_room_told_ = 0;
    int64_t tell_no_room_ms_ = 0;  // steady: not before
    NoticeTotals counted_;

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<Item> inbox_;
    size_t held_ = 0;  // bytes of notices and sessions, here and of the thread
    uint64_t no_room_ = 0;
    bool stopping_ = false;
    bool idle_ = true;
    NoticeTotals totals_;

    std::thread thread_;  // last: it uses all of the above
};

void NoticeQueue::Impl::add(Item item) {
    size_t bytes = 0;
    size_t most = bounds_.bytes;
    if (const auto* notice = std::get_if<Notice>(&item)) {
        bytes = bytes_of(*notice);
        // The last quarter is for ends, which are never missed: comings and goings in channels do not fill
        // it.
        if (!notice->last) most -= most / 4;
    }
    if (const auto* opened = std::get_if<Opened>(&item)) bytes = bytes_of(opened->lost);
    {
        const std::lock_guard lock(mutex_);
        if (bytes > 0 && held_ + bytes > most) {
            ++no_room_;
            return;
        }
        held_ += bytes;
        inbox_.push_back(std::move(item));
        idle_ = false;
    }
    changed_.notify_all();
}

// On the thread that starts the queue.
void NoticeQueue::Impl::recover() {
    if (!parts_.store) return;
    try {
        lost_ = parts_.store->sessions();
        lost_at_ms_ = read_clocks().steady_ms + bounds_.lost_after_ms;
        for (auto& [backend, waiting] : parts_.store->backends()) lanes_[backend].on_disk = waiting;
        publish_totals();
    } catch (const SqliteFault& fault) {
        parts_.report(true, std::string("what was to be told to backends cannot be read: ") + fault.what());
    }
}

void NoticeQueue::Impl::finish(int64_t patience_ms) {
    {
        std::unique_lock lock(mutex_);
        // What is on disk is told by the next daemon.
        if (!parts_.store)
            changed_.wait_for(lock, std::chrono::milliseconds(patience_ms), [this] { return idle_; });
        stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
}

NoticeTotals NoticeQueue::Impl::totals() const {
    const std::lock_guard lock(mutex_);
    NoticeTotals out = totals_;
    out.lost += no_room_;
    out.bytes = held_;
    return out;
}

std::vector<Item> NoticeQueue::Impl::wait() {
    const int64_t sleep = sleep_ms(read_clocks());
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(sleep),
                      [this] { return stopping_ || !inbox_.empty(); });
    return std::exchange(inbox_, {});
}

void NoticeQueue::Impl::run() {
    pthread_setname_np(pthread_self(), "wayleave-notify");
    std::vector<int64_t> rows;
    for (bool over = false; !over;) {
        {
            const std::lock_guard lock(mutex_);
            over = stopping_;  // what is in the inbox is still written down
        }
        std::vector<Item> items = wait();
        const Now now = read_clocks();
        write(items, rows);
        for (size_t i = 0; i < items.size(); ++i) apply(items[i], rows[i], now);
        if (over) break;
        tell_lost(now);
        report_no_room(now);
        for (auto& [backend, lane] : lanes_) {
            refill(backend, lane, now);
            send_due(backend, lane, now);
        }
        std::erase_if(lanes_, [](const auto& it) {
            return it.second.in_memory == 0 && it.second.on_disk == 0 && it.second.running == 0;
        });
        publish_totals();
    }
    publish_totals();
}

// Before anything of it is sent: what a backend has heard is never forgotten and told otherwise.
void NoticeQueue::Impl::write(std::vector<Item>& items, std::vector<int64_t>& rows) {
    rows.assign(items.size(), 0);
    if (!parts_.store || (items.empty() && arrived_.empty())) return;
    try {
        Transaction transaction = parts_.store->begin();
        for (size_t i = 0; i < items.size(); ++i) {
            if (const auto* notice = std::get_if<Notice>(&items[i])) rows[i] = parts_.store->add(*notice);
            if (const auto* one = std::get_if<Opened>(&items[i]))
                parts_.store->remember(one->session, one->lost);
            if (const auto* one = std::get_if<Closed>(&items[i])) parts_.store->forget(one->session);
        }
        for (const int64_t row : arrived_) parts_.store->remove(row);
        transaction.commit();
        arrived_.clear();
        if (std::exchange(store_failed_, false))
            parts_.report(false, "what is told to backends is written down again");
    } catch (const SqliteFault& fault) {
        rows.assign(items.size(), 0);
        if (!std::exchange(store_failed_, true))
            parts_.report(true, std::string("what is told to backends is in memory only: ") + fault.what());
    }
}

void NoticeQueue::Impl::apply(Item& item, int64_t row, Now now) {
    if (auto* notice = std::get_if<Notice>(&item)) {
        ++counted_.told;
        take(std::move(*notice), row, now);
    } else if (auto* opened = std::get_if<Opened>(&item)) {
        const size_t bytes = bytes_of(opened->lost);
        if (!opened->lost.user.empty()) ++users_[opened->lost.user];
        sessions_[opened->session] = {std::move(opened->lost.user), bytes};
    } else if (const auto* closed = std::get_if<Closed>(&item)) {
        const auto it = sessions_.find(closed->session);
        if (it == sessions_.end()) return;
        const auto user = users_.find(it->second.first);
        if (user != users_.end() && --user->second == 0) users_.erase(user);
        {
            const std::lock_guard lock(mutex_);
            held_ -= it->second.second;
        }
        sessions_.erase(it);
    } else {
        answered(std::get<Answer>(item), now);
    }
}

void NoticeQueue::Impl::take(Notice notice, int64_t row, Now now) {
    Lane& lane = lanes_[notice.backend];
    const size_t bytes = bytes_of(notice);
    const auto free = [&] {
        const std::lock_guard lock(mutex_);
        held_ -= bytes;
    };
    // Behind those on disk it has its place there.
    if (row != 0 && (lane.on_disk > 0 || lane.in_memory >= bounds_.in_memory)) {
        free();
        if (lane.on_disk < bounds_.on_disk || notice.last) return void(++lane.on_disk);
        arrived_.push_back(row);
        return lose(notice, "too much waits for the backend " + notice.backend);
    }
    lane.last_row = std::max(lane.last_row, row);
    const int64_t due_ms = now.steady_ms + notice.delay_ms;
    put({std::move(notice), row, due_ms});
}

void NoticeQueue::Impl::put(Entry entry) {
    Lane& lane = lanes_[entry.notice.backend];
    const LineKey key{entry.notice.backend, entry.notice.session};
    Line& line = lines_[key];
    if (line.waiting.empty()) lane.due.emplace(entry.due_ms, key.second);
    line.waiting.push_back(std::move(entry));
    ++lane.in_memory;
}

// Sessions of the daemon before, which had no time to say that they ended.
void NoticeQueue::Impl::tell_lost(Now now) {
    if (lost_.empty() || now.steady_ms < lost_at_ms_) return;
    std::vector<Item> items;
    for (Notice& notice : std::exchange(lost_, {})) {
        const uint64_t session = notice.session;
        {
            const std::lock_guard lock(mutex_);
            held_ += bytes_of(notice);
        }
        items.emplace_back(std::move(notice));
        items.emplace_back(Closed{session});
    }
    std::vector<int64_t> rows;
    write(items, rows);
    for (size_t i = 0; i < items.size(); ++i) apply(items[i], rows[i], now);
}

// Those that were not even taken.
void NoticeQueue::Impl::report_no_room(Now now) {
    uint64_t lost = 0;
    {
        const std::lock_guard lock(mutex_);
        lost = no_room_;
    }
    if (lost == no_room_told_ || now.steady_ms < tell_no_room_ms_) return;
    parts_.report(true, "too much waits for backends: " + std::to_string(lost - no_room_told_) +
                            " events could not be taken and will not be told");
    no_room_told_ = lost;
    tell_no_room_ms_ = now.steady_ms + no_room_pause_ms;
}

void NoticeQueue::Impl::refill(const std::string& backend, Lane& lane, Now now) {
    if (lane.on_disk == 0 || lane.in_memory > bounds_.in_memory / 2) return;
    try {
        auto kept = parts_.store->load(backend, lane.last_row, bounds_.in_memory - lane.in_memory);
        if (kept.empty()) lane.on_disk = 0;
        for (NoticeStore::Kept& one : kept) {
            lane.last_row = one.row;
            lane.on_disk -= lane.on_disk > 0 ? 1 : 0;
            {
                const std::lock_guard lock(mutex_);
                held_ += bytes_of(one.notice);
            }
            const int64_t wait = std::max<int64_t>(0, one.notice.at_ms + one.notice.delay_ms - now.wall_ms);
            put({std::move(one.notice), one.row, now.steady_ms + std::min(wait, one.notice.delay_ms)});
        }
    } catch (const SqliteFault& fault) {
        if (!std::exchange(store_failed_, true))
            parts_.report(true, std::string("what is told to backends cannot be read: ") + fault.what());
    }
}

void NoticeQueue::Impl::send_due(const std::string& name, Lane& lane, Now now) {
    std::shared_ptr<const Backend> backend;
    while (!lane.due.empty() && lane.due.begin()->first <= now.steady_ms) {
        if (!backend) backend = parts_.find(name);
        // Half of what the backend takes at a time is for those who wait for an answer.
        if (backend && lane.running >= std::max<size_t>(1, backend->concurrency / 2)) return;
        const LineKey key{name, lane.due.begin()->second};
        lane.due.erase(lane.due.begin());
        Line& line = lines_.at(key);
        if (backend) {
            send(key, line, backend);
        } else {
            lose(line.waiting.front().notice, "the policy does not have the backend " + name + " any more");
            finish_first(key, line);
        }
    }
}

void NoticeQueue::Impl::send(const LineKey& key, Line& line, const std::shared_ptr<const Backend>& backend) {
    Entry& entry = line.waiting.front();
    line.busy = true;
    ++entry.attempts;
    ++lanes_[key.first].running;
    BackendRequest request;
    request.backend = backend;
    request.id = entry.notice.id;
    request.method = "POST";
    request.path = entry.notice.path;
    request.headers = {"Content-Type: application/json",
                       "Accept: application/wayleave+json, application/json;q=0.9, */*;q=0.1"};
    if (!entry.notice.traceparent.empty())
        request.headers.push_back("traceparent: " + entry.notice.traceparent);
    request.body = entry.notice.body;
    if (entry.notice.last) {
        const bool gone = entry.notice.user.empty() || !users_.contains(entry.notice.user);
        request.body += gone ? ",\"last\":true" : ",\"last\":false";
    }
    request.body += '}';
    parts_.backends.send(std::move(request), [this, key](BackendAnswer answer, Now) {
        add(Answer{key, std::move(answer)});
    });
}

void NoticeQueue::Impl::answered(const Answer& answer, Now now) {
    const auto it = lines_.find(answer.line);
    if (it == lines_.end()) return;
    Line& line = it->second;
    Lane& lane = lanes_[answer.line.first];
    Entry& entry = line.waiting.front();
    const BackendAnswer& said = answer.answer;
    const bool heard = said.kind == BackendAnswer::Kind::answered;
    line.busy = false;
    --lane.running;
    if (heard && said.status >= 200 && said.status < 300) {
        ++counted_.delivered;
        parts_.answered(entry.notice, said);
        return finish_first(it->first, line);
    }
    if (heard && said.status >= 400 && said.status < 500 && said.status != 408 && said.status != 429) {
        ++counted_.refused;
        parts_.report(true, "the backend " + answer.line.first + " refuses what it is told: it answered " +
                                std::to_string(said.status));
        return finish_first(it->first, line);
    }
    if (now.wall_ms - entry.notice.at_ms > bounds_.give_up_ms) {
        lose(entry.notice, "the backend " + answer.line.first + " did not answer for too long");
        return finish_first(it->first, line);
    }
    ++counted_.retried;
    int64_t pause = std::min(bounds_.longest_pause_ms, first_pause_ms << std::min(entry.attempts - 1, 16U));
    if (heard && said.retry_after_s)
        pause = std::min(bounds_.longest_pause_ms, std::max(pause, *said.retry_after_s * 1000));
    // From half of it to the whole: those that failed together do not come together again.
    entry.due_ms = now.steady_ms + pause / 2 + static_cast<int64_t>(dice_()) % (pause / 2 + 1);
    lane.due.emplace(entry.due_ms, it->first.second);
}

void NoticeQueue::Impl::finish_first(const LineKey& key, Line& line) {
    const Entry& entry = line.waiting.front();
    if (entry.row != 0) arrived_.push_back(entry.row);
    {
        const std::lock_guard lock(mutex_);
        held_ -= bytes_of(entry.notice);
    }
    line.waiting.pop_front();
    Lane& lane = lanes_[key.first];
    --lane.in_memory;
    if (line.waiting.empty()) {
        lines_.erase(key);
    } else {
        lane.due.emplace(line.waiting.front().due_ms, key.second);
    }
}

void NoticeQueue::Impl::lose(const Notice& notice, const std::string& why) {
    ++counted_.lost;
    parts_.report(true, "a notice is lost: " + why + " (" + notice.id + ")");
}

void NoticeQueue::Impl::publish_totals() {
    NoticeTotals totals = counted_;
    totals.sessions = sessions_.size();
    for (const auto& [name, lane] : lanes_) totals.waiting += lane.in_memory + lane.on_disk;
    {
        const std::lock_guard lock(mutex_);
        totals_ = totals;
        idle_ = inbox_.empty() && totals.waiting == 0;
    }
    if (totals.waiting == 0) changed_.notify_all();
}

int64_t NoticeQueue::Impl::sleep_ms(Now now) const {
    int64_t sleep = longest_sleep_ms;
    if (!arrived_.empty()) sleep = std::min<int64_t>(sleep, store_failed_ ? store_pause_ms : 50);
    for (const auto& [name, lane] : lanes_) {
        if (lane.on_disk > 0 && lane.in_memory == 0) sleep = store_failed_ ? store_pause_ms : 0;
        if (!lane.due.empty() && lane.running == 0)
            sleep = std::min(sleep, std::max<int64_t>(0, lane.due.begin()->first - now.steady_ms));
        if (!lane.due.empty() && lane.running > 0 && lane.due.begin()->first > now.steady_ms)
            sleep = std::min(sleep, lane.due.begin()->first - now.steady_ms);
    }
    return sleep;
}

NoticeQueue::NoticeQueue(Parts parts, Bounds bounds)
    : impl_(std::make_unique<Impl>(std::move(parts), bounds)) {}
NoticeQueue::~NoticeQueue() = default;

void NoticeQueue::tell(Notice notice) {
    impl_->add(std::move(notice));
}

void NoticeQueue::opened(uint64_t session, Notice lost) {
    impl_->add(Opened{session, std::move(lost)});
}

void NoticeQueue::closed(uint64_t session) {
    impl_->add(Closed{session});
}

void NoticeQueue::finish(int64_t patience_ms) {
    impl_->finish(patience_ms);
}

NoticeTotals NoticeQueue::totals() const {
    return impl_->totals();
}

}  // namespace wayleave
