// Publications that are answered when replicas have them.
#include "daemon/broker/redis/replicas.h"

#include "tests/unit/redis/redis_fixture.h"

using namespace wayleave;

namespace {

std::vector<std::string> replica_of(const RedisServer& primary) {
    return {"--replicaof", "127.0.0.1", std::to_string(primary.port()), "--repl-diskless-sync-delay", "0"};
}

void joined(const RedisServer& primary) {
    REQUIRE(comes([&] { return count_replicas(primary.ask({"INFO", "replication"}).text) == 1; }));
}

RedisSettings waiting_for_replicas(const RedisServer& primary) {
    RedisSettings settings = settings_for(primary.port());
    settings.replicas = 1;
    return settings;
}

// Until a replica has it: a machine that is busy may be late.
Receipt sure(RedisNode& node, const std::string& text) {
    Receipt receipt;
    REQUIRE(comes([&] {
        receipt = node.publish(text, "id of " + text);
        return receipt.status != Receipt::Status::unavailable;
    }));
    return receipt;
}

bool too_few_have(const Receipt& receipt) {
    return receipt.status == Receipt::Status::unavailable &&
           receipt.because.find("too few replicas of Redis have it") != std::string::npos;
}

}  // namespace

TEST_CASE("replicas are counted that keep up", "[redis][replicas]") {
    const auto count = [](const std::string& lines) {
        return count_replicas("# Replication\r\nrole:master\r\nconnected_slaves:2\r\n" + lines);
    };
    CHECK(count("") == 0);
    CHECK(count("slave0:ip=10.0.0.2,port=6379,state=online,offset=14,lag=0\r\n") == 1);
    CHECK(count("slave0:ip=10.0.0.2,port=6379,state=online,offset=14,lag=1\r\n"
                "slave1:ip=::1,port=6379,state=online,offset=14,lag=5,type=replica") == 2);
    CHECK(count("slave0:ip=10.0.0.2,port=6379,state=wait_bgsave,offset=0,lag=0\r\n") == 0);
    CHECK(count("slave0:ip=10.0.0.2,port=6379,state=online,offset=14,lag=6\r\n") == 0);
    CHECK(count("slave0:ip=10.0.0.2,port=6379,state=online\r\n") == 0);
    CHECK(count("slave0:state=online,lag=-1\r\nslave0\r\n\r\n\r") == 0);
    CHECK(count("slaves_waiting_psync:0\r\nmaster_replid:,state=online,lag=0\r\n") == 0);
}

TEST_CASE("a publication is answered when a replica has it", "[redis][replicas]") {
    NEEDS_REDIS();
    RedisServer primary;
    RedisServer replica(replica_of(primary));
    joined(primary);
    RedisNode a(waiting_for_replicas(primary));
    (void)a.join();
    const RedisKeys keys("wl");
    const auto kept = [&] { return replica.ask({"LLEN", keys.history("room")}).number; };
    for (int i = 1; i <= 20; ++i) {
        CHECK(sure(a, std::to_string(i)).position.offset == static_cast<uint64_t>(i));
        CHECK(kept() == i);
    }
    CHECK(comes([&] { return a.broker->totals().link->replicas->keep_up == 1; }));
    SECTION("many at once, in many channels") {
        const uint64_t first = a.ticket + 1;
        for (int i = 0; i < 500; ++i) {
            a.channel = "room" + std::to_string(i % 40);
            CHECK_FALSE(a.broker->publish(a.draft("x"), {0, ++a.ticket}));
        }
        for (uint64_t ticket = first; ticket <= a.ticket; ++ticket) {
            const auto receipt = a.boxes[0].wait<Receipt>(ticket);
            CHECK((receipt.status == Receipt::Status::accepted || too_few_have(receipt)));
        }
        a.channel = "room";
        (void)sure(a, "last");  // and with it all before
        for (int i = 0; i < 40; ++i)
            CHECK(replica.ask({"LLEN", keys.history("room" + std::to_string(i))}).number >= 12);
    }
    SECTION("scripts that are forgotten, and another generation") {
        (void)primary.ask({"SCRIPT", "FLUSH"});
        (void)sure(a, "flushed");
        CHECK(kept() == 21);
        (void)primary.ask({"FLUSHALL"});
        (void)sure(a, "forked");
        CHECK(kept() == 1);
    }
}

