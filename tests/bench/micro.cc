// Times of the policy's hot paths, in nanoseconds: a decision as written, after folding, the look-up of a
// route, and what the door asks before and after it. Prints one JSON object. No threshold: what is good
// enough is for the reader to say.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "daemon/broker/channel_table.h"
#include "daemon/broker/redis/entry.h"
#include "daemon/broker/redis/reply.h"
#include "daemon/decision/admission.h"
#include "daemon/decision/bans.h"
#include "daemon/decision/counting_key.h"
#include "daemon/decision/limits.h"
#include "daemon/identity/sign.h"
#include "daemon/message/client_message.h"
#include "daemon/ops/load/token_verifier.h"
#include "dsl/compile/compile.h"
#include "dsl/policy/evaluate.h"
#include "dsl/syntax/load.h"

using namespace wayleave;
using namespace wayleave::dsl;

namespace {

std::shared_ptr<const Policy> compiled(const std::string& text) {
    Sources sources;
    Diagnostics diagnostics;
    load_text("bench.route", text, sources, diagnostics);
    auto policy = compile(
        sources, [](const std::string&) { return failure("no files"); }, diagnostics);
    if (!policy) std::fputs(render(diagnostics, sources, false).c_str(), stderr);
    return policy;
}

// Twelve rules about one message, none of which decides early: every one is asked.
const std::string twelve_rules = R"(
token session {
    keys = file "k"  exp = optional from cookie "sid"
    claim sub : string required   claim company : string required   claim plan : string required
    claim roles : set of string required   claim muted : bool required   claim level : int required
}
let office   = { 192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24, 10.0.0.0/8 }
let support  = { "support", "admin", "owner" }
route r app.example.com/ws/:company {
    auth = session
    origins = { "https://app.example.com", "https://www.example.com" }
    allow connect
    deny message if user.muted
    deny message if ip in { 198.18.0.0/15, 192.0.2.128/25 } and not (ip in office)
    deny message if user.plan == "free" and message.size > 2kb
    deny message if not (user.company == company) and not (user.roles overlaps support)
    deny message if user.level < 2 and (origin like "http://*" or not tls)
    deny message if message.type like "admin.*" and not ("admin" in user.roles)
    message task.update {
        field id : int required   field state : string required   field to : string required
        deny if state == "closed" and not ("editor" in user.roles)
        deny if state == "deleted" and user.level < 5
        deny if to == user.sub and not (user.plan in { "team", "enterprise" })
        deny if message.size > 16kb and user.plan != "enterprise"
        allow if "viewer" in user.roles and state in { "draft", "note" }
        allow if user.level > 1 and (state == "open" or state == "done") and message.size < 64kb
        publish to room/{company}
    }
})";

template <class Work>
double nanoseconds(const Work& work) {
    double best = 1e18;
    for (int round = 0; round < 7; ++round) {
        size_t count = 0;
        const auto start = std::chrono::steady_clock::now();
        std::chrono::steady_clock::duration spent{};
        do {
            for (int i = 0; i < 2000; ++i) work(count++);
            spent = std::chrono::steady_clock::now() - start;
        } while (spent < std::chrono::milliseconds(60));
        best = std::min(best,
                        std::chrono::duration<double, std::nano>(spent).count() / static_cast<double>(count));
    }
    return best;
}

volatile uint64_t sink = 0;

