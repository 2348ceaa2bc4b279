#include "daemon/broker/redis/link.h"

#include <algorithm>
#include <array>
#include <utility>

#include "daemon/base/escape.h"
#include "daemon/broker/redis/entry.h"
#include "daemon/broker/redis/scripts.h"

namespace wayleave {
namespace {

constexpr size_t most_names = 512;     // of one command
constexpr size_t most_reserved = 256;  // events
constexpr int64_t least_wait_ms = 50;
constexpr uint64_t least_version = 7;
constexpr size_t id_size = 40;

std::string_view field(std::string_view info, std::string_view name) {
    for (size_t at = 0; at < info.size();) {
        const size_t end = std::min(info.find("\r\n", at), info.size());
        const std::string_view line = info.substr(at, end - at);
        if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == ':')
            return line.substr(name.size() + 1);
        at = end + 2;
    }
    return {};
}

// With these the server is of no more use, whatever else it may answer.
bool ends_the_link(const RedisReply& reply) {
    constexpr std::array codes = {"READONLY", "MASTERDOWN", "LOADING", "NOAUTH"};
    return std::any_of(codes.begin(), codes.end(), [&](const char* code) { return reply.error_is(code); });
}

RedisFault unfit_version(std::string_view version) {
    return {"it is version " + escape_peer_text(version, 32) + "; 7.0 or newer is needed", true};
}

}  // namespace

std::optional<RedisInfo> read_redis_info(std::string_view text) {
    const std::string_view run_id = field(text, "run_id");
    const std::string_view replid = field(text, "master_replid");
    const auto milliseconds = read_number(field(text, "server_time_usec").substr(0, 13));
    if (run_id.size() != id_size || replid.size() != id_size || !milliseconds) return std::nullopt;
    std::optional<RedisInfo> info(std::in_place);
    info->run_id = run_id;
    info->replid = replid;
    info->only_replid = field(text, "master_replid2").find_first_not_of('0') == std::string_view::npos;
    info->time_ms = static_cast<int64_t>(*milliseconds);
    return info;
}

RedisLink::RedisLink(Role role, RedisAccess access, std::function<uint64_t()> random)
    : role_(role), access_(std::move(access)), random_(std::move(random)) {}

// --- open and closed ---

bool RedisLink::wants_opening(int64_t now_ms) const {
    return state_ == State::waiting && now_ms >= deadline_ms_;
}

void RedisLink::open(int64_t now_ms) {
    state_ = State::opening;
    deadline_ms_ = now_ms + open_ms;
    ++dials_;
}

void RedisLink::opened(int64_t now_ms) {
    if (state_ != State::opening) return;
    state_ = State::greeting;  // within what is left of the time
    reader_ = std::make_unique<RedisReplyReader>();
    greet(now_ms);
}

void RedisLink::lost(const RedisFault& fault, int64_t now_ms) {
    if (state_ != State::waiting) close(fault, now_ms);
}

void RedisLink::close(const RedisFault& fault, int64_t now_ms) {
    // Before the answers: who hears that one is lost knows then why.
    events_.push_back(Down{fault});
    for (Pending& pending : std::exchange(pending_, {})) {
        if (pending.done)
            events_.push_back(
                Answer{std::move(pending.done), {RedisReply::Kind::lost, 0, fault.because, {}}});
    }
    output_.clear();
    reader_.reset();
    state_ = State::waiting;
    // Any moment up to the bound, so that the nodes do not all come back at once.
    const int64_t most = std::min(most_wait_ms, least_wait_ms << std::min(failures_, 10U));
    deadline_ms_ = now_ms + static_cast<int64_t>(random_() % static_cast<uint64_t>(most + 1));
    ++failures_;
}

void RedisLink::arm(int64_t now_ms) {
    if (state_ != State::up) return;
    deadline_ms_ =
        pending_.empty() ? std::max(spoke_ms_ + quiet_ms, now_ms) : pending_.front().since_ms + command_ms;
}

void RedisLink::check(int64_t now_ms) {
    if (state_ == State::waiting || now_ms < deadline_ms_) return;
    if (state_ == State::opening) return close({"it cannot be reached within 3 s"}, now_ms);
    if (state_ == State::greeting) return close({"it does not greet within 3 s"}, now_ms);
    if (!pending_.empty()) return close({"it has not answered for 2 s"}, now_ms);
    write(Step::ping, {"PING"}, now_ms);
}

