#include <catch2/catch.hpp>

#include "daemon/backend/signature.h"
#include "daemon/backend/transfer.h"

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

// printf '1700000000\nPOST\n/a?b=1\n{"x":1}' | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
TEST_CASE("a signature covers time, method, path and body") {
    const std::string secret = "0123456789abcdef0123456789abcdef";
    const auto text = signature_of(secret, 1'700'000'000'999, "POST", "/a?b=1", "{\"x\":1}");
    REQUIRE(text);
    CHECK(*text == "t=1700000000,v1=72eb68c91a3d320d00c5a07ddbe603b084a28eccac013884c3116e7f7ffd3126");
    CHECK(*signature_of(secret, 1'700'000'001'000, "POST", "/a?b=1", "{\"x\":1}") != *text);
    CHECK(*signature_of(secret, 1'700'000'000'999, "GET", "/a?b=1", "{\"x\":1}") != *text);
    CHECK(*signature_of(secret, 1'700'000'000'999, "POST", "/a?b=2", "{\"x\":1}") != *text);
    CHECK(*signature_of(secret, 1'700'000'000'999, "POST", "/a?b=1", "{\"x\":2}") != *text);
    CHECK(*signature_of(secret + "x", 1'700'000'000'999, "POST", "/a?b=1", "{\"x\":1}") != *text);
}