void decisions() {
    const auto policy = compiled(twelve_rules);
    const Route& route = *policy->routes[0];
    Facts facts;
    facts.ip = *parse_address("203.0.113.7");
    facts.tls = true;
    facts.origin = "https://app.example.com";
    facts.shape = route.shape;
    facts.values = {Value(std::string("acme")),
                    Value(std::string("u1")),
                    Value(std::string("acme")),
                    Value(std::string("team")),
                    Value(std::vector<Scalar>{std::string("dev"), std::string("editor")}),
                    Value(false),
                    Value(int64_t{3})};
    const std::vector<Value> fields{Value(int64_t{7}), Value(std::string("done")), Value(std::string("u2"))};
    Request request;
    request.facts = &facts;
    request.message_type = "task.update";
    request.message_size = 300;
    request.fields = fields;
    const RootId root = route.messages[0].decision;
    const Residual residual = fold(route.program, early_answers(route.program, request));
    const double whole = nanoseconds([&](size_t) {
        sink = sink + decide(route.program, route.program.nodes, route.program.roots[root], request);
    });
    const double folded = nanoseconds(
        [&](size_t) { sink = sink + decide(route.program, residual.nodes, residual.roots[root], request); });
    const double folding = nanoseconds([&](size_t) {
        sink = sink + fold(route.program, early_answers(route.program, request)).nodes.size();
    });
    std::printf("\"decision\":{\"atoms\":%zu,\"whole_ns\":%.0f,\"folded_ns\":%.0f,\"folding_ns\":%.0f}",
                route.program.atoms.size(), whole, folded, folding);
}

// So many rules on one route, about rooms and about companies; the one that decides is far back.
void many_rules(size_t count) {
    std::string text =
        "token session { keys = file \"k\" from cookie \"sid\" claim company : string required }\n"
        "route r /ws { auth = session origins = { none }\n";
    for (size_t i = 0; i < count / 2; ++i) {
        const std::string n = std::to_string(i);
        text += "deny subscribe if user.company == \"c" + n + "\" and channel like \"secret*\"\n";
        text += "allow subscribe on room" + n + "/* if user.company != \"c" + n + "\"\n";
    }
    const auto policy = compiled(text + "}");
    const Route& route = *policy->routes[0];
    Facts facts;
    facts.shape = route.shape;
    facts.values = {Value("c" + std::to_string(count / 2 - 3))};
    const std::string name = "room" + std::to_string(count / 2 - 5) + "/a";
    const auto channel = split_channel(name);
    Request request;
    request.facts = &facts;
    request.channel = &*channel;
    const Residual residual = fold(route.program, early_answers(route.program, request));
    const NodeId root = route.program.roots[route.subscribe];
    const NodeId folded_root = residual.roots[route.subscribe];
    const double whole =
        nanoseconds([&](size_t) { sink = sink + decide(route.program, route.program.nodes, root, request); });
    const double folded = nanoseconds(
        [&](size_t) { sink = sink + decide(route.program, residual.nodes, folded_root, request); });
    std::printf(",\"rules_%zu_ns\":%.0f,\"rules_%zu_folded_ns\":%.0f", count, whole, count, folded);
}

void routing(size_t count) {
    std::string text;
    for (size_t i = 0; i < count; ++i) {
        const std::string n = std::to_string(i);
        // Three shapes in turn: a host of its own, a capture in the middle, a typed capture at the end.
        const std::string address = i % 3 == 0   ? "h" + n + ".example.com/ws/:room"
                                    : i % 3 == 1 ? "/app" + n + "/:tenant/ws"
                                                 : "/svc/v" + n + "/:id(int)";
        text += "route r" + n + " " + address + " { auth = none }\n";
    }
    const auto policy = compiled(text);
    std::vector<std::pair<std::string, std::string>> asked;
    for (size_t i = 0; i < 4096; ++i) {
        const std::string n = std::to_string(i * 7919 % count);
        const size_t shape = i * 7919 % count % 3;
        asked.emplace_back(shape == 0 ? "h" + n + ".example.com" : "localhost", shape == 0 ? "/ws/lobby"
                                                                                : shape == 1
                                                                                    ? "/app" + n + "/acme/ws"
                                                                                    : "/svc/v" + n + "/42");
    }
    size_t missed = 0;
    const double each = nanoseconds([&](size_t i) {
        RouteMatch match;
        const auto& [host, path] = asked[i % asked.size()];
        missed += policy->router.find(host, path, match) ? 0 : 1;
    });
    if (missed > 0) std::fprintf(stderr, "the router missed %zu addresses\n", missed);
    std::printf(",\"route_%zu_ns\":%.0f", count, each);
}

