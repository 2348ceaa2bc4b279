#include "daemon/broker/redis/uplink.h"

#include <algorithm>
#include <utility>

#include "daemon/base/escape.h"
#include "daemon/base/now.h"
#include "daemon/broker/redis/node_report.h"

namespace wayleave {
namespace {

constexpr int64_t test_ms = 3000;  // until a message has come back
constexpr int64_t probe_every_ms = 1000;
constexpr int most_adoptions = 5;
constexpr size_t most_left = 64;  // generations that are remembered
constexpr std::string_view schema = "1";
constexpr std::string_view test_channel = "$self-test";  // no client can name it

// Whether the data under this generation is what the server holds now.
bool fits(std::string_view held, const RedisInfo& info) {
    const size_t first = held.find(' ');
    const size_t second = held.rfind(' ');
    if (first == std::string_view::npos || first == second) return false;
    if (held.substr(0, first) != info.run_id) return false;
    // To attach the first replica, or to free the backlog, changes the replid alone.
    return held.substr(first + 1, second - first - 1) == info.replid || info.only_replid;
}

}  // namespace

std::vector<RedisLink*> RedisUplink::Links::all() {
    std::vector<RedisLink*> out{&commands, &subscriptions};
    if (publications) out.push_back(&*publications);
    return out;
}

void RedisUplink::Links::lost(const RedisFault& fault, int64_t now_ms) {
    for (RedisLink* link : all()) link->lost(fault, now_ms);
}

RedisUplink::RedisUplink(RedisShared& shared, RedisUser& user, const RedisAccess& access, Manner manner)
    : shared_(shared),
      user_(user),
      trust_(manner.trust),
      links_{{RedisLink::Role::commands, access, shared.random},
             {RedisLink::Role::subscriptions, access, shared.random},
             {}},
      calls_(links_.commands, shared.keys.generation(), shared.counters.calls),
      probe_channel_(shared.keys.probe(node_text(shared.node))) {
    if (manner.waits) {
        links_.publications.emplace(RedisLink::Role::publications, access, shared.random);
        waiting_calls_.emplace(*links_.publications, shared.keys.generation(), shared.counters.calls);
    }
    all_ = links_.all();
}

void RedisUplink::turn(int64_t now_ms) {
    calls_.set_now(now_ms);
    if (waiting_calls_) waiting_calls_->set_now(now_ms);
    for (RedisLink* link : all_) link->check(now_ms);
    // What is answered asks for more, and a link that goes down takes the others with it.
    for (int rounds = 0; rounds < 100; ++rounds) {
        for (RedisLink* link : all_) take(*link);
        if (met_another() && state_ == State::ready && !rechecking_) recheck();
        if (std::none_of(all_.begin(), all_.end(), [](const RedisLink* one) { return one->has_events(); }))
            break;
    }
    if (state_ == State::ready) probe();
    if ((state_ == State::testing || probed_us_ != 0) && state_ != State::down && now_ms >= late_ms_)
        close({state_ == State::testing ? "a message that was published did not come back within 3 s"
                                        : "its subscriptions have heard nothing for 3 s"});
    uint64_t dials = 0;
    for (const RedisLink* link : all_) dials += link->dials();
    shared_.counters.dials.set(dials);
}

bool RedisUplink::all_up() const {
    return std::all_of(all_.begin(), all_.end(),
                       [](const RedisLink* one) { return one->state() == RedisLink::State::up; });
}

bool RedisUplink::met_another() const {
    return calls_.met_another() || (waiting_calls_ && waiting_calls_->met_another());
}

void RedisUplink::give_up_calls(const std::string& because) {
    calls_.give_up(because);
    if (waiting_calls_) waiting_calls_->give_up(because);
}

void RedisUplink::take(RedisLink& link) {
    for (RedisLink::Event& event : link.take_events()) {
        if (std::holds_alternative<RedisLink::Up>(event)) {
            // All may have come up in one turn.
            if (all_up() && state_ == State::down) up();
        } else if (auto* down = std::get_if<RedisLink::Down>(&event)) {
            close(down->fault);
        } else if (auto* answer = std::get_if<RedisLink::Answer>(&event)) {
            answer->done(answer->reply);
        } else if (auto* one = std::get_if<RedisLink::Heard>(&event)) {
            heard(*one);
        } else if (auto* begun = std::get_if<RedisLink::Subscribed>(&event)) {
            if (begun->channel == probe_channel_) {
                if (state_ == State::testing) publish_test();
            } else {
                user_.subscribed(begun->channel);
            }
        } else if (auto* ended = std::get_if<RedisLink::Unsubscribed>(&event)) {
            if (ended->channel != probe_channel_) user_.unsubscribed(ended->channel);
        }
    }
}

// One that is down closes the others, which tell of the same fault once more.
void RedisUplink::close(const RedisFault& fault) {
    const bool was_ready = state_ == State::ready;
    state_ = State::down;
    rechecking_ = false;
    probed_us_ = 0;
    links_.lost(fault, calls_.now_ms());
    if (was_ready) user_.down(fault);
    user_.failed(fault);
}

// --- from links to one server ---

void RedisUplink::up() {
    const auto& commands = links_.commands.info();
    for (const RedisLink* link : all_) {
        if (commands.run_id != link->info().run_id) return close({"two servers answer under its name"});
    }
    info_ = commands;
    server_ahead_ms_ = info_.time_ms - calls_.now_ms();
    state_ = State::checking;
    adoptions_ = 0;
    check_schema();
}

void RedisUplink::check_schema() {
    calls_.ask({"SET", shared_.keys.schema(), schema, "NX", "GET"}, [this](const RedisReply& reply) {
        if (state_ != State::checking) return;
        // A server that is full has been used before.
        if (reply.failed() && !reply.error_is("OOM")) return close({escape_peer_text(reply.text)});
        const bool other = reply.kind == RedisReply::Kind::text && reply.text != schema;
        if (other)
            return close({"what stands under its prefix is of schema " + escape_peer_text(reply.text, 32) +
                              ", and this program knows " + std::string(schema) +
                              "; use another redis.prefix, or the program that wrote it",
                          true});
        check_generation();
    });
}

void RedisUplink::check_generation() {
    calls_.ask({"GET", shared_.keys.generation()}, [this](const RedisReply& reply) {
        if (state_ == State::down) return;
        if (reply.failed()) return close({escape_peer_text(reply.text)});
        judge(reply.text);
    });
}

// A server that was the primary before may never have heard what another one took meanwhile: what it holds
// fits it, and is older than what this node has seen.
void RedisUplink::judge(const std::string& held) {
    const bool was_left = std::find(left_.begin(), left_.end(), held) != left_.end();
    if (!was_left && (fits(held, info_) || (trust_ && !held.empty()))) return settle(held);
    if (++adoptions_ > most_adoptions) return close({"its generation changes all the time"});
    adopt(held);
}

// The word is random: a counter would begin again where the key alone is lost, and offsets with it.
void RedisUplink::adopt(const std::string& held) {
    const std::string next = info_.run_id + " " + info_.replid + " " + shared_.fresh_epoch();
    const std::string key = shared_.keys.generation();
    calls_.ask({"EVALSHA", adopt_script().hash(), "1", key, held, next},
               [this, next](const RedisReply& reply) {
                   if (state_ == State::down) return;
                   if (reply.error_is("NOSCRIPT")) {
                       calls_.ask({"SCRIPT", "LOAD", adopt_script().text()}, [](const RedisReply&) {});
                       return check_generation();
                   }
                   if (reply.failed()) return close({escape_peer_text(reply.text)});
                   if (reply.text == next) shared_.counters.forks.add();
                   judge(reply.text);
               });
}

void RedisUplink::settle(const std::string& held) {
    const bool other = held != calls_.generation();
    rechecking_ = false;
    if (other && !calls_.generation().empty()) {
        left_.push_back(calls_.generation());
        if (left_.size() > most_left) left_.pop_front();
    }
    calls_.set_generation(held);
    if (waiting_calls_) waiting_calls_->set_generation(held);
    if (state_ == State::checking) test();
    if (other) user_.forked();
}

// A call has met another generation, while the links are up.
void RedisUplink::recheck() {
    rechecking_ = true;
    adoptions_ = 0;
    calls_.ask({"INFO"}, [this](const RedisReply& reply) {
        if (state_ == State::down) return;
        auto info = read_redis_info(reply.text);
        if (!info) return close({"INFO does not say which server it is"});
        info_ = std::move(*info);
        check_generation();
    });
}

// --- proof that messages arrive ---

void RedisUplink::test() {
    state_ = State::testing;
    late_ms_ = calls_.now_ms() + test_ms;
    links_.subscriptions.subscribe({&probe_channel_, 1}, calls_.now_ms());
}

// Through the script, with all that it does: access rules that let a message be kept and not be published
// would otherwise show with the first one.
void RedisUplink::publish_test() {
    const RedisKeys& keys = shared_.keys;
    const std::string channel(test_channel);
    calls_.run(publish_script(),
               {keys.numbering(channel), keys.history(channel), keys.dedup(channel, node_text(shared_.node))},
               {probe_channel_, "test", shared_.fresh_epoch(), "1", "10000", "0"},
               [this](const RedisReply& reply) {
                   if (state_ != State::testing) return;
                   // Full: what is not kept goes on.
                   if (reply.error_is("OOM"))
                       return calls_.ask({"SPUBLISH", probe_channel_, "test"}, [](const RedisReply&) {});
                   if (reply.failed())
                       return close({"a publication to try it failed: " + escape_peer_text(reply.text) +
                                     "; the access rules that are needed are in wayleave(8), MANY MACHINES"});
               });
}

void RedisUplink::heard(RedisLink::Heard& heard) {
    if (heard.channel != probe_channel_) return user_.heard(heard.channel, heard.payload);
    if (state_ == State::testing && heard.payload.ends_with("test")) {
        state_ = State::ready;
        probed_us_ = 0;
        next_probe_ms_ = calls_.now_ms() + probe_every_ms;
        for (RedisLink* link : all_) link->settled();
        return user_.ready();
    }
    if (probed_us_ == 0 || heard.payload != std::to_string(probe_)) return;
    shared_.counters.probe_us.set(static_cast<uint64_t>(steady_us() - probed_us_));
    probed_us_ = 0;
}

void RedisUplink::probe() {
    if (probed_us_ != 0 || calls_.now_ms() < next_probe_ms_) return;
    next_probe_ms_ = calls_.now_ms() + probe_every_ms;
    late_ms_ = calls_.now_ms() + test_ms;
    probed_us_ = steady_us();
    calls_.ask({"SPUBLISH", probe_channel_, std::to_string(++probe_)}, [](const RedisReply&) {});
}

}  // namespace wayleave
