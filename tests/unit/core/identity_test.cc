// Tokens of one use, questions that are out, and `$auth`, as the gateway does them.
#include "daemon/decision/used_tokens.h"
#include "daemon/message/commons.h"
#include "daemon/message/connection_slots.h"
#include "tests/unit/core/gateway_fixture.h"

using namespace wayleave;
using namespace wayleave::test;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

const std::string plain_policy = R"(
token session {
    keys = file "keys.jwks"  exp = optional
    from query "token"
    claim sub   : string required
    claim roles : set of string else {}
}
token ticket {
    keys = file "keys.jwks"
    single_use = true
    from query "ticket"
    claim sub : string required
}
route chat /chat {
    auth    = { session, ticket }
    origins = { none }
    allow connect
    deny  connect if user.sub == "mallory" because "mallory is not welcome"
    join user/{user.sub}
    allow subscribe on room/*
    limit connects to 3/h per ip
}
)";
const std::string roles_policy = R"(
token session {
    keys = file "keys.jwks"  exp = optional
    from query "token"
    claim sub   : string required
    claim roles : set of string else {}
}
route chat /chat {
    auth    = session
    origins = { none }
    allow connect
    deny  connect if "banned" in user.roles because "you are out"
    join user/{user.sub}
    join staff/all if "staff" in user.roles
    allow subscribe on room/:room if room != "staff"
    allow subscribe on room/staff if "staff" in user.roles
    message wave { allow  deny if not ("staff" in user.roles) because "only staff" }
}
route open /open { auth = none  allow connect }
)";

std::string escaped(const std::string& json) {
    std::string out;
    for (const char c : json) {
        if (c == '"') {
            out += "%22";
        } else if (c == '{') {
            out += "%7B";
        } else if (c == '}') {
            out += "%7D";
        } else {
            out += c;
        }
    }
    return out;
}
std::string session(const std::string& members) {
    return "/chat?token=" + escaped("{" + members + "}");
}
std::string ticket(const std::string& jti, const std::string& user = "ann") {
    return "/chat?ticket=" + escaped(R"({"sub":")" + user + R"(","exp":1700000600,"jti":")" + jti + R"("})");
}
std::string auth(const std::string& claims) {
    std::string quoted;
    for (const char c : claims) quoted += c == '"' ? std::string("\\\"") : std::string(1, c);
    return R"({"type":"$auth","$id":1,"token":")" + quoted + R"("})";
}
const std::string ann = R"("sub":"ann")";

}  // namespace

TEST_CASE("a token of one use is used up by the handshake that it admits") {
    World world(plain_policy);
    world.runtime->used_tokens = std::make_shared<UsedTokens>();
    // Who is refused for something else has not used it.
    CHECK_THAT(world.read(world.connect(ticket("a", "mallory"))), Contains(" 403 "));
    CHECK(world.runtime->used_tokens->size() == 0);
    CHECK_THAT(world.read(world.connect(ticket("a"))), Contains(" 101 "));
    CHECK(world.runtime->used_tokens->size() == 1);
    const std::string again = world.read(world.connect(ticket("a")));
    CHECK_THAT(again, Contains(" 401 ") && Contains("the token was used before"));
    CHECK(world.runtime->used_tokens->replays() == 1);
}

TEST_CASE("when it is not known which tokens were used, nobody comes in with one") {
    World world(plain_policy);
    world.runtime->used_tokens = std::make_shared<UsedTokens>(1);
    int admitted = 0;
    for (int i = 0; i < 3; ++i) {
        const std::string answer = world.read(world.connect(ticket("t" + std::to_string(i))));
        if (answer.find(" 101 ") != std::string::npos) ++admitted;
    }
    world.runtime->used_tokens = std::make_shared<UsedTokens>(1);
    for (int i = 0; i < 500; ++i) (void)world.runtime->used_tokens->use("x", std::to_string(i), 1LL << 60, 1);
    World full(plain_policy);
    full.runtime->used_tokens = world.runtime->used_tokens;
    CHECK_THAT(full.read(full.connect(ticket("z"))), Contains(" 503 "));
}

TEST_CASE("a handshake waits for an answer, and draws its limits once") {
    World world(plain_policy);
    const ConnectionId id = world.connect("/chat?token=ask-ann");
    CHECK(world.read(id) == "");
    auto& questions = world.gateway->actions().questions;
    REQUIRE(questions.size() == 1);
    CHECK(questions[0].credential == Credential{0, 0, "ask-ann"});
    const uint64_t number = questions[0].number;
    // What arrives meanwhile waits, too.
    world.feed(id, masked(Opcode::text, R"({"type":"$ping","$id":"early"})"));
    CHECK(world.read(id) == "");
    world.gateway->answered(id, number + 1, Proof::good("{}"), world.now);  // another question's
    CHECK(world.read(id) == "");
    world.gateway->answered(id, number, Proof::good(R"({"sub":"ann"})"), world.now);
    const std::string bytes = world.read(id);
    CHECK_THAT(bytes, StartsWith("HTTP/1.1 101 ") && Contains(R"("user":"ann")"));
    CHECK_THAT(bytes, Contains(R"({"type":"$pong","re":"early"})"));
    // Three an hour: two are left, not one.
    for (int i = 0; i < 2; ++i) CHECK_THAT(world.read(world.connect(session(ann))), Contains(" 101 "));
    CHECK_THAT(world.read(world.connect(session(ann))), Contains(" 429 "));
}

TEST_CASE("every kind of answer to a question") {
    World world(roles_policy);
    const auto answer = [&](Proof proof) {
        world.gateway->actions().questions.clear();
        const ConnectionId id = world.connect("/chat?token=ask");
        world.gateway->answered(id, world.gateway->actions().questions.at(0).number, std::move(proof),
                                world.now);
        return world.read(id);
    };
    CHECK_THAT(answer(Proof::refused("no")), Contains(" 401 "));
    CHECK_THAT(answer(Proof::unavailable("silent")), Contains(" 503 ") && Contains("silent"));
    CHECK_THAT(answer(Proof::pending()), Contains(" 503 "));
    CHECK_THAT(answer(Proof::good("{}")), Contains(" 401 ") && Contains("has no claim sub"));
    CHECK_THAT(answer(Proof::good(R"({"sub":7})")), Contains(" 401 "));
    CHECK_THAT(answer(Proof::good("no json")), Contains(" 401 "));
}

TEST_CASE("a client may go, or be too slow, while somebody is asked") {
    World world(roles_policy, {.handshake_timeout_ms = 5000});
    const ConnectionId gone = world.connect("/chat?token=ask");
    const uint64_t number = world.gateway->actions().questions.at(0).number;
    world.gone(gone);
    world.gateway->answered(gone, number, Proof::good(R"({"sub":"ann"})"), world.now);
    CHECK(world.counters.handshakes.get() == 0);

    const ConnectionId late = world.connect("/chat?token=ask");
    world.later(5200);
    CHECK_THAT(world.read(late), Contains(" 503 ") && Contains("nobody said in time"));
    const uint64_t second = world.gateway->actions().questions.at(1).number;
    world.gateway->answered(late, second, Proof::good(R"({"sub":"ann"})"), world.now);
    CHECK(world.counters.handshakes.get() == 0);
}

TEST_CASE("what is sent ahead of the answer is bounded") {
    World world(roles_policy);
    const ConnectionId id = world.connect("/chat?token=ask");
    for (int i = 0; i < 8; ++i) world.feed(id, std::string(16 * 1024, 'x'));
    CHECK_THAT(world.read(id), Contains(" 400 ") && Contains("too much was sent"));
    CHECK(world.gateway->closing(id));
}

TEST_CASE("an answer for the policy before is not believed") {
    World world(roles_policy);
    const ConnectionId id = world.connect("/chat?token=ask");
    const CredentialQuestion first = world.gateway->actions().questions.at(0);
    auto next = std::make_shared<Runtime>(*world.runtime);
    next->policy = policy_from(roles_policy + "\nroute more /more { auth = none }\n");
    world.gateway->replace(next, world.now);
    world.gateway->answered(id, first.number, Proof::good(R"({"sub":"ann"})"), world.now);
    CHECK(world.read(id) == "");
    REQUIRE(world.gateway->actions().questions.size() == 2);
    const CredentialQuestion second = world.gateway->actions().questions.at(1);
    CHECK(second.runtime == next);
    world.gateway->answered(id, second.number, Proof::good(R"({"sub":"ann"})"), world.now);
    CHECK_THAT(world.read(id), Contains(" 101 "));
}

TEST_CASE("a session ends when its token does, to the second") {
    World world(roles_policy);
    const ConnectionId id = world.connect(session(ann + R"(,"exp":1700000030)"));
    (void)world.frames(id);
    for (int i = 0; i < 299; ++i) {
        world.later(100);
        for (const std::string& frame : world.frames(id)) CHECK(frame == "ping");
        if (i % 100 == 0) world.feed(id, masked(Opcode::pong, ""));
    }
    world.later(200);
    CHECK_THAT(world.last(id), StartsWith("close 4401"));
}

TEST_CASE("$auth replaces the claims and moves the end") {
    World world(roles_policy);
    const ConnectionId id = world.connect(session(ann + R"(,"exp":1700000030)"));
    (void)world.frames(id);
    world.say(id, R"({"type":"$subscribe","channel":"room/staff","$id":1})");
    CHECK_THAT(world.last(id), Contains("forbidden"));
    world.say(id, auth(R"({"sub":"ann","roles":["staff"],"exp":1700000060})"));
    auto frames = world.frames(id);
    REQUIRE(frames.size() == 2);
    CHECK(frames[0] == R"({"type":"$ok","re":1,"expires":1700000060})");
    CHECK_THAT(frames[1], Contains("$subscribed") && Contains("staff/all"));
    world.say(id, R"({"type":"$subscribe","channel":"room/staff","$id":1})");
    CHECK_THAT(world.last(id), Contains("$subscribed"));
    world.say(id, R"({"type":"wave","$id":2})");
    CHECK(world.last(id) == R"({"type":"$ok","re":2})");
    CHECK(world.counters.reauthenticated.get() == 1);

    world.later(30'200);  // the first token's end
    for (const std::string& frame : world.frames(id)) CHECK(frame == "ping");
    world.say(id, auth(R"({"sub":"ann","exp":1700000040})"));  // fewer rights, and an earlier end
    frames = world.frames(id);
    REQUIRE(frames.size() == 3);
    CHECK(frames[0] == R"({"type":"$ok","re":1,"expires":1700000040})");
    for (size_t i = 1; i < 3; ++i) CHECK_THAT(frames[i], Contains("$unsubscribed") && Contains("forbidden"));
    world.later(10'000);
    CHECK_THAT(world.last(id), StartsWith("close 4401"));
}

TEST_CASE("$auth that is refused changes nothing") {
    World world(roles_policy);
    const ConnectionId id = world.connect(session(ann + R"(,"roles":["staff"])"));
    (void)world.frames(id);
    const auto told = [&](const std::string& message) {
        world.say(id, message);
        return world.last(id);
    };
    CHECK_THAT(told(auth("bad")),
               Contains(R"("error":"unauthenticated","because":"the signature is wrong")"));
    CHECK_THAT(told(auth(R"({"sub":"bob"})")), Contains(R"("error":"forbidden")"));
    CHECK_THAT(told(auth(R"({"sub":"ann","exp":1600000000})")), Contains("the token has expired"));
    CHECK_THAT(told(R"({"type":"$auth","$id":1})"), Contains("bad_message"));
    CHECK_THAT(told(R"({"type":"$auth","$id":1,"token":7})"), Contains("bad_message"));
    world.say(id, R"({"type":"wave","$id":2})");
    CHECK(world.last(id) == R"({"type":"$ok","re":2})");
    for (int i = 0; i < 7; ++i) CHECK_THAT(told(auth("bad")), Contains("unauthenticated"));
    CHECK_THAT(told(auth(R"({"sub":"ann"})")), Contains(R"("error":"limited")") && Contains("retry_after"));
    world.later(25'000);
    world.feed(id, masked(Opcode::pong, ""));
    world.later(36'000);
    (void)world.frames(id);
    world.say(id, auth(R"({"sub":"ann"})"));
    CHECK_THAT(world.frames(id).at(0), Contains("$ok"));

    const ConnectionId nobody = world.connect("/open");
    (void)world.frames(nobody);
    world.say(nobody, auth(R"({"sub":"ann"})"));
    CHECK_THAT(world.last(nobody), Contains("this route asks for no token"));
}

TEST_CASE("a connection that the new claims do not admit ends") {
    World world(roles_policy);
    const ConnectionId id = world.connect(session(ann));
    (void)world.frames(id);
    world.say(id, auth(R"({"sub":"ann","roles":["banned"]})"));
    CHECK_THAT(world.last(id), StartsWith("close 4403") && Contains("you are out"));
}

TEST_CASE("$auth waits for an answer while the session goes on") {
    World world(roles_policy);
    const ConnectionId id = world.connect(session(ann));
    (void)world.frames(id);
    world.say(id, auth("ask-ann"));
    world.say(id, R"({"type":"$ping"})");
    CHECK(world.last(id) == R"({"type":"$pong"})");
    world.say(id, auth("ask-again"));
    CHECK_THAT(world.last(id), Contains("limited"));
    const CredentialQuestion question = world.gateway->actions().questions.at(0);
    world.gateway->answered(id, question.number, Proof::good(R"({"sub":"ann","roles":["staff"]})"),
                            world.now);
    CHECK_THAT(world.frames(id).at(0), Contains("$ok"));
    world.say(id, auth("ask-more"));
    const CredentialQuestion more = world.gateway->actions().questions.at(1);
    world.gateway->answered(id, more.number, Proof::unavailable("silent"), world.now);
    CHECK_THAT(world.last(id), Contains(R"("error":"unavailable","because":"silent")"));
    world.say(id, R"({"type":"wave","$id":2})");
    CHECK(world.last(id) == R"({"type":"$ok","re":2})");
}

namespace {

const std::string two_issuers = R"(
token ours   { keys = file "a"  exp = optional  issuer = "https://ours"    from query "ours"    claim sub : string required }
token theirs { keys = file "b"  exp = optional  issuer = "https://the|irs" from query "theirs"  claim sub : string required }
token ticket { keys = file "a"  exp = optional  issuer = "https://ours"    from query "ticket"  claim sub : string required }
token hidden { keys = file "c"  exp = optional  from query "hidden"  claim sub : string required secret }
channel mail/** { history = 5  keep = 1h  acks = user }
channel room/*  { presence = true  join_leave = true }
route both /both { auth = { ours, theirs, ticket }  origins = { none }  allow connect
    join mail/all  join room/a  allow presence on room/* }
route one  /one  { auth = { ours, ticket }  origins = { none }  allow connect  join room/a  allow presence on room/* }
route shy  /shy  { auth = hidden  origins = { none }  allow connect  join room/a  allow presence on room/* }
)";

std::string from(const std::string& issuer, const std::string& user = "alice") {
    return escaped(R"({"iss":")" + issuer + R"(","sub":")" + user + R"("})");
}

}  // namespace

TEST_CASE("one name from two issuers is two users, and from two blocks of one issuer one") {
    World world(two_issuers);
    const ConnectionId ours = world.connect("/both?ours=" + from("https://ours"));
    CHECK_THAT(world.read(ours), Contains(R"("user":"https://ours|alice")"));
    const ConnectionId theirs = world.connect("/both?theirs=" + from("https://the|irs"));
    CHECK_THAT(world.read(theirs), Contains(R"("user":"https://the%7Cirs|alice")"));
    const ConnectionId ticket = world.connect("/both?ticket=" + from("https://ours"));
    CHECK_THAT(world.read(ticket), Contains(R"("user":"https://ours|alice")"));
    (void)world.read(ours);
    (void)world.read(theirs);

    // Presence counts two users, one of them twice.
    world.say(ours, R"({"type":"$presence","channel":"room/a","$id":1})");
    const std::string roster = world.last(ours);
    CHECK_THAT(roster, Contains(R"({"user":"https://ours|alice","connections":2})"));
    CHECK_THAT(roster, Contains(R"({"user":"https://the%7Cirs|alice","connections":1})"));

    // `$auth` stays with the issuer, and takes any of its blocks.
    world.say(ours, auth(R"({"iss":"https://the|irs","sub":"alice"})"));
    CHECK_THAT(world.last(ours), Contains("this is not the token of the same user"));
    world.say(ours, auth(R"({"iss":"https://ours","sub":"alice"})"));
    CHECK_THAT(world.last(ours), Contains("$ok"));

    // Where a route takes those of one only, the name is the claim.
    const ConnectionId plain = world.connect("/one?ours=" + from("https://ours"));
    CHECK_THAT(world.read(plain), Contains(R"("user":"alice")"));
}

TEST_CASE("an acknowledgement of one issuer's user moves nobody else's cursor") {
    World world(two_issuers);
    const ConnectionId ours = world.connect("/both?ours=" + from("https://ours"));
    const ConnectionId theirs = world.connect("/both?theirs=" + from("https://the|irs"));
    (void)world.read(ours);
    (void)world.read(theirs);
    Draft draft;
    draft.channel = "mail/all";
    draft.members = R"("a":1)";
    draft.retention = {5, 3'600'000, 0};
    draft.now = world.now;
    (void)world.broker.publish(std::move(draft), {});
    world.turn();
    world.say(ours, R"({"type":"$ack","channel":"mail/all","offset":1,"$id":1})");
    CHECK_THAT(world.last(ours), Contains("$ok"));
    const auto progress = [&](const std::string& user) {
        return world.broker.memory.progress({"mail/all", user, {}, {5, 3'600'000, 0}, world.now}, {})
            ->acknowledged;
    };
    CHECK(progress("https://ours|alice") == 1);
    CHECK(progress("https://the%7Cirs|alice") == 0);
    CHECK(progress("alice") == 0);
}

TEST_CASE("a user whose name is secret is told to nobody") {
    World world(two_issuers);
    const ConnectionId other = world.connect("/one?ours=" + from("https://ours", "bob"));
    (void)world.read(other);
    const ConnectionId shy = world.connect("/shy?hidden=" + from("x", "+491701234567"));
    const std::string hello = world.read(shy);
    CHECK_THAT(hello, Contains("$hello") && !Contains("+49170"));
    CHECK_THAT(world.read(other), !Contains("+49170"));
    world.say(other, R"({"type":"$presence","channel":"room/a","$id":1})");
    const std::string roster = world.last(other);
    CHECK_THAT(roster, !Contains("+49170") && Contains(R"("anonymous":1)"));
    world.gone(shy);
    world.later(6000);
    CHECK_THAT(world.read(other), !Contains("+49170"));
    world.say(other, R"({"type":"$presence","channel":"room/a","$id":1})");
    CHECK_THAT(world.last(other), Contains(R"("anonymous":0)"));
}

TEST_CASE("a deny that needs only the handshake comes before any token is looked at") {
    World world(R"(
token session { keys = file "k"  exp = optional  from query "token"  claim sub : string required }
route chat /chat { auth = session  origins = { none }
    allow connect
    deny connect if ip in 10.9.0.0/16 because "not from there"
    deny connect if user.sub == "mallory" because "mallory is not welcome"
    limit connects to 1/h per ip }
route only /only { auth = session  origins = { none }  allow connect if ip in 10.0.0.0/16 }
)");
    for (const std::string token : {"ask-ann", "bad", "%7B%22sub%22:%22ann%22%7D", ""}) {
        INFO(token);
        CHECK_THAT(world.read(world.connect("/chat?token=" + token, "", "10.9.1.1")),
                   Contains(" 403 ") && Contains("not from there"));
        CHECK_THAT(world.read(world.connect("/only?token=" + token, "", "10.9.1.1")), Contains(" 403 "));
    }
    CHECK(world.verifier->seen.empty());
    CHECK(world.gateway->actions().questions.empty());
    // By POST, too.
    const ConnectionId post = world.gateway->opened({*dsl::parse_address("10.9.1.1"), false}, world.now);
    world.feed(post,
               "POST /chat?token=ask-ann HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
               "Wayleave-Session: 0000000000000000\r\nContent-Length: 2\r\n\r\n{}");
    CHECK_THAT(world.read(post), Contains(" 403 "));
    CHECK(world.gateway->actions().questions.empty());
    // What hangs on the claims is said when they are known.
    CHECK_THAT(world.read(world.connect("/chat?token=%7B%22sub%22:%22mallory%22%7D")),
               Contains("not welcome"));
    CHECK_THAT(world.read(world.connect("/only?token=bad")), Contains(" 401 "));
}

TEST_CASE("users that are no channel's segment have a channel all the same") {
    World world(R"(
token session { keys = file "k"  exp = optional  from query "token"  claim sub : string else "" }
route chat /chat { auth = session  origins = { none }  allow connect
    join user/{user.sub}
    allow subscribe on inbox/{user.sub}
    message say { field to : string required  allow  publish to user/{to} } }
)");
    const auto claim = [](const std::string& json) { return "/chat?token=" + escaped(json); };
    const ConnectionId id = world.connect(claim(R"({"sub":"auth0%7C5f7"})"));
    CHECK_THAT(world.read(id), Contains(R"("user/auth0=7C5f7")"));
    world.say(id, R"({"type":"$subscribe","channel":"inbox/auth0=7C5f7","$id":1})");
    CHECK_THAT(world.last(id), Contains("$subscribed"));
    world.say(id, R"({"type":"$subscribe","channel":"inbox/auth0=7c5f7","$id":1})");
    CHECK_THAT(world.last(id), Contains("forbidden"));
    world.say(id, R"({"type":"say","to":"auth0|5f7"})");
    CHECK_THAT(world.last(id), Contains(R"("type":"say")"));
    // Without a name there is none, and the operator is told.
    world.gateway->actions().events.clear();
    const ConnectionId nobody = world.connect(claim("{}"));
    CHECK_THAT(world.read(nobody), Contains("$hello"));
    REQUIRE(world.gateway->actions().events.size() == 1);
    CHECK(world.gateway->actions().events[0].name == "not-joined");
    CHECK(world.gateway->actions().events[0].fields.at(4).value == "user/{user.sub}");
}

TEST_CASE("a message that makes a backend work is drawn like a connection") {
    World world(R"(
token session { keys = file "k"  exp = optional  from query "token"  claim sub : string required }
route chat /chat { auth = session  origins = { none }  allow connect  limit connects to 2/h per ip }
)");
    const auto post = [&](const std::string& token, const std::string& ip) {
        const ConnectionId id = world.gateway->opened({*dsl::parse_address(ip), false}, world.now);
        world.feed(id, "POST /chat?token=" + token +
                           " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                           "Wayleave-Session: 0000000000000000\r\nContent-Length: 2\r\n\r\n{}");
        world.relayed();
        return world.read(id);
    };
    for (int i = 0; i < 2; ++i) CHECK(post("ask-" + std::to_string(i), "2001:db8::1").empty());
    CHECK(world.gateway->actions().questions.size() == 2);
    CHECK_THAT(post("ask-3", "2001:db8::1"), Contains(" 429 "));
    // The next address of the same network is the same client.
    CHECK_THAT(post("ask-4", "2001:db8::2"), Contains(" 429 "));
    CHECK(world.gateway->actions().questions.size() == 2);
    CHECK(post("ask-5", "2001:db8:0:1::1").empty());
    // What is known at once costs nobody's work, however often it is said.
    for (int i = 0; i < 5; ++i)
        CHECK_THAT(post("%7B%22sub%22:%22ann%22%7D", "10.0.0.1"), Contains("unknown_session"));
}

namespace {

// Another node decides: what it is asked, and what it says.
class Elsewhere final : public Commons {
  public:
    [[nodiscard]] std::string process() const override { return {}; }
    void report(NodeReport) override {}
    [[nodiscard]] NodeList nodes() const override { return {}; }
    void use_token(TokenUse use, int64_t, std::function<void(Use)> done) override {
        asked.push_back(use);
        done(answer);
    }
    void enter_place(PlaceWish wish, std::function<void(std::shared_ptr<const HeldPlace>)> done) override {
        wishes.push_back(wish);
        if (*taken >= most) return done(nullptr);
        ++*taken;
        done(std::make_shared<const HeldPlace>([taken = taken] { --*taken; }));
    }
    void ask_nodes(std::string, std::function<void(std::vector<NodeAnswer>)>) override {}
    void hear_nodes(NodeListener) override {}
    void begin_ban(CommonBan) override {}
    void lift_ban(std::string) override {}
    void hear_bans(BanListener) override {}
    void on_evict(std::function<void(const SlotHolder&)>) override {}

    std::vector<TokenUse> asked;
    Use answer = Use::first;
    std::vector<PlaceWish> wishes;
    int64_t most = 1000;
    std::shared_ptr<int64_t> taken = std::make_shared<int64_t>(0);  // outlives the connections
};

struct SharedWorld : World {
    explicit SharedWorld(const std::string& policy = plain_policy) : World(policy) {
        runtime->used_tokens = std::make_shared<UsedTokens>();
        runtime->used_tokens->share(elsewhere);
    }
    // As a worker does.
    void ask() {
        for (const CredentialQuestion& question : std::exchange(gateway->actions().questions, {})) {
            if (const auto& place = question.credential.place) {
                elsewhere.enter_place(*place, [&](std::shared_ptr<const HeldPlace> held) {
                    gateway->answered(question.id, question.number,
                                      held ? Proof::granted(std::move(held)) : Proof::refused("taken"), now);
                });
                continue;
            }
            REQUIRE(question.credential.use);
            question.runtime->used_tokens->use_everywhere(
                *question.credential.use, now.wall_ms,
                [&](Proof proof) { gateway->answered(question.id, question.number, std::move(proof), now); });
        }
    }
    std::string shake(const std::string& address) {
        const ConnectionId id = connect(address);
        CHECK(read(id) == "");
        ask();
        return read(id);
    }

    Elsewhere elsewhere;
};

}  // namespace

TEST_CASE("where nodes have their tokens in common a handshake waits for them") {
    SharedWorld world;
    // Who is refused for something else has used up nothing, and asked nobody.
    CHECK_THAT(world.read(world.connect(ticket("m", "mallory"))), Contains(" 403 "));
    CHECK(world.elsewhere.asked.empty());
    CHECK_THAT(world.shake(ticket("a")), Contains(" 101 "));
    REQUIRE(world.elsewhere.asked.size() == 1);
    CHECK(world.elsewhere.asked[0].block == "ticket");
    CHECK(world.elsewhere.asked[0].id == "a");
    CHECK(world.elsewhere.asked[0].claim != 0);
    // What was used here is known here.
    CHECK_THAT(world.read(world.connect(ticket("a"))), Contains(" 401 ") && Contains("used before"));
    // The fourth of the hour: each has drawn once, however long it waited.
    CHECK_THAT(world.read(world.connect(ticket("b"))), Contains(" 429 "));
    CHECK(world.elsewhere.asked.size() == 1);
}

TEST_CASE("what other nodes say of a token decides") {
    SharedWorld world;
    world.elsewhere.answer = Commons::Use::again;
    CHECK_THAT(world.shake(ticket("b")), Contains(" 401 ") && Contains("the token was used before"));
    CHECK(world.runtime->used_tokens->replays() == 1);
    world.elsewhere.answer = Commons::Use::unavailable;
    CHECK_THAT(world.shake(ticket("c")), Contains(" 503 ") && Contains("nobody can tell now"));
    world.elsewhere.answer = Commons::Use::first;
    CHECK_THAT(world.shake(ticket("c")), Contains(" 101 "));
}

TEST_CASE("an answer about a token's use outlives the policy that asked for it") {
    SharedWorld world;
    const ConnectionId id = world.connect(ticket("a"));
    auto next = std::make_shared<Runtime>(*world.runtime);
    next->policy = policy_from(plain_policy + "\nroute more /more { auth = none }\n");
    world.gateway->replace(next, world.now);
    world.ask();
    CHECK(world.read(id) == "");
    world.ask();  // the same asks again
    CHECK_THAT(world.read(id), Contains(" 101 "));
    REQUIRE(world.elsewhere.asked.size() == 2);
    CHECK(world.elsewhere.asked[0].claim == world.elsewhere.asked[1].claim);
}

TEST_CASE("a new token on a connection waits for the other nodes, too") {
    SharedWorld world(R"(
token ticket {
    keys = file "keys.jwks"
    single_use = true
    from query "ticket"
    claim sub : string required
}
route chat /chat { auth = ticket  origins = { none }  allow connect }
)");
    const ConnectionId id = world.connect(ticket("z"));
    world.ask();
    (void)world.frames(id);
    const auto renew = [&](const std::string& jti) {
        world.feed(id,
                   masked(Opcode::text, auth(R"({"sub":"ann","exp":1700000600,"jti":")" + jti + R"("})")));
        world.ask();
        return world.last(id);
    };
    CHECK_THAT(renew("a"), Contains("$ok"));
    CHECK_THAT(renew("a"), Contains("used before"));
    world.elsewhere.answer = Commons::Use::unavailable;
    CHECK_THAT(renew("b"), Contains("unavailable"));
    world.elsewhere.answer = Commons::Use::again;
    CHECK_THAT(renew("c"), Contains("used before"));
}

// --- places among those of all nodes ---

namespace {

const std::string counted_policy = R"(
token ticket {
    keys = file "keys.jwks"
    single_use = true
    from query "ticket"
    claim sub : string required
}
route chat /chat {
    auth    = ticket
    origins = { none }
    allow connect
    limit connects to 4/h per ip
    limit connections to 2 per user.sub
    limit connections to 5 per ip because "this network has enough"
}
)";

struct CountedWorld : SharedWorld {
    CountedWorld() : SharedWorld(counted_policy) { limits.count_everywhere(); }
};

}  // namespace

TEST_CASE("a limit of connections asks the other nodes, and gives back what it was given") {
    CountedWorld world;
    const ConnectionId first = world.connect(ticket("a"));
    CHECK(world.read(first) == "");
    world.ask();
    CHECK(world.read(first) == "");  // the second limit is asked about
    world.ask();
    CHECK(world.elsewhere.asked.empty());  // and only then the token
    world.ask();
    CHECK_THAT(world.read(first), Contains(" 101 "));
    REQUIRE(world.elsewhere.wishes.size() == 2);
    CHECK(world.elsewhere.wishes[0].most == 2);
    CHECK(world.elsewhere.wishes[1].most == 5);
    CHECK(world.elsewhere.wishes[0].key != world.elsewhere.wishes[1].key);
    CHECK(*world.elsewhere.taken == 2);
    world.gateway->closed(first, world.now);
    CHECK(*world.elsewhere.taken == 0);
}

TEST_CASE("who is refused a place has none, has used up nothing, and has drawn once") {
    CountedWorld world;
    world.elsewhere.most = 1;  // the second is taken
    const ConnectionId refused = world.connect(ticket("a"));
    world.ask();
    CHECK(*world.elsewhere.taken == 1);
    world.ask();
    CHECK_THAT(world.read(refused), Contains(" 429 ") && Contains("this network has enough"));
    CHECK(*world.elsewhere.taken == 0);
    CHECK(world.elsewhere.asked.empty());
    // Who does not wait for the answer gives it back, too.
    const ConnectionId gone = world.connect(ticket("a"));
    world.gateway->closed(gone, world.now);
    world.ask();
    CHECK(*world.elsewhere.taken == 0);
    // Another policy asks anew.
    world.elsewhere.most = 1000;
    const ConnectionId kept = world.connect(ticket("a"));
    auto next = std::make_shared<Runtime>(*world.runtime);
    next->policy = policy_from(counted_policy + "\nroute more /more { auth = none }\n");
    world.gateway->replace(next, world.now);
    for (int i = 0; i < 4; ++i) world.ask();
    CHECK_THAT(world.read(kept), Contains(" 101 "));
    CHECK(*world.elsewhere.taken == 2);
    world.gateway->closed(kept, world.now);
    CHECK(*world.elsewhere.taken == 0);
}

TEST_CASE("who is too many at this node alone asks nobody") {
    CountedWorld world;
    for (const std::string name : {"a", "b"}) {
        const ConnectionId id = world.connect(ticket(name));
        for (int i = 0; i < 3; ++i) world.ask();
        CHECK_THAT(world.read(id), Contains(" 101 "));
    }
    const size_t before = world.elsewhere.wishes.size();
    CHECK_THAT(world.read(world.connect(ticket("c"))), Contains(" 429 ") && Contains("too many connections"));
    CHECK(world.elsewhere.wishes.size() == before);
    CHECK(*world.elsewhere.taken == 4);
}