void messages() {
    MessageParser parser;
    const std::string text =
        R"({"type":"task.update","id":7,"state":"done","to":"u2","note":")" + std::string(120, 'x') + R"("})";
    const double parse = nanoseconds([&](size_t) { sink = sink + parser.parse(text).ok(); });
    const double encode = nanoseconds([&](size_t) {
        const auto parsed = parser.parse(text);
        sink = sink + publication_text("room/acme",
                                       {"0-1", 1'700'000'000'000, published_members(parsed.value()->members)},
                                       {})
                          .size();
    });
    std::printf(",\"parse_ns\":%.0f,\"parse_and_encode_ns\":%.0f", parse, encode);
}

// A numbered message that another node published, from the bytes of Redis to the history of its channel.
std::vector<std::string> published_elsewhere(size_t count, size_t at_once) {
    Draft draft;
    draft.channel = "room/acme";
    draft.id = "0-123456";
    draft.now = {0, 1'700'000'000'000};
    draft.members = R"("type":"say","text":")" + std::string(120, 'x') + '"';
    std::vector<std::string> out(count / at_once);
    for (size_t i = 0; i < count; ++i) {
        const std::string head = epoch_text(7) + std::to_string(i + 1) + ":1700000000000:";
        append_command(out[i / at_once],
                       {"smessage", "wayleave:1:{5}:m:room/acme", head + entry_body(draft, 1)});
    }
    return out;
}

void hearing() {
    constexpr size_t at_once = 50;
    constexpr size_t count = 20'000;
    constexpr uint32_t history = 1000;
    const auto pieces = published_elsewhere(count, at_once);
    class Nobody final : public Inbox {
        void push(const Publication&) override {}
        void answered(uint64_t, BrokerAnswer) override {}
    } nobody;
    std::unique_ptr<ChannelTable> table;
    RedisReplyReader reader;
    const double each = nanoseconds([&](size_t i) {
        if (i % count == 0) {  // the numbering begins again
            table = std::make_unique<ChannelTable>(size_t{64} << 20U, ChannelTable::Numbered::elsewhere);
            table->subscribe(table->add_inbox(nobody), "room/acme");
        }
        if (i % at_once == 0 && !reader.feed(pieces[i / at_once % pieces.size()])) std::abort();
        const auto reply = reader.next();
        if (!reply || !*reply) std::abort();
        const auto entry = read_entry((*reply)->items[2].text, "room/acme", 1);
        if (!entry) std::abort();
        table->accepted_asleep(entry->message, entry->at_ms, history);
    });
    std::printf(",\"heard_ns\":%.0f", each);
}

// A route as it is guarded in practice: who errs is kept out by address, who is known is counted by name.
const std::string guarded = R"(
token session { keys = file "k"  exp = optional from header "Authorization" claim sub : string required }
route r app.example.com/ws/:room {
    auth = session
    origins = { "https://app.example.com" }
    allow connect
    ban ip for 1h up to 2h after 4 refusals per 1m because "too many refused requests"
    limit messages to 100/s per user.sub
})";

// So many different people, as a handshake has made them known.
std::vector<Facts> people(const Route& route, size_t count) {
    std::vector<Facts> out(count);
    for (size_t i = 0; i < count; ++i) {
        out[i].ip = *parse_address("10." + std::to_string(i / 65536) + "." + std::to_string(i / 256 % 256) +
                                   "." + std::to_string(i % 256));
        out[i].shape = route.shape;
        out[i].values = {Value(std::string("lobby")), Value("user-" + std::to_string(1'000'000 + i))};
    }
    return out;
}

Request asked_by(const Facts& facts) {
    Request request;
    request.facts = &facts;
    return request;
}

