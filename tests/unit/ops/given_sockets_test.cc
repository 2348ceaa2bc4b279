#include "daemon/ops/server/given_sockets.h"

#include <fcntl.h>
#include <sysexits.h>

#include <catch2/catch.hpp>

using namespace wayleave;
using Use = GivenListener::Use;

namespace {

std::vector<FileDescriptor> some(int count) {
    std::vector<FileDescriptor> out;
    for (int i = 0; i < count; ++i) out.emplace_back(open("/dev/null", O_RDONLY | O_CLOEXEC));
    return out;
}

std::vector<GivenListener> of_manager() {
    std::vector<GivenListener> out;
    out.push_back({Use::any, "clients", "", some(2)});
    out.push_back({Use::any, "health", "", some(1)});
    return out;
}

}  // namespace

TEST_CASE("sockets of a service manager are found by name, once", "[given]") {
    GivenSockets given(of_manager());
    CHECK(given.take(Use::clients, "", "").sockets.empty());
    CHECK(given.take(Use::clients, "others", "127.0.0.1:80").sockets.empty());
    CHECK(given.take(Use::clients, "clients", "127.0.0.1:80").sockets.size() == 2);
    CHECK(given.take(Use::clients, "clients", "127.0.0.1:80").sockets.empty());
    const auto taken = given.check_all_taken();
    REQUIRE_FALSE(taken);
    CHECK(taken.error().exit_code == EX_CONFIG);
    CHECK_THAT(taken.error().text, Catch::Contains("named \"health\""));
    CHECK(given.take(Use::admin, "health", "").sockets.size() == 1);
    CHECK(given.check_all_taken());
}

TEST_CASE("those of the daemon before are found by what they are for, and by address", "[given]") {
    std::vector<GivenListener> listeners;
    listeners.push_back({Use::clients, "", "127.0.0.1:0", some(3)});
    listeners.push_back({Use::clients, "web", "", some(1)});
    listeners.push_back({Use::admin, "", "127.0.0.1:0", some(1)});
    listeners.push_back({Use::control, "", "", some(1)});
    GivenSockets given(std::move(listeners));
    CHECK(given.take(Use::control, "", "").sockets.size() == 1);
    CHECK(given.take(Use::admin, "health", "127.0.0.1:0").sockets.size() == 1);
    CHECK(given.take(Use::admin, "health", "127.0.0.1:0").sockets.empty());
    CHECK(given.take(Use::clients, "clients", "127.0.0.1:0").sockets.size() == 3);
    CHECK(given.take(Use::clients, "web", "127.0.0.1:80").name == "web");
    CHECK(given.check_all_taken());
}

TEST_CASE("a name that no terminal should see is escaped", "[given]") {
    std::vector<GivenListener> listeners;
    listeners.push_back({Use::any, "\x1b[31m", "", some(1)});
    const auto taken = GivenSockets(std::move(listeners)).check_all_taken();
    REQUIRE_FALSE(taken);
    CHECK(taken.error().text.find('\x1b') == std::string::npos);
}