TEST_CASE("while a replica stands still what is kept is not confirmed, and all else goes on",
          "[redis][replicas]") {
    NEEDS_REDIS();
    RedisServer primary;
    RedisServer replica(replica_of(primary));
    joined(primary);
    RedisNode a(waiting_for_replicas(primary));
    RedisNode b(waiting_for_replicas(primary));
    (void)a.join();
    CHECK(sure(a, "a").position.offset == 1);
    replica.stop();
    CHECK(too_few_have(a.publish("b", "second")));
    CHECK(brief(a.boxes[0].take(2)) == "1=a 2=b");  // kept, and delivered
    // Known ids are answered when a replica has the first of them, whoever asks.
    CHECK(too_few_have(a.publish("b", "second")));
    CHECK(too_few_have(b.publish("b", "second")));
    for (int i = 0; i < 5; ++i) {
        CHECK(brief(b.all().messages).starts_with("1=a 2=b"));
        CHECK(a.acknowledge("ann", b.all().top).status == Receipt::Status::accepted);
        a.channel = "unkept";
        a.retention.history = 0;
        CHECK(a.publish("plain").status == Receipt::Status::accepted);
        CHECK(a.publish("plain", "id" + std::to_string(i)).status == Receipt::Status::accepted);
        a.channel = "room";
        a.retention.history = 100;
        CHECK(too_few_have(a.publish("c", "third")));
    }
    CHECK(a.up());
    CHECK(a.broker->health().empty());
    CHECK(a.broker->totals().link->replicas->unconfirmed >= 7);
    CHECK(comes([&] { return a.reports().find("has 0 replicas that keep up") != std::string::npos; }));
    replica.resume();
    Receipt again;
    CHECK(comes([&] {
        again = a.publish("b", "second");
        return again.status == Receipt::Status::duplicate;
    }));
    CHECK(again.position.offset == 2);
    CHECK(replica.ask({"LLEN", RedisKeys("wl").history("room")}).number == 3);
    (void)sure(a, "d");
    CHECK(comes([&] { return a.reports().find("has 1 replica that keeps up") != std::string::npos; }));
    CHECK(a.broker->totals().link->dials == 3);  // no link was lost over it
}

TEST_CASE("without replicas a node is ready, and says what is missing", "[redis][replicas]") {
    NEEDS_REDIS();
    RedisServer primary;
    RedisNode a(waiting_for_replicas(primary));
    (void)a.join();
    CHECK(a.up());
    CHECK(comes([&] { return a.reports().find("redis.replicas wants 1") != std::string::npos; }));
    CHECK(too_few_have(a.publish("a", "id")));
    RedisServer replica(replica_of(primary));
    CHECK(comes([&] { return a.publish("a", "id").status == Receipt::Status::duplicate; }));
    CHECK(comes([&] { return a.reports().find("are answered again") != std::string::npos; }));
    CHECK(a.broker->totals().link->forks <= 1);  // to attach a replica begins no epoch
}

TEST_CASE("a primary that dies while replicas are waited for answers nobody", "[redis][replicas]") {
    NEEDS_REDIS();
    RedisServer primary;
    RedisServer replica(replica_of(primary));
    joined(primary);
    RedisNode a(waiting_for_replicas(primary));
    (void)a.join();
    replica.stop();
    CHECK_FALSE(a.broker->publish(a.draft("x"), {0, ++a.ticket}));
    CHECK(a.boxes[0].take(1).size() == 1);
    primary.kill();
    const Receipt receipt = a.boxes[0].wait<Receipt>(a.ticket);
    CHECK(receipt.status == Receipt::Status::unavailable);
    CHECK(receipt.because == "Redis has not answered");
    replica.resume();
}