// Steady time goes on by a ms with each look, so that all may pass.
void limiting(size_t count) {
    const auto policy = compiled(guarded);
    const Route& route = *policy->routes[0];
    const Limit& limit = route.limits[0];
    const std::vector<Facts> facts = people(route, count);
    std::vector<std::string> keys;
    for (const Facts& one : facts) keys.push_back(limit_key(route.program, limit, asked_by(one)));
    LimitTable table;
    size_t refused = 0;
    int64_t now_ms = 1000;
    const double take = nanoseconds(
        [&](size_t i) { refused += table.take(keys[i % count], 100, 1000, 100, ++now_ms).pass ? 0 : 1; });
    const double whole = nanoseconds([&](size_t i) {
        refused += draw(route.program, limit, asked_by(facts[i % count]), table, {++now_ms, 0}) ? 1 : 0;
    });
    const double key = nanoseconds(
        [&](size_t i) { sink = sink + limit_key(route.program, limit, asked_by(facts[i % count])).size(); });
    if (refused > 0) std::fprintf(stderr, "the limit refused %zu\n", refused);
    std::printf(",\"limit_%zu_ns\":%.0f,\"draw_%zu_ns\":%.0f,\"limit_key_%zu_ns\":%.0f", count, take, count,
                whole, count, key);
}

std::string ban_key_of(const Route& route, const Facts& facts) {
    return ban_key(route.program, route.bans[0], asked_by(facts));
}

// The first half of the people is banned.
void ban_half(BanTable& table, const Route& route, const std::vector<Facts>& facts) {
    for (size_t i = 0; i < facts.size() / 2; ++i) {
        for (int n = 0; n < 4; ++n) {
            (void)table.count(
                ban_key_of(route, facts[i]), route.bans[0], [] { return BanEntry{}; }, 1000);
        }
    }
}

void banning() {
    constexpr size_t count = 20'000;
    const auto policy = compiled(guarded);
    const Route& route = *policy->routes[0];
    const std::vector<Facts> facts = people(route, count);
    std::vector<std::string> keys;
    for (const Facts& one : facts) keys.push_back(ban_key_of(route, one));
    BanTable table;
    ban_half(table, route, facts);
    size_t wrong = 0;
    const double hit =
        nanoseconds([&](size_t i) { wrong += table.left(keys[i % (count / 2)], 2000) ? 0 : 1; });
    const double miss =
        nanoseconds([&](size_t i) { wrong += table.left(keys[count / 2 + i % (count / 2)], 2000) ? 1 : 0; });
    if (wrong > 0) std::fprintf(stderr, "the bans were wrong %zu times\n", wrong);
    std::printf(",\"ban_hit_ns\":%.0f,\"ban_miss_ns\":%.0f", hit, miss);
}

class NobodyIsAsked final : public TokenVerifier {
  public:
    [[nodiscard]] Proof verify(const Credential&, Now) const override { std::abort(); }
};

// As a browser sends it, with a token that nobody should look at.
const std::string handshake =
    "GET /ws/lobby HTTP/1.1\r\nHost: app.example.com\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: */*\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
    "Sec-WebSocket-Version: 13\r\nOrigin: https://app.example.com\r\n"
    "Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Connection: keep-alive, Upgrade\r\nSec-Fetch-Dest: empty\r\nSec-Fetch-Mode: websocket\r\n"
    "Sec-Fetch-Site: same-site\r\nPragma: no-cache\r\nCache-Control: no-cache\r\nUpgrade: websocket\r\n"
    "Authorization: Bearer " +
    std::string(240, 'x') + "\r\n\r\n";

