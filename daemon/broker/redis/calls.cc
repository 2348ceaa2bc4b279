#include "daemon/broker/redis/calls.h"

#include <utility>

namespace wayleave {
namespace {

constexpr int most_repeats = 3;

}  // namespace

void RedisCalls::ask(const RedisWords& words, Done done) {
    calls_.add();
    link_.ask(words, std::move(done), now_ms_);
}

void RedisCalls::run(const RedisScript& script, std::vector<std::string> keys,
                     std::vector<std::string> arguments, Done done) {
    send(std::make_shared<Call>(Call{&script, std::move(keys), std::move(arguments), std::move(done)}));
}

void RedisCalls::run_now(const RedisScript& script, std::vector<std::string> keys,
                         std::vector<std::string> arguments, Done done) {
    send(
        std::make_shared<Call>(Call{&script, std::move(keys), std::move(arguments), std::move(done), false}));
}

void RedisCalls::send(const std::shared_ptr<Call>& call) {
    const std::string count = std::to_string(call->keys.size() + 1);
    const std::string word = generation_.word();
    RedisWords words{"EVALSHA", call->script->hash(), count, generation_key_};
    words.reserve(words.size() + call->keys.size() + call->arguments.size() + 2);
    words.insert(words.end(), call->keys.begin(), call->keys.end());
    words.emplace_back(generation_.held);
    words.emplace_back(word);
    words.insert(words.end(), call->arguments.begin(), call->arguments.end());
    ask(words, [this, call](const RedisReply& reply) { answered(call, reply); });
}

void RedisCalls::answered(const std::shared_ptr<Call>& call, const RedisReply& reply) {
    if (reply.error_is("NOSCRIPT") && call->loads++ < most_repeats) {
        ask({"SCRIPT", "LOAD", call->script->text()}, [](const RedisReply&) {});
        return send(call);
    }
    // Nothing was done.
    if (reply.error_is("FORK")) {
        met_another_ = true;
        if (call->waits && call->forks++ < most_repeats) return parked_.push_back(call);
    }
    call->done(reply);
}

void RedisCalls::set_generation(std::string held) {
    generation_.held = std::move(held);
    met_another_ = false;
    for (const auto& call : std::exchange(parked_, {})) send(call);
}

void RedisCalls::give_up(const std::string& because) {
    for (const auto& call : std::exchange(parked_, {})) call->done({RedisReply::Kind::lost, 0, because, {}});
}

}  // namespace wayleave
