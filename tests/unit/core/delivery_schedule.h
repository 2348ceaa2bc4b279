// Random schedules of connecting, dropping, publishing, acknowledging, reading, reloading and restarting,
// held against what each client can know: in a numbered channel every message comes once and in order, or
// there is word of a gap. WAYLEAVE_SCHEDULES and WAYLEAVE_SEED choose how many, and where they begin.
#pragma once

#include <chrono>
#include <cstdlib>
#include <mutex>
#include <random>
#include <thread>
#include <tuple>

#include "tests/unit/core/gateway_fixture.h"

namespace wayleave::test {

inline const std::string policies[] = {R"(
token session { keys = file "keys.jwks"  exp = optional  from query "token"  claim sub : string required }
channel room/*  { history = 20  keep = 1h }
channel batch/* { history = 20  keep = 1h  batch = 150ms  priority = low }
channel mail/:u { history = 40  keep = 1h  acks = user  priority = urgent }
route chat /chat {
    auth = session
    origins = none
    max_queue = 8kb
    max_message = 8kb
    idle_timeout = 0s
    ping_every = 0s
    allow connect
    join mail/{user.sub}
    allow subscribe, publish on **
}
)",
                                       R"(
token session { keys = file "keys.jwks"  exp = optional  from query "token"  claim sub : string required }
channel room/*  { history = 7  keep = 1h  priority = urgent }
channel batch/* { history = 20  keep = 1h }
channel mail/:u { history = 40  keep = 1h  acks = user }
route chat /chat {
    auth = session
    origins = none
    max_queue = 8kb
    max_message = 8kb
    idle_timeout = 0s
    ping_every = 0s
    allow connect
    join mail/{user.sub}
    allow subscribe, publish on **
    message other { allow  publish to room/1 }
}
)"};

inline const std::vector<std::string> channels{"room/1", "room/2", "batch/1", "mail/ann", "mail/bob"};

class Mail final : public Inbox {
  public:
    void push(const Publication& publication) override {
        const std::lock_guard lock(mutex_);
        publications_.push_back(publication);
    }
    void answered(uint64_t ticket, BrokerAnswer answer) override {
        const std::lock_guard lock(mutex_);
        answers_.emplace_back(ticket, std::move(answer));
    }

    // At most so many publications, and all answers. False: there was nothing.
    bool deliver(Gateway& gateway, size_t most, Now now) {
        std::vector<Publication> some;
        std::vector<std::pair<uint64_t, BrokerAnswer>> answers;
        {
            const std::lock_guard lock(mutex_);
            const size_t n = std::min(most, publications_.size());
            const auto end = publications_.begin() + static_cast<std::ptrdiff_t>(n);
            some.assign(publications_.begin(), end);
            publications_.erase(publications_.begin(), end);
            answers.swap(answers_);
        }
        for (auto& [ticket, answer] : answers) gateway.answered(ticket, std::move(answer), now);
        std::span<const Publication> rest(some);
        while (!rest.empty()) {
            Allowance allowance;
            rest = rest.subspan(gateway.delivered(rest, allowance, now));
        }
        return !some.empty() || !answers.empty();
    }

  private:
    std::mutex mutex_;
    std::vector<Publication> publications_;
    std::vector<std::pair<uint64_t, BrokerAnswer>> answers_;
};

inline std::string text_after(const std::string& text, const std::string& name) {
    const size_t at = text.find(name);
    if (at == std::string::npos) return "";
    const size_t begin = at + name.size();
    return text.substr(begin, text.find_first_of(",\"}", begin) - begin);
}

// What a client knows of a channel, also when it is not connected.
struct Knowledge {
    bool subscribed = false;  // on this connection, and it was told
    bool asked = false;       // `$subscribe` is on its way
    std::string epoch;
    uint64_t offset = 0;  // of the last message that it has
    uint64_t asked_since = 0;
    bool known = false;      // it has a position
    uint64_t top = 0;        // of the channel when the subscription began
    bool by_cursor = false;  // and it begins where the user's cursor is
    bool whole = true;       // and nothing behind the cursor is gone
};

struct Client {
    std::string user;
    size_t worker = 0;
    std::optional<ConnectionId> id;
    std::string unread;
    bool head = true;
    std::map<std::string, Knowledge> channels;
};

class Schedule {
  public:
    // Workers are spread over so many nodes, each with a broker of its own, and clients over all of them.
    Schedule(uint64_t seed, std::function<std::unique_ptr<Broker>()> make, size_t steps, size_t nodes = 1,
             std::function<void(size_t)> fault = {})
        : make_(std::move(make)), fault_(std::move(fault)), nodes_(nodes), random_(seed), steps_(steps) {
        for (const std::string& text : policies) policies_.push_back(policy_from(text));
        for (const char* user : {"ann", "ann", "bob", "bob", "eve", "eve"})
            clients_.push_back({user, 0, {}, {}, true, {}});
        start();
    }

    void run() {
        for (size_t i = 0; i < steps_; ++i) step();
        settle();
    }

  private:
    size_t below(size_t most) { return std::uniform_int_distribution<size_t>(0, most - 1)(random_); }

    void start() {
        workers_.clear();
        for (size_t i = 0; i < nodes_; ++i) {
            Machine& machine = machines_.emplace_back();
            machine.broker = make_();
            machine.presence = std::make_unique<LocalPresence>(
                [broker = machine.broker.get()](const Publication& message) { broker->announce(message); });
        }
        for (uint32_t i = 0; i < (nodes_ == 1 ? 3 : 2 * nodes_); ++i) {
            Machine& machine = machines_[i % nodes_];
            auto& worker = *workers_.emplace_back(std::make_unique<Node>());
            const uint32_t number = machine.broker->add_worker(worker.mail);
            REQUIRE(number == i / nodes_);
            worker.gateway = std::make_unique<Gateway>(
                number, GatewayShared{*machine.broker, *machine.presence, slots_, limits_, bans_},
                worker.counters, runtime());
        }
    }

    // As after a kill: nothing of the daemon is left but what its broker has on disk.
    void restart() {
        for (Client& client : clients_) gone(client);
        for (auto& worker : workers_) worker->gateway.reset();
        machines_.clear();
        start();
    }

    std::shared_ptr<const Runtime> runtime() {
        auto out = std::make_shared<Runtime>();
        out->policy = policies_[generation_ % policies_.size()];
        out->verifier = std::make_shared<OpenVerifier>();
        out->generation = generation_;
        out->settings.broker_timeout_ms = 1'000'000'000;
        return out;
    }

    void step() {
        Client& client = clients_[below(clients_.size())];
        switch (below(24)) {
            case 0: return drop(client);
            case 1:
            case 2:
            case 3: return connect(client);
            case 4:
            case 5: return subscribe(client);
            case 6: return unsubscribe(client);
            case 7:
            case 8: return acknowledge(client);
            case 9: return reload();
            case 10:
                if (fault_ && below(8) == 0) return fault_(below(100));
                return below(40) == 0 ? restart() : connect(client);
            case 11:
            case 12: return tick(1 + static_cast<int64_t>(below(200)));
            case 13:
            case 14:
            case 15:
            case 16: return deliver(1 + below(4));
            case 17:
            case 18:
            case 19: (void)read(client, 1 + below(6000)); return;
            default:
                for (size_t i = 1 + below(5); i > 0; --i) publish(clients_[below(clients_.size())]);
        }
    }

    Gateway& gateway(const Client& client) { return *workers_[client.worker]->gateway; }

    void say(Client& client, const std::string& text) {
        if (!client.id) return;
        std::string bytes = masked(Opcode::text, text);
        gateway(client).received(*client.id, bytes, now_);
    }

    void connect(Client& client) {
        if (client.id) return;
        client.worker = below(workers_.size());
        client.id = gateway(client).opened({*dsl::parse_address("10.0.0.1"), false}, now_);
        client.head = true;
        client.unread.clear();
        std::string head = "GET /chat?token={\"sub\":\"" + client.user +
                           "\"} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
        gateway(client).received(*client.id, head, now_);
    }

    void drop(Client& client) {
        if (!client.id) return;
        gateway(client).closed(*client.id, now_);
        gone(client);
    }

    static void gone(Client& client) {
        client.id.reset();
        for (auto& [name, knowledge] : client.channels) knowledge.subscribed = knowledge.asked = false;
    }

    void subscribe(Client& client) {
        if (!client.id || client.head) return;
        const std::string& channel = channels[below(channels.size())];
        Knowledge& known = client.channels[channel];
        if (known.asked) return;
        std::string since;
        known.asked_since = UINT64_MAX;
        if (known.known && below(3) > 0) {
            since = R"(,"since":{"epoch":")" + known.epoch + R"(","offset":)" + std::to_string(known.offset) +
                    "}";
            known.asked_since = known.offset;
        }
        known.asked = true;
        say(client, R"({"type":"$subscribe","$id":"s","channel":")" + channel + "\"" + since + "}");
    }

    void unsubscribe(Client& client) {
        const std::string& channel = channels[below(channels.size())];
        if (!client.id || !client.channels[channel].subscribed || client.channels[channel].asked) return;
        client.channels[channel].asked = true;  // nothing more is asked until it is answered
        say(client, R"({"type":"$unsubscribe","$id":"u","channel":")" + channel + "\"}");
    }

    void acknowledge(Client& client) {
        const std::string channel = "mail/" + client.user;
        const auto known = client.channels.find(channel);
        if (known == client.channels.end() || !known->second.subscribed || known->second.offset == 0) return;
        uint64_t& most = acknowledged_[{known->second.epoch, channel, client.user}];
        most = std::max(most, known->second.offset);
        say(client, R"({"type":"$ack","channel":")" + channel + R"(","epoch":")" + known->second.epoch +
                        R"(","offset":)" + std::to_string(known->second.offset) + "}");
    }

    void publish(Client& client) {
        const std::string& channel = channels[below(channels.size())];
        say(client, R"({"type":"$publish","channel":")" + channel + R"(","data":{"n":)" +
                        std::to_string(++published_) + R"(,"text":")" + std::string(below(700), 'x') +
                        R"("}})");
    }

    void reload() {
        ++generation_;
        const auto next = runtime();
        for (auto& worker : workers_) worker->gateway->replace(next, now_);
    }

    void tick(int64_t ms) {
        now_.steady_ms += ms;
        now_.wall_ms += ms;
        for (auto& worker : workers_) {
            worker->gateway->release(now_);
            worker->gateway->tick(now_);
        }
    }

    void deliver(size_t most) {
        Node& worker = *workers_[below(workers_.size())];
        (void)worker.mail.deliver(*worker.gateway, most, now_);
    }

    // The client takes so many bytes, and looks at what is complete.
    bool read(Client& client, size_t bytes) {
        if (!client.id) return false;
        SendQueue* queue = gateway(client).output(*client.id);
        if (!queue) {
            gone(client);
            return false;
        }
        if (queue->empty()) return false;
        std::vector<char> scratch;
        const auto piece = queue->gather(scratch, bytes);
        const size_t size = piece.size();
        client.unread += piece;
        queue->consume(size);
        gateway(client).sent(*client.id, size, now_);
        if (queue->bytes() > 0) gateway(client).blocked(*client.id, now_);
        look(client);
        return true;
    }

    void look(Client& client) {
        std::string& bytes = client.unread;
        if (client.head) {
            const size_t end = bytes.find("\r\n\r\n");
            if (end == std::string::npos) return;
            REQUIRE(bytes.starts_with("HTTP/1.1 101"));
            bytes.erase(0, end + 4);
            client.head = false;
        }
        while (bytes.size() >= 2 && client.id) {
            size_t size = static_cast<unsigned char>(bytes[1]);
            size_t head = 2;
            if (size == 126) {
                if (bytes.size() < 4) return;
                size = static_cast<size_t>(static_cast<unsigned char>(bytes[2])) << 8U |
                       static_cast<unsigned char>(bytes[3]);
                head = 4;
            }
            if (bytes.size() < head + size) return;
            const std::string text = bytes.substr(head, size);
            const bool close = (bytes[0] & 15) == 8;
            bytes.erase(0, head + size);
            if (close) return drop(client);
            hear(client, text);
        }
    }

    void hear(Client& client, const std::string& text) {
        INFO(client.user << " hears " << text.substr(0, 200));
        if (text.starts_with(R"({"type":"$hello")")) return greeted(client, text);
        if (text.starts_with(R"({"type":"$subscribed")")) return subscribed(client, text);
        if (text.starts_with(R"({"type":"$unsubscribed")")) {
            Knowledge& known = client.channels[text_after(text, R"("channel":")")];
            known.subscribed = known.asked = false;
            return;
        }
        if (text.starts_with(R"({"type":"$bye")") || text.starts_with(R"({"type":"$ok")")) return;
        // Another kind of word is an error, but for an acknowledgement of what a restart has forgotten.
        if (!text.starts_with(R"({"$":)")) {
            const bool forgotten = text.find("of this epoch and offset") != std::string::npos;
            const bool left = text.find("no subscription to this channel") != std::string::npos;
            REQUIRE((forgotten || left));
            return;
        }
        Knowledge& known = client.channels[text_after(text, R"("channel":")")];
        REQUIRE(known.subscribed);
        const std::string epoch = text_after(text, R"("epoch":")");
        const uint64_t offset = std::stoull(text_after(text, R"("offset":)"));
        const std::string n = text_after(text, R"("n":)");
        REQUIRE(epoch == known.epoch);
        if (known.by_cursor) first_of_mail(client.user, known, text_after(text, R"("channel":")"), offset);
        REQUIRE(offset == known.offset + 1);
        known.offset = offset;
        const auto [it, fresh] = log_.try_emplace({epoch, offset, text_after(text, R"("channel":")")}, n);
        REQUIRE(it->second == n);  // an offset is one message, whoever hears it
    }

    // The joined channel of its own mail, which goes on behind its cursor.
    void greeted(Client& client, const std::string& text) {
        const std::string channel = text_after(text, R"({"channel":")");
        if (channel.empty() || text.find("\"offset\"") == std::string::npos) return;  // `$subscribed` follows
        begin(client.channels[channel], text, true);
    }

    void subscribed(Client& client, const std::string& text) {
        const std::string channel = text_after(text, R"("channel":")");
        Knowledge& known = client.channels[channel];
        const bool answer = text.find("\"re\":") != std::string::npos;
        const bool mail = channel.starts_with("mail/");
        const bool since = answer && known.asked_since != UINT64_MAX;
        if (answer) known.asked = false;
        if (since && text.find("\"recovered\":true") != std::string::npos) {
            REQUIRE(known.epoch == text_after(text, R"("epoch":")"));
            known.subscribed = true;
            known.by_cursor = false;
            known.offset = known.asked_since;
            known.top = std::stoull(text_after(text, R"("offset":)"));
            return;
        }
        begin(known, text, mail);
    }

    // Where the client cannot know what comes next: of a user's own mail it is what is not acknowledged, of
    // all other channels what comes after the top.
    static void begin(Knowledge& known, const std::string& text, bool by_cursor) {
        known.known = known.subscribed = true;
        known.epoch = text_after(text, R"("epoch":")");
        known.offset = std::stoull(text_after(text, R"("offset":)"));
        known.top = known.offset;
        known.by_cursor = by_cursor;
        known.whole = text.find("\"recovered\":false") == std::string::npos;
    }

    // Of somebody's own mail the first message says where it begins: behind what any device has acknowledged,
    // and with nothing left out.
    void first_of_mail(const std::string& user, Knowledge& known, const std::string& channel,
                       uint64_t offset) {
        known.by_cursor = false;
        REQUIRE(offset <= known.top + 1);
        if (known.whole) REQUIRE(offset <= acknowledged_[{known.epoch, channel, user}] + 1);
        known.offset = offset - 1;
    }

    // Everything is read and delivered: who is subscribed has come to the top.
    void settle() {
        for (int round = 0; round < 20'000; ++round) {
            tick(200);
            bool busy = false;
            for (auto& worker : workers_) {
                while (worker->mail.deliver(*worker->gateway, 100, now_)) busy = true;
            }
            for (Client& client : clients_) {
                while (read(client, 100'000)) busy = true;
            }
            if (busy) continue;
            if (behind().empty()) return;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        FAIL("after all was read: " << behind());
    }

    // Somebody who has not come to where the channel's newest message is, as far as anybody has heard.
    std::string behind() {
        std::map<std::pair<std::string, std::string>, uint64_t> tops;
        for (const auto& [key, n] : log_) {
            uint64_t& top = tops[{std::get<0>(key), std::get<2>(key)}];
            top = std::max(top, std::get<1>(key));
        }
        for (const Client& client : clients_) {
            if (!client.id) continue;
            for (const auto& [channel, known] : client.channels) {
                if (known.asked) return client.user + " waits for an answer about " + channel;
                if (!known.subscribed) continue;
                const uint64_t top = std::max(known.top, tops[{known.epoch, channel}]);
                // Nothing may have come of what was all acknowledged.
                const bool nothing = known.by_cursor && known.top == top;
                if (!nothing && known.offset != top)
                    return client.user + " is at " + std::to_string(known.offset) + " of " +
                           std::to_string(top) + " in " + channel;
            }
        }
        return "";
    }

    struct Node {
        Mail mail;
        Counters counters;
        std::unique_ptr<Gateway> gateway;
    };

    struct Machine {
        std::unique_ptr<Broker> broker;
        std::unique_ptr<LocalPresence> presence;
    };

    std::function<std::unique_ptr<Broker>()> make_;
    std::function<void(size_t)> fault_;
    size_t nodes_;
    std::mt19937_64 random_;
    size_t steps_;
    std::vector<std::shared_ptr<const dsl::Policy>> policies_;
    LimitTable limits_;
    BanTable bans_;
    std::vector<std::unique_ptr<Node>> workers_;
    std::vector<Machine> machines_;  // their brokers end before the inboxes that they fill
    SeenSlots slots_;
    std::vector<Client> clients_;
    std::map<std::tuple<std::string, uint64_t, std::string>, std::string> log_;  // epoch, offset, channel
    std::map<std::tuple<std::string, std::string, std::string>, uint64_t>
        acknowledged_;  // epoch, channel, user
    Now now_{1'000'000, 1'700'000'000'000};
    uint64_t generation_ = 1;
    uint64_t published_ = 0;
};

inline uint64_t from_environment(const char* name, uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

}  // namespace wayleave::test