void turning_away() {
    constexpr size_t count = 20'000;
    Runtime runtime;
    runtime.policy = compiled(guarded);
    runtime.verifier = std::make_shared<NobodyIsAsked>();
    const Route& route = *runtime.policy->routes[0];
    const std::vector<Facts> facts = people(route, count);
    std::vector<Peer> peers(count / 2);
    for (size_t i = 0; i < peers.size(); ++i) {
        peers[i].ip = facts[i].ip;
        peers[i].tls = true;
    }
    BanTable bans;
    ban_half(bans, route, facts);
    LimitTable limits;
    size_t wrong = 0;
    const auto turn_away = [&](const HttpHead& head, const Upgrade& upgrade, size_t i) {
        const Admission answer =
            admit(runtime, limits, &bans, peers[i % peers.size()], head, upgrade, i, {2000, 2000});
        const auto* away = std::get_if<TurnedAway>(&answer);
        wrong += away && away->rejection.reason == Reason::banned ? 0 : 1;
    };
    const auto parsed = [] {
        size_t scanned = 0;
        return std::get<HttpHead>(parse_head(handshake, {}, scanned));
    };
    const HttpHead head = parsed();
    const auto upgrade = std::get<Upgrade>(check_upgrade(head));
    const double alone = nanoseconds([&](size_t i) { turn_away(head, upgrade, i); });
    const double whole = nanoseconds([&](size_t i) {
        const HttpHead fresh = parsed();
        turn_away(fresh, std::get<Upgrade>(check_upgrade(fresh)), i);
    });
    if (wrong > 0) std::fprintf(stderr, "admit() was wrong %zu times\n", wrong);
    std::printf(",\"banned_ns\":%.0f,\"banned_from_bytes_ns\":%.0f", alone, whole);
}

// A file that is gone with this object.
class KeyFileOf {
  public:
    explicit KeyFileOf(Algorithm algorithm) {
        const int file = mkstemp(path_.data());  // with mode 600, as secrets must be
        if (file >= 0) close(file);
        std::ofstream(path_) << generate_key(algorithm).value();
    }
    ~KeyFileOf() { unlink(path_.c_str()); }
    KeyFileOf(const KeyFileOf&) = delete;
    KeyFileOf& operator=(const KeyFileOf&) = delete;
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    std::string path_ = "/tmp/wayleave-bench-XXXXXX";
};

// One token again and again, and more of them in turn than the cache holds.
void tokens() {
    constexpr size_t count = 32'768;
    const KeyFileOf file(Algorithm::ES256);
    std::vector<Credential> fresh(count);
    for (size_t i = 0; i < count; ++i) {
        fresh[i].text =
            sign_token(file.path(), R"({"sub":"user-)" + std::to_string(i) + R"(","exp":1800000000})", "")
                .value();
    }
    const auto counters = std::make_shared<TokenCacheCounters>();
    std::vector<TokenTrust> trust;
    trust.emplace_back(FileKeys{KeySet::load(file.path()).value(), {Algorithm::ES256}});
    const PolicyVerifier verifier(std::move(trust), counters);
    const Now now{1000, 1'700'000'000'000};
    size_t refused = 0;
    const auto verify = [&](const Credential& credential) {
        refused += verifier.verify(credential, now).kind == Proof::Kind::good ? 0 : 1;
    };
    size_t next = 0;  // goes on from round to round
    const double each = nanoseconds([&](size_t) { verify(fresh[next++ % count]); });
    const uint64_t known = counters->hits;
    const double again = nanoseconds([&](size_t) { verify(fresh[0]); });
    if (refused + known > 0) std::fprintf(stderr, "%zu refused, %zu cached\n", refused, size_t{known});
    std::printf(",\"es256_new_ns\":%.0f,\"es256_cached_ns\":%.0f", each, again);
}

}  // namespace

int main() {
    std::printf("{");
    decisions();
    for (const size_t count : {1000U, 10000U}) many_rules(count);
    for (const size_t count : {10U, 100U, 1000U, 10000U}) routing(count);
    messages();
    hearing();
    for (const size_t count : {1000U, 100000U}) limiting(count);
    banning();
    turning_away();
    tokens();
    std::printf("}\n");
}
