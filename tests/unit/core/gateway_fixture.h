// A gateway with a policy in text, a broker that delivers at once, and clients made of bytes: no socket, no
// clock.
#pragma once

#include <catch2/catch.hpp>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/broker/local_presence.h"
#include "daemon/broker/memory/broker.h"
#include "daemon/decision/bans.h"
#include "daemon/decision/limits.h"
#include "daemon/protocol/websocket.h"
#include "daemon/session/gateway.h"
#include "dsl/compile/compile.h"
#include "dsl/syntax/load.h"

namespace wayleave::test {

inline std::shared_ptr<const dsl::Policy> policy_from(const std::string& text) {
    dsl::Sources sources;
    dsl::Diagnostics diagnostics;
    dsl::load_text("test.route", text, sources, diagnostics);
    auto policy = dsl::compile(
        sources, [](const std::string&) { return failure("no files here"); }, diagnostics);
    INFO(dsl::render(diagnostics, sources, false));
    REQUIRE(policy);
    return policy;
}

// Takes a token's text for its claims: `{"sub":"alice"}`; "bad" is a wrong signature, and about
// "ask…" somebody must be asked.
class OpenVerifier final : public TokenVerifier {
  public:
    Proof verify(const Credential& credential, Now) const override {
        seen.push_back(credential);
        if (credential.text == "bad") return Proof::refused("the signature is wrong");
        if (credential.text.starts_with("ask")) return Proof::pending();
        const auto it = tokens.find(credential.text);
        return Proof::good(it == tokens.end() ? credential.text : it->second);
    }
    std::map<std::string, std::string, std::less<>> tokens;
    mutable std::vector<Credential> seen;
};

// The memory broker for one worker. It can be told to answer later, as one with a disk or a network does.
class LocalBroker final : public Broker, public Inbox {
  public:
    LocalBroker() { (void)memory.add_worker(*this); }

    uint32_t add_worker(Inbox&) override { return 0; }
    void subscribe(uint32_t worker, std::string_view channel) override {
        ++channels[std::string(channel)];
        memory.subscribe(worker, channel);
    }
    [[nodiscard]] bool heard(std::string_view channel) const override { return memory.heard(channel); }
    void unsubscribe(uint32_t worker, std::string_view channel) override {
        channels.erase(std::string(channel));
        memory.unsubscribe(worker, channel);
    }
    std::optional<Receipt> publish(Draft draft, Ticket ticket) override {
        return perhaps_later(memory.publish(std::move(draft), ticket), ticket);
    }
    std::optional<Page> read(Query query, Ticket ticket) override {
        if (unreadable) return Page{{}, 0, false, false, {}, "the disk is gone"};
        return perhaps_later(memory.read(std::move(query), ticket), ticket);
    }
    std::optional<Receipt> acknowledge(Cursor cursor, Ticket ticket) override {
        return perhaps_later(memory.acknowledge(std::move(cursor), ticket), ticket);
    }
    void delivered(Cursor cursor) override { memory.delivered(std::move(cursor)); }
    std::optional<Progress> progress(Cursor cursor, Ticket ticket) override {
        return perhaps_later(memory.progress(std::move(cursor), ticket), ticket);
    }
    void announce(const Publication& message) override { memory.announce(message); }
    void tick(Now now) override { memory.tick(now); }
    [[nodiscard]] BrokerTotals totals() const override { return memory.totals(); }

    void push(const Publication& publication) override { pending.push_back(publication); }
    void answered(uint64_t ticket, BrokerAnswer answer) override {
        answers.emplace_back(ticket, std::move(answer));
    }

    MemoryBroker memory;
    bool later = false;
    bool unreadable = false;
    std::map<std::string, int> channels;
    std::vector<Publication> pending;
    std::vector<std::pair<uint64_t, BrokerAnswer>> answers;

    template <class Answer>
    std::optional<Answer> perhaps_later(std::optional<Answer> answer, Ticket ticket) {
        if (!later) return answer;
        answers.emplace_back(ticket.number, std::move(*answer));
        return std::nullopt;
    }
};

// Who is there, told at once or later, as the broker does.
class PatientPresence final : public Presence {
  public:
    explicit PatientPresence(LocalBroker& broker)
        : broker_(broker), local([&broker](const Publication& message) { broker.announce(message); }) {}

    void appear(std::string_view channel, std::string_view user, const PresenceRules& rules,
                Now now) override {
        local.appear(channel, user, rules, now);
    }
    void disappear(std::string_view channel, std::string_view user, const PresenceRules& rules,
                   Now now) override {
        local.disappear(channel, user, rules, now);
    }
    std::optional<Roster> present(std::string_view channel, uint32_t limit, Ticket ticket) override {
        return broker_.perhaps_later(local.present(channel, limit, ticket), ticket);
    }
    void tick(Now now) override { local.tick(now); }

  private:
    LocalBroker& broker_;

  public:
    LocalPresence local;
};

// The oldest makes room.
class SeenSlots final : public ConnectionSlots {
  public:
    void take(std::string_view key, int64_t most, const SlotHolder& holder) override {
        auto& held = holders[std::string(key)];
        for (; static_cast<int64_t>(held.size()) >= most; held.erase(held.begin()))
            evicted.push_back(held.front());
        held.push_back(holder);
    }
    void leave(std::string_view key, const SlotHolder& holder) override {
        std::erase(holders[std::string(key)], holder);
    }

