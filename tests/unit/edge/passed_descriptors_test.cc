#include "daemon/edge/passed_descriptors.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <catch2/catch.hpp>

#include "tests/unit/edge/socket_pair.h"

using namespace wayleave;
using test::local_pair;

TEST_CASE("descriptors come out at the other end, in their order", "[descriptors]") {
    const test::SocketPair pair = local_pair();
    const FileDescriptor null(open("/dev/null", O_RDONLY | O_CLOEXEC));
    const FileDescriptor zero(open("/dev/zero", O_RDONLY | O_CLOEXEC));
    REQUIRE(send_with_descriptors(pair.ours, 'x', {null.get(), zero.get(), null.get()}) == 1);
    CHECK(test::say(pair.ours, "yz") == 2);
    std::array<char, 16> bytes{};
    std::vector<FileDescriptor> came;
    REQUIRE(receive_with_descriptors(pair.peer, bytes, came) >= 1);
    CHECK(bytes[0] == 'x');
    REQUIRE(came.size() == 3);
    const std::array<int, 3> expected{null.get(), zero.get(), null.get()};
    for (size_t i = 0; i < came.size(); ++i) {
        struct stat here {};
        struct stat there {};
        REQUIRE(fstat(came[i].get(), &here) == 0);
        REQUIRE(fstat(expected[i], &there) == 0);
        CHECK(here.st_rdev == there.st_rdev);
        CHECK((fcntl(came[i].get(), F_GETFD) & FD_CLOEXEC) != 0);
    }
}

TEST_CASE("bytes may come without descriptors, and as many as the kernel takes with one", "[descriptors]") {
    const test::SocketPair pair = local_pair();
    std::array<char, 16> bytes{};
    std::vector<FileDescriptor> came;
    CHECK(test::say(pair.ours, "abc") == 3);
    CHECK(receive_with_descriptors(pair.peer, bytes, came) == 3);
    CHECK(came.empty());
    const FileDescriptor null(open("/dev/null", O_RDONLY | O_CLOEXEC));
    REQUIRE(send_with_descriptors(pair.ours, 'x', std::vector<int>(250, null.get())) == 1);
    CHECK(receive_with_descriptors(pair.peer, bytes, came) == 1);
    CHECK(came.size() == 250);
    CHECK(receive_with_descriptors(pair.peer, bytes, came) == -1);
}
