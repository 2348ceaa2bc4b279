// How many publications a second a broker takes, from 1 and from 64 publishers of which each waits for its
// answer. The publishers are served by two threads, as the daemon's workers serve their connections.
// DIRECTORY SECONDS [PORT [REPLICAS]]: with the port of a Redis on 127.0.0.1 that one, too, with and without
// a history; with replicas that one alone, with answers that wait for so many of them and without.
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/base/now.h"
#include "daemon/broker/memory/broker.h"
#include "daemon/broker/redis/broker.h"
#include "daemon/broker/sqlite/broker.h"

using namespace wayleave;
using Clock = std::chrono::steady_clock;

namespace {

constexpr size_t payload_bytes = 120;
constexpr const char* ends = "the program ends; until it is connected, what needs it is refused";

class Box final : public Inbox {
  public:
    void push(const Publication&) override { pushed_.fetch_add(1, std::memory_order_relaxed); }
    void answered(uint64_t ticket, BrokerAnswer answer) override {
        if (std::get<Receipt>(answer).status != Receipt::Status::accepted) std::abort();
        bool wake = false;
        {
            const std::lock_guard lock(mutex_);
            wake = tickets_.empty();
            tickets_.push_back(ticket);
        }
        if (wake) wake_.notify_one();
    }
    void wait(std::vector<uint64_t>& tickets) {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return !tickets_.empty(); });
        tickets.swap(tickets_);
    }

  private:
    std::atomic<uint64_t> pushed_{0};
    std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<uint64_t> tickets_;
};

struct Shape {
    size_t publishers = 1;
    size_t channels = 1;
    double seconds = 3;
    uint16_t redis_port = 0;
    uint32_t replicas = 0;
    uint32_t history = 1000;
};

struct Taken {
    double rate = 0;
    double p50_us = 0;
    double p99_us = 0;
};

Draft draft_of(size_t publisher, const Shape& shape) {
    Draft draft;
    draft.channel = "room" + std::to_string(publisher % shape.channels);
    draft.id = "m" + std::to_string(publisher);
    draft.members = "\"text\":\"" + std::string(payload_bytes, 'x') + "\"";
    draft.retention = {shape.history, shape.history == 0 ? 0 : 3'600'000, 0};
    draft.now = read_clocks();
    return draft;
}

// One worker: publishers first, first + step, …
void serve(Broker& broker, Box& box, uint32_t worker, size_t step, const Shape& shape,
           std::vector<double>& waited_us, uint64_t& done) {
    std::vector<Clock::time_point> begun(shape.publishers);
    std::vector<uint64_t> tickets;
    for (size_t i = worker; i < shape.publishers; i += step) tickets.push_back(i);
    const size_t own = tickets.size();
    const auto until = Clock::now() + std::chrono::duration<double>(shape.seconds);
    size_t idle = 0;
    bool first = true;
    while (idle < own) {
        std::vector<uint64_t> again;
        for (const uint64_t ticket : tickets) {
            const auto now = Clock::now();
            if (!first) {
                ++done;
                waited_us.push_back(std::chrono::duration<double, std::micro>(now - begun[ticket]).count());
            }
            if (now >= until) {
                ++idle;
                continue;
            }
            begun[ticket] = now;
            if (broker.publish(draft_of(ticket, shape), {worker, ticket})) again.push_back(ticket);
        }
        first = false;
        tickets = std::move(again);
        if (tickets.empty() && idle < own) box.wait(tickets);
    }
}

Taken measure(Broker& broker, const Shape& shape) {
    const size_t workers = std::min<size_t>(2, shape.publishers);
    std::vector<Box> boxes(workers);
    std::vector<std::vector<double>> waited(workers);
    std::vector<uint64_t> done(workers);
    std::vector<std::thread> threads;
    for (Box& box : boxes) {
        const uint32_t worker = broker.add_worker(box);
        for (size_t i = 0; i < shape.channels; ++i) broker.subscribe(worker, "room" + std::to_string(i));
    }
    const auto begin = Clock::now();
    for (uint32_t i = 0; i < workers; ++i)
        threads.emplace_back([&, i] { serve(broker, boxes[i], i, workers, shape, waited[i], done[i]); });
    for (std::thread& thread : threads) thread.join();
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    broker.finish();  // it pushes into the boxes
    std::vector<double> all;
    for (const auto& part : waited) all.insert(all.end(), part.begin(), part.end());
    std::sort(all.begin(), all.end());
    const auto at = [&](double share) {
        return all.empty() ? 0 : all[static_cast<size_t>(share * static_cast<double>(all.size() - 1))];
    };
    return {static_cast<double>(all.size()) / seconds, at(0.5), at(0.99)};
}

