#include "daemon/edge/connection_quota.h"

#include <catch2/catch.hpp>
#include <thread>
#include <vector>

using wayleave::ConnectionQuota;
using wayleave::dsl::parse_address;

namespace {

const wayleave::dsl::Address one = *parse_address("192.0.2.1");

}  // namespace

TEST_CASE("no more than the limit are inside", "[quota]") {
    ConnectionQuota quota(2);
    CHECK(quota.enter() == ConnectionQuota::Verdict::enters);
    CHECK(quota.enter() == ConnectionQuota::Verdict::enters);
    CHECK(quota.enter() == ConnectionQuota::Verdict::full);
    CHECK(quota.inside() == 2);
    quota.leave();
    CHECK(quota.inside() == 1);
    CHECK(quota.enter() == ConnectionQuota::Verdict::enters);
    CHECK(quota.enter() == ConnectionQuota::Verdict::full);
}

TEST_CASE("nobody enters through a quota for nobody", "[quota]") {
    ConnectionQuota quota(0);
    CHECK(quota.enter() == ConnectionQuota::Verdict::full);
    CHECK(quota.inside() == 0);
}

TEST_CASE("trouble is told once a second, by whichever worker", "[quota]") {
    ConnectionQuota quota(1);
    CHECK(quota.may_report(5000));
    CHECK_FALSE(quota.may_report(5000));
    CHECK_FALSE(quota.may_report(5999));
    CHECK(quota.may_report(6000));
    CHECK_FALSE(quota.may_report(6500));
}

TEST_CASE("many threads at the quota", "[quota]") {
    ConnectionQuota quota(10);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 10000; ++i) {
                if (quota.enter() == ConnectionQuota::Verdict::enters) quota.leave();
            }
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(quota.inside() == 0);
}

TEST_CASE("each source has its share: an IPv4 address, or a /64 of IPv6", "[quota]") {
    ConnectionQuota quota(100);
    quota.set_most_of_source(2);
    for (const char* source : {"192.0.2.1", "192.0.2.2", "2001:db8:0:1::1", "2001:db8:0:2::1"}) {
        INFO(source);
        CHECK(quota.take_place(*parse_address(source), true));
    }
    CHECK(quota.take_place(*parse_address("2001:db8:0:1:ffff::9"), true));
    CHECK_FALSE(quota.take_place(*parse_address("2001:db8:0:1::7"), true));
    CHECK(quota.take_place(*parse_address("::ffff:192.0.2.1"), true));
    CHECK_FALSE(quota.take_place(one, true));
    CHECK(quota.take_place(one, false));
    quota.leave_place(one);
    quota.leave_place(one);
    CHECK(quota.take_place(one, true));
    CHECK(quota.sources() == 4);
    quota.set_most_of_source(0);
    CHECK(quota.take_place(one, true));
    for (int i = 0; i < 3; ++i) quota.leave_place(one);
    CHECK(quota.sources() == 3);
    quota.leave_place(one);
    CHECK(quota.sources() == 3);
}

TEST_CASE("nobody enters while memory is short", "[quota]") {
    ConnectionQuota quota(100);
    quota.set_memory_short(true);
    CHECK(quota.enter() == ConnectionQuota::Verdict::no_memory);
    quota.set_memory_short(false);
    CHECK(quota.enter() == ConnectionQuota::Verdict::enters);
    CHECK(quota.inside() == 1);
}
