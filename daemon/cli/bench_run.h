// `wayleave bench`: many connections in one channel, some of which publish; how long what takes. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/cli/bench_client.h"
#include "daemon/cli/bench_histogram.h"
#include "daemon/edge/loop.h"

namespace wayleave {

struct BenchPlan {
    std::string host;     // of the request
    std::string path;     // with its query
    std::string headers;  // complete lines
    std::string channel;
    size_t connections = 100;
    size_t publishers = 1;
    size_t seconds = 10;
    size_t bytes = 200;  // of a publication's data, about
    double rate = 0;     // of each publisher, a second; 0: the next follows when the last was accepted
};

struct BenchReport {
    size_t opened = 0;
    double opening_seconds = 0;
    uint64_t publications = 0;  // that were accepted
    uint64_t deliveries = 0;
    double seconds = 0;
    LatencyHistogram handshakes;
    LatencyHistogram accepted;   // from a publication to its `$ok`
    LatencyHistogram delivered;  // from a publication to each of its readers
    std::map<std::string, uint64_t> failures;
};

class BenchRun {
  public:
    // `address` is borrowed.
    BenchRun(const BenchPlan& plan, const addrinfo& address);
    [[nodiscard]] BenchReport run();

  private:
    enum class Phase : uint8_t { opening, subscribing, publishing, over };
    struct Member {
        std::unique_ptr<BenchClient> client;
        int64_t begun_us = 0;
        bool settled = false;
    };

    void open_some();
    void open_one(size_t number);
    void opened(size_t number);
    void heard(size_t number, std::string_view message);
    void ended(size_t number, const std::string& why);
    void settle(size_t number);
    void note_failure(std::string_view why);
    void next_phase();
    void publish(size_t number);
    void publish_at_rate();
    void finish();

    const BenchPlan plan_;
    const addrinfo& address_;
    Loop loop_;
    Timer over_;
    Timer pace_;
    std::mt19937 random_{std::random_device{}()};
    Phase phase_ = Phase::opening;
    std::vector<Member> members_;
    size_t begun_ = 0;
    size_t under_way_ = 0;  // handshakes
    size_t settled_ = 0;    // in this phase
    int64_t phase_us_ = 0;
    double owed_ = 0;  // publications of each publisher that the rate asks for
    std::string filling_;
    BenchReport report_;
};

}  // namespace wayleave