// --- greeting ---

// All at once; the answers come in order, and the first that is wrong ends it.
void RedisLink::greet(int64_t now_ms) {
    if (!access_.password.empty() && access_.user.empty())
        write(Step::plain, {"AUTH", access_.password}, now_ms);
    if (!access_.password.empty() && !access_.user.empty())
        write(Step::plain, {"AUTH", access_.user, access_.password}, now_ms);
    if (of_sentinel()) return write(Step::role, {"ROLE"}, now_ms);
    const std::string database = std::to_string(access_.database);
    if (access_.database != 0) write(Step::plain, {"SELECT", database}, now_ms);
    write(Step::plain, {"CLIENT", "SETNAME", access_.name}, now_ms);
    write(Step::info, {"INFO"}, now_ms);
    write(Step::role, {"ROLE"}, now_ms);
    if (role_ == Role::subscriptions) return;
    // Answered at once: whether it may be asked at all.
    if (role_ == Role::publications) write(Step::plain, {"WAIT", "0", "0"}, now_ms);
    for (const RedisScript* script : all_scripts()) {
        write(Step::script, {"SCRIPT", "LOAD", script->text()}, now_ms);
        pending_.back().expected = script->hash();
    }
}

std::string RedisLink::refused(const RedisReply& reply) const {
    const std::string said = escape_peer_text(reply.text);
    if (reply.error_is("NOAUTH"))
        return "it wants a password: set redis.password_file, and redis.user where it is not the default "
               "user";
    if (reply.error_is("WRONGPASS"))
        return "it does not know the user or the password; look at redis.user and redis.password_file";
    if (reply.error_is("NOPERM"))
        return "its access rules forbid what is needed: " + said +
               "; the line that they need is in wayleave(8), MANY MACHINES";
    return said;
}

void RedisLink::take_greeting(const Pending& step, const RedisReply& reply, int64_t now_ms) {
    if (reply.failed()) return close({refused(reply)}, now_ms);
    if (step.step == Step::script && reply.text != step.expected)
        return close({"it names a script by another hash"}, now_ms);
    if (step.step == Step::role) {
        if (reply.kind != RedisReply::Kind::list || reply.items.empty())
            return close({"it does not say what it is"}, now_ms);
        if (of_sentinel() && reply.items[0].text != "sentinel")
            return close({"it is no Sentinel but a " + escape_peer_text(reply.items[0].text, 32)}, now_ms);
        if (!of_sentinel() && reply.items[0].text != "master")
            return close({"it is no primary but a " + escape_peer_text(reply.items[0].text, 32)}, now_ms);
    }
    if (step.step == Step::info) {
        const std::string_view version = field(reply.text, "redis_version");
        const auto major = read_number(version.substr(0, version.find('.')));
        if (!major || *major < least_version) return close(unfit_version(version), now_ms);
        if (field(reply.text, "loading") == "1") return close({"it is loading its data"}, now_ms);
        if (const auto policy = field(reply.text, "maxmemory_policy"); policy != "noeviction")
            return close({"its maxmemory-policy is " + escape_peer_text(policy, 32) +
                          ", with which it forgets what it has answered; set maxmemory-policy noeviction"},
                         now_ms);
        auto info = read_redis_info(reply.text);
        if (!info) return close({"INFO does not say which server it is"}, now_ms);
        info_ = std::move(*info);
    }
    if (!pending_.empty()) return;
    state_ = State::up;
    events_.push_back(Up{info_});
}

// --- what comes ---

void RedisLink::received(std::string_view bytes, int64_t now_ms) {
    if (state_ != State::greeting && state_ != State::up) return;
    if (const Status fed = reader_->feed(bytes); !fed)
        return close({"it speaks no RESP: " + fed.error()}, now_ms);
    while (state_ == State::greeting || state_ == State::up) {
        auto reply = reader_->next();
        if (!reply) return close({"it speaks no RESP: " + escape_peer_text(reply.error())}, now_ms);
        if (!*reply) break;
        take(**reply, now_ms);
    }
    arm(now_ms);
}

