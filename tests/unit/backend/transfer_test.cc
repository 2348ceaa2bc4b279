#include <absl/strings/escaping.h>
#include <catch2/catch.hpp>

#include "daemon/backend/signature.h"
#include "daemon/backend/transfer.h"
#include "daemon/identity/key_file.h"

using namespace wayleave;

TEST_CASE("max-age of Cache-Control") {
    struct Case {
        const char* value;
        std::optional<int64_t> age;
    };
    for (const auto& [value, age] : {
             Case{"max-age=300", 300},
             Case{"public, Max-Age=0", 0},
             Case{"max-age=300, no-cache", 0},
             Case{"no-store", 0},
             Case{"", std::nullopt},
             Case{"public", std::nullopt},
             Case{"max-age=", std::nullopt},
             Case{"max-age=-1", std::nullopt},
             Case{"max-age=1x", std::nullopt},
             Case{"max-age=99999999999999999999", std::nullopt},
             Case{"s-maxage=5", std::nullopt},
             Case{"max-age=\"5\"", std::nullopt},
         }) {
        INFO(value);
        CHECK(max_age_of(value) == age);
    }
}

TEST_CASE("a request whose parts would end a line is not sent") {
    struct Case {
        const char* what;
        std::string method;
        std::string path;
        std::string header;
        bool good;
    };
    for (const Case& one : {
             Case{"as it should be", "GET", "/me?a=b%20c", "Cookie: sid=abc", true},
             {"a value may be empty", "POST", "", "Expect:", true},
             {"obs-text is a value's affair", "GET", "/", "X-Name: \xc3\xa4 b\tc", true},
             {"CR LF in a field", "GET", "/", "Cookie: sid=a\r\nX-Admin: 1", false},
             {"LF alone", "GET", "/", "Cookie: sid=a\nX-Admin: 1", false},
             {"CR alone", "GET", "/", "Cookie: sid=a\rX-Admin: 1", false},
             {"NUL, behind which C sees nothing", "GET", "/", std::string("Cookie: sid=a\0b", 15), false},
             {"no colon", "GET", "/", "Cookie", false},
             {"no name", "GET", "/", ": a", false},
             {"a name with a space", "GET", "/", "Coo kie: a", false},
             {"a space in the path", "GET", "/me HTTP/1.1", "A: b", false},
             {"CR LF in the path", "GET", "/me\r\nX: 1", "A: b", false},
             {"NUL in the path", "GET", std::string("/me\0x", 5), "A: b", false},
             {"CR LF in the method", "GET / HTTP/1.1\r\nX: 1", "/", "A: b", false},
             {"no method", "", "/", "A: b", false},
         }) {
        INFO(one.what);
        BackendRequest request;
        request.method = one.method;
        request.path = one.path;
        request.headers = {"Accept: */*", one.header};
        CHECK(fault_of(request).empty() == one.good);
    }
}

// The example of the specification's own repository (its tests of the Python library).
TEST_CASE("a signature as Standard Webhooks makes it") {
    std::string secret;
    REQUIRE(absl::Base64Unescape("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &secret));
    const std::vector keys{std::make_shared<const SecretText>(secret)};
    const auto text =
        webhook_signature(keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1'614'265'330, "{\"test\": 2432232314}");
    REQUIRE(text);
    CHECK(*text == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST_CASE("a signature covers id, time and body, and there is one of each key") {
    const std::vector keys{std::make_shared<const SecretText>("0123456789abcdef01234567"),
                           std::make_shared<const SecretText>("fedcba9876543210fedcba98")};
    const std::vector first{keys[0]};
    const std::vector second{keys[1]};
    const std::string both = *webhook_signature(keys, "a", 1, "b");
    CHECK(both == *webhook_signature(first, "a", 1, "b") + " " + *webhook_signature(second, "a", 1, "b"));
    CHECK(both != *webhook_signature(keys, "x", 1, "b"));
    CHECK(both != *webhook_signature(keys, "a", 2, "b"));
    CHECK(both != *webhook_signature(keys, "a", 1, "c"));
}