    std::map<std::string, std::vector<SlotHolder>> holders;
    std::vector<SlotHolder> evicted;
};

inline std::string masked(Opcode opcode, std::string payload, bool final = true) {
    std::string out;
    out += static_cast<char>((final ? 0x80 : 0) | static_cast<int>(opcode));
    if (payload.size() < 126) {
        out += static_cast<char>(0x80 | payload.size());
    } else {
        out += static_cast<char>(0x80 | 126);
        out += static_cast<char>(payload.size() >> 8);
        out += static_cast<char>(payload.size() & 0xff);
    }
    const char key[4] = {1, 2, 3, 4};
    out.append(key, 4);
    for (size_t i = 0; i < payload.size(); ++i) out += static_cast<char>(payload[i] ^ key[i % 4]);
    return out;
}

struct World {
    explicit World(const std::string& policy, GatewaySettings settings = {.log_connections = false}) {
        runtime->policy = policy_from(policy);
        runtime->verifier = verifier;
        runtime->settings = settings;
        gateway = std::make_unique<Gateway>(0, GatewayShared{broker, presence, slots, limits, bans}, counters,
                                            runtime);
    }

    ConnectionId connect(const std::string& path = "/chat", const std::string& headers = "",
                         const std::string& ip = "10.0.0.1") {
        const ConnectionId id = gateway->opened({*dsl::parse_address(ip), false}, now);
        feed(id, "GET " + path +
                     " HTTP/1.1\r\nHost: localhost:8080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
                     headers + "\r\n");
        return id;
    }
    void feed(ConnectionId id, std::string bytes) {
        gateway->received(id, bytes, now);
        turn();
    }
    void say(ConnectionId id, const std::string& text) { feed(id, masked(Opcode::text, text)); }
    void turn() {
        while (!broker.pending.empty() || (!broker.answers.empty() && !broker.later)) {
            const auto batch = std::exchange(broker.pending, {});
            deliver(batch);
            if (!broker.later) answer();
        }
    }
    // As much as comes, in one turn without an end.
    void deliver(std::span<const Publication> publications) {
        while (!publications.empty()) {
            Allowance allowance;
            publications = publications.subspan(gateway->delivered(publications, allowance, now));
        }
    }
    // What a POST brings, as the worker's edge passes it on; this world has one worker.
    void relayed() {
        for (const RelayedMessage& relayed : std::exchange(gateway->actions().relayed, {}))
            gateway->handle_relayed(relayed, now);
        for (const RelayReply& answer : std::exchange(gateway->actions().replies, {}))
            gateway->relay_reply(answer, now);
    }
    // What was asked so far.
    void answer() {
        for (auto& [ticket, answer] : std::exchange(broker.answers, {}))
            gateway->answered(ticket, std::move(answer), now);
    }
    void later(int64_t ms) {
        now.steady_ms += ms;
        now.wall_ms += ms;
        gateway->tick(now);
        turn();
    }
    // All bytes that wait for the client; it reads them.
    std::string read(ConnectionId id) {
        SendQueue* queue = gateway->output(id);
        if (!queue) return "";
        std::vector<char> scratch;
        std::string out;
        while (!queue->empty()) {
            const std::string_view piece = queue->gather(scratch, 65536);
            out += piece;
            queue->consume(piece.size());
        }
        gateway->sent(id, out.size(), now);
        turn();
        return out;
    }
    // The payloads of the server's frames, a close as "close CODE REASON".
    std::vector<std::string> frames(ConnectionId id) {
        std::string bytes = read(id);
        if (bytes.starts_with("HTTP/1.1 101")) bytes.erase(0, bytes.find("\r\n\r\n") + 4);
        std::vector<std::string> out;
        while (bytes.size() >= 2) {
            size_t size = static_cast<unsigned char>(bytes[1]);
            size_t head = 2;
            if (size == 126) {
                size = static_cast<size_t>(static_cast<unsigned char>(bytes[2])) << 8 |
                       static_cast<unsigned char>(bytes[3]);
                head = 4;
            }
            std::string payload = bytes.substr(head, size);
            const int opcode = bytes[0] & 15;
            if (opcode == 8) {
                const int code =
                    static_cast<unsigned char>(payload[0]) << 8 | static_cast<unsigned char>(payload[1]);
                payload = "close " + std::to_string(code) + " " + payload.substr(2);
            }
            if (opcode == 9) payload = "ping";
            out.push_back(payload);
            bytes.erase(0, head + size);
        }
        return out;
    }
    std::string last(ConnectionId id) {
        const auto all = frames(id);
        return all.empty() ? "" : all.back();
    }
    void gone(ConnectionId id) { gateway->closed(id, now); }

    std::shared_ptr<Runtime> runtime = std::make_shared<Runtime>();
    std::shared_ptr<OpenVerifier> verifier = std::make_shared<OpenVerifier>();
    LocalBroker broker;
    PatientPresence presence{broker};
    SeenSlots slots;
    LimitTable limits;
    BanTable bans;
    Counters counters;
    Now now{1'000'000, 1'700'000'000'000};
    std::unique_ptr<Gateway> gateway;
};

}  // namespace wayleave::test