void RedisLink::take(RedisReply& reply, int64_t now_ms) {
    const bool listens = role_ == Role::subscriptions || role_ == Role::sentinel_news;
    if (state_ == State::up && listens && take_pushed(reply, now_ms)) return;
    if (pending_.empty()) return close({"it sends what nobody asked for"}, now_ms);
    Pending pending = std::move(pending_.front());
    pending_.pop_front();
    if (state_ == State::greeting) return take_greeting(pending, reply, now_ms);
    const bool subscription = pending.step == Step::subscribe || pending.step == Step::unsubscribe;
    if (subscription) return close({refused(reply)}, now_ms);
    const bool over = ends_the_link(reply);
    const std::string said = over ? escape_peer_text(reply.text) : "";
    if (pending.step == Step::asked) events_.push_back(Answer{std::move(pending.done), std::move(reply)});
    if (over) close({said}, now_ms);
}

// What comes to who subscribes, in its own shape.
bool RedisLink::take_pushed(RedisReply& reply, int64_t now_ms) {
    if (reply.kind != RedisReply::Kind::list || reply.items.size() < 2) return false;
    const std::string& kind = reply.items[0].text;
    if (kind == "pong" && !pending_.empty() && pending_.front().step == Step::ping) {
        pending_.pop_front();
        return true;
    }
    if (reply.items.size() != 3) return false;
    std::string& channel = reply.items[1].text;
    const bool news = role_ == Role::sentinel_news;
    if (kind == (news ? "message" : "smessage")) {
        events_.push_back(Heard{std::move(channel), std::move(reply.items[2].text)});
        return true;
    }
    if (kind == (news ? "subscribe" : "ssubscribe")) {
        events_.push_back(Subscribed{std::move(channel)});
        confirm(Step::subscribe, now_ms);
        return true;
    }
    if (news || kind != "sunsubscribe") return false;
    events_.push_back(Unsubscribed{std::move(channel)});
    // Redis also says it unasked, where the channel's slot has moved.
    if (!pending_.empty() && pending_.front().step == Step::unsubscribe) confirm(Step::unsubscribe, now_ms);
    return true;
}

void RedisLink::confirm(Step step, int64_t now_ms) {
    if (pending_.empty() || pending_.front().step != step)
        return close({"it confirms what nobody asked for"}, now_ms);
    if (--pending_.front().left == 0) pending_.pop_front();
}

// --- what is asked ---

void RedisLink::write(Step step, const RedisWords& words, int64_t now_ms, Done done, size_t left) {
    append_command(output_, words);
    pending_.push_back({step, now_ms, std::move(done), left, {}});
    spoke_ms_ = now_ms;
    arm(now_ms);
}

void RedisLink::ask(const RedisWords& words, Done done, int64_t now_ms) {
    if (state_ == State::up) return write(Step::asked, words, now_ms, std::move(done));
    events_.push_back(Answer{std::move(done), {RedisReply::Kind::lost, 0, "Redis is not connected", {}}});
}

void RedisLink::subscribe(std::span<const std::string> channels, int64_t now_ms) {
    for (; state_ == State::up && !channels.empty();
         channels = channels.subspan(std::min(most_names, channels.size()))) {
        const auto some = channels.first(std::min(most_names, channels.size()));
        RedisWords words{"SSUBSCRIBE"};
        words.insert(words.end(), some.begin(), some.end());
        write(Step::subscribe, words, now_ms, {}, some.size());
    }
}

void RedisLink::unsubscribe(std::span<const std::string> channels, int64_t now_ms) {
    for (; state_ == State::up && !channels.empty();
         channels = channels.subspan(std::min(most_names, channels.size()))) {
        const auto some = channels.first(std::min(most_names, channels.size()));
        RedisWords words{"SUNSUBSCRIBE"};
        words.insert(words.end(), some.begin(), some.end());
        write(Step::unsubscribe, words, now_ms, {}, some.size());
    }
}

void RedisLink::subscribe_to_news(std::span<const std::string_view> channels, int64_t now_ms) {
    if (state_ != State::up) return;
    RedisWords words{"SUBSCRIBE"};
    words.insert(words.end(), channels.begin(), channels.end());
    write(Step::subscribe, words, now_ms, {}, channels.size());
}

std::vector<RedisLink::Event> RedisLink::take_events() {
    auto out = std::exchange(events_, {});
    events_.reserve(std::min(out.size(), most_reserved));  // about as many again
    return out;
}

}  // namespace wayleave