Taken run_redis(Shape shape, const std::string& kind) {
    RedisSettings settings;
    settings.target.host = "127.0.0.1";
    settings.target.port = shape.redis_port;
    settings.prefix = "bench";
    settings.access.name = "bench";
    if (kind == "redis-replicas") settings.replicas = shape.replicas;
    auto broker = RedisBroker::open(
        settings,
        [](RedisNews news, const std::string& text) {
            if (news == RedisNews::down && !text.ends_with(ends)) std::fprintf(stderr, "%s\n", text.c_str());
        },
        read_clocks());
    if (!broker) std::exit(1);
    if (kind == "redis-plain") shape.history = 0;
    const Taken taken = measure(**broker, shape);
    const LinkTotals link = *(*broker)->totals().link;
    std::printf("    %.1f publications in each call\n",
                static_cast<double>(link.published) / static_cast<double>(std::max<uint64_t>(1, link.calls)));
    return taken;
}

Taken run(const std::string& kind, const std::string& directory, const Shape& shape) {
    if (kind == "memory") {
        MemoryBroker broker;
        return measure(broker, shape);
    }
    if (kind.starts_with("redis")) return run_redis(shape, kind);
    SqliteSettings settings;
    settings.path = directory + "/messages.db";
    settings.full = kind == "full";
    Taken taken;
    {
        auto broker = SqliteBroker::open(
            settings, [](bool, const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); },
            read_clocks());
        if (!broker) {
            std::fprintf(stderr, "%s\n", broker.error().text.c_str());
            std::exit(1);
        }
        taken = measure(**broker, shape);
        const DiskTotals disk = *(*broker)->totals().disk;
        std::printf(
            "    %llu commits, %.1f publications in each, database %.1f MB, log %.1f MB\n",
            static_cast<unsigned long long>(disk.commits),
            static_cast<double>(disk.committed) / static_cast<double>(std::max<uint64_t>(1, disk.commits)),
            static_cast<double>(disk.database_bytes) / 1e6, static_cast<double>(disk.wal_bytes) / 1e6);
    }
    for (const char* suffix : {"", "-wal", "-shm", ".lock"}) std::filesystem::remove(settings.path + suffix);
    return taken;
}

// What the disk itself needs to make 16 KB safe: no commit is faster.
double sync_us(const std::string& directory) {
    const std::string path = directory + "/sync";
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    const std::string block(16'384, 'x');
    std::vector<double> times;
    for (int i = 0; i < 300; ++i) {
        if (pwrite(fd, block.data(), block.size(), static_cast<off_t>(block.size()) * (i % 50)) < 0) return 0;
        const auto begin = Clock::now();
        if (fdatasync(fd) != 0) return 0;
        times.push_back(std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
    }
    close(fd);
    std::filesystem::remove(path);
    std::nth_element(times.begin(), times.begin() + 150, times.end());
    return times[150];
}

std::vector<const char*> kinds_of(const Shape& shape) {
    if (shape.replicas > 0) return {"memory", "redis", "redis-replicas"};
    if (shape.redis_port > 0) return {"memory", "normal", "full", "redis", "redis-plain"};
    return {"memory", "normal", "full"};
}

}  // namespace

int main(int argc, char** argv) {
    std::string pattern = (argc > 1 ? std::string(argv[1]) : std::string(".")) + "/bench-broker-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) {
        std::perror(pattern.c_str());
        return 1;
    }
    const double seconds = argc > 2 ? std::atof(argv[2]) : 3;
    for (const auto& [publishers, channels] : {std::pair<size_t, size_t>{1, 1}, {64, 1}, {64, 64}}) {
        Shape shape{publishers, channels, seconds};
        if (argc > 3) shape.redis_port = static_cast<uint16_t>(std::atoi(argv[3]));
        if (argc > 4) shape.replicas = static_cast<uint32_t>(std::atoi(argv[4]));
        double memory = 0;
        std::printf("fdatasync: median %.0f us\n", sync_us(pattern));
        for (const char* kind : kinds_of(shape)) {
            const Taken taken = run(kind, pattern, shape);
            if (memory == 0) memory = taken.rate;
            std::printf(
                "%-14s %3zu publishers, %2zu channels: %9.0f/s  p50 %6.0f us  p99 %6.0f us  %.3f of memory\n",
                kind, publishers, channels, taken.rate, taken.p50_us, taken.p99_us, taken.rate / memory);
            std::fflush(stdout);
        }
    }
    std::filesystem::remove_all(pattern);
}
