#include "daemon/cli/bench_run.h"

#include <fmt/format.h>
#include <netdb.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <utility>

#include "daemon/base/escape.h"
#include "daemon/base/json_writer.h"
#include "daemon/protocol/client_handshake.h"

namespace wayleave {
namespace {

constexpr size_t most_under_way = 64;  // handshakes
constexpr int64_t pace_ms = 10;
constexpr int64_t patience_ms = 30'000;  // for a phase before the last
constexpr size_t longest_failure = 160;
constexpr size_t most_failures = 32;

int64_t now_us() {
    using namespace std::chrono;
    return duration_cast<microseconds>(steady_clock::now().time_since_epoch()).count();
}

std::string random_key(std::mt19937& random) {
    std::array<uint8_t, 16> bytes{};
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    return websocket_key(bytes);
}

bool says(std::string_view message, std::string_view type) {
    return message.find(fmt::format("\"type\":\"{}\"", type)) != std::string_view::npos;
}

// `limited: slow down a little`, of an `$error`.
std::string reason_of(std::string_view message) {
    simdjson::dom::parser parser;
    simdjson::dom::element error;
    std::string_view word = "$error";
    std::string_view because;
    const simdjson::padded_string padded(message);
    if (parser.parse(padded).get(error) != simdjson::SUCCESS) return std::string(word);
    if (error["error"].get(word) != simdjson::SUCCESS) word = "$error";
    const bool said = error["because"].get(because) == simdjson::SUCCESS;
    return std::string(word) + (said ? ": " + std::string(because) : "");
}

// The number behind the mark: when it was said, as publish() has written it.
std::optional<int64_t> number_behind(std::string_view mark, std::string_view message) {
    const size_t at = message.find(mark);
    if (at == std::string_view::npos) return std::nullopt;
    int64_t out = 0;
    const char* begin = message.data() + at + mark.size();
    return std::from_chars(begin, message.data() + message.size(), out).ec == std::errc{} ? std::optional(out)
                                                                                          : std::nullopt;
}

}  // namespace

BenchRun::BenchRun(const BenchPlan& plan, const addrinfo& address)
    : plan_(plan),
      address_(address),
      over_(loop_, [this] { next_phase(); }),
      pace_(loop_, [this] { publish_at_rate(); }),
      members_(plan.connections),
      filling_(plan.bytes, 'x') {}

BenchReport BenchRun::run() {
    phase_us_ = now_us();
    over_.after(patience_ms);
    open_some();
    loop_.run();
    return std::move(report_);
}

void BenchRun::open_some() {
    while (begun_ < members_.size() && under_way_ < most_under_way) open_one(begun_++);
}

void BenchRun::open_one(size_t number) {
    Member& member = members_[number];
    ++under_way_;
    member.begun_us = now_us();
    const std::string key = random_key(random_);
    BenchClient::Events events{[this, number] { opened(number); },
                               [this, number](std::string_view message) { heard(number, message); },
                               [this, number](const std::string& why) { ended(number, why); }};
    member.client = std::make_unique<BenchClient>(loop_, address_,
                                                  upgrade_request(plan_.path, plan_.host, key, plan_.headers),
                                                  key, std::move(events), random_);
}

void BenchRun::opened(size_t number) {
    --under_way_;
    ++report_.opened;
    report_.handshakes.add(now_us() - members_[number].begun_us);
    settle(number);
    if (phase_ == Phase::opening) open_some();
}

void BenchRun::ended(size_t number, const std::string& why) {
    if (phase_ == Phase::over) return;
    note_failure(why);
    if (phase_ == Phase::opening) {
        --under_way_;
        if (members_[number].client) open_some();
    }
    settle(number);
}

// However many kinds there are, some are enough to know what is wrong.
void BenchRun::note_failure(std::string_view why) {
    const std::string shown = escape_peer_text(why, longest_failure);
    const bool known = report_.failures.contains(shown) || report_.failures.size() < most_failures;
    ++report_.failures[known ? shown : "others"];
}

// All have answered, or failed: the next phase begins when the loop turns, not within a client's callback.
void BenchRun::settle(size_t number) {
    if (phase_ == Phase::publishing || std::exchange(members_[number].settled, true)) return;
    if (++settled_ == members_.size()) over_.after(1);
}

void BenchRun::next_phase() {
    for (Member& member : members_) member.settled = false;
    settled_ = 0;
    const double seconds = static_cast<double>(now_us() - std::exchange(phase_us_, now_us())) / 1e6;
    if (phase_ == Phase::opening) {
        report_.opening_seconds = seconds;
        if (report_.opened == 0) return finish();
        phase_ = Phase::subscribing;
        over_.after(patience_ms);
        const std::string subscribe =
            JsonObject().add("type", "$subscribe").add("channel", plan_.channel).add("$id", 1).text();
        for (size_t i = 0; i < members_.size(); ++i) {
            if (members_[i].client && members_[i].client->open()) {
                members_[i].client->say(subscribe);
            } else {
                settle(i);
            }
        }
        return;
    }
    if (phase_ == Phase::subscribing) {
        phase_ = Phase::publishing;
        over_.after(static_cast<int64_t>(plan_.seconds) * 1000);
        if (plan_.rate > 0) return pace_.every(pace_ms);
        for (size_t i = 0; i < plan_.publishers; ++i) publish(i);
        return;
    }
    report_.seconds = seconds;
    finish();
}

void BenchRun::finish() {
    phase_ = Phase::over;
    pace_.stop();
    for (Member& member : members_)
        if (member.client) member.client->close();
    loop_.stop();
}

void BenchRun::publish_at_rate() {
    owed_ += plan_.rate * static_cast<double>(pace_ms) / 1000;
    for (; owed_ >= 1; owed_ -= 1)
        for (size_t i = 0; i < plan_.publishers; ++i) publish(i);
}

void BenchRun::publish(size_t number) {
    Member& member = members_[number];
    if (!member.client || !member.client->open()) return;
    const int64_t said_us = now_us();
    JsonObject data;
    data.add("bench_us", said_us).add("filling", filling_);
    JsonObject message;
    message.add("type", "$publish").add("channel", plan_.channel).add("data", data).add("$id", said_us);
    member.client->say(message.text());
}

void BenchRun::heard(size_t number, std::string_view message) {
    if (says(message, "$subscribed")) return settle(number);
    if (says(message, "$error")) {
        note_failure(reason_of(message));
        return settle(number);
    }
    if (phase_ != Phase::publishing) return;
    if (says(message, "$ok")) {
        ++report_.publications;
        if (const auto said = number_behind("\"re\":", message)) report_.accepted.add(now_us() - *said);
        if (plan_.rate <= 0) publish(number);
    } else if (const auto sent = number_behind("\"bench_us\":", message)) {
        ++report_.deliveries;
        report_.delivered.add(now_us() - *sent);
    }
}

}  // namespace wayleave
