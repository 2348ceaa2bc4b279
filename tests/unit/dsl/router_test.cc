#include "dsl/policy/router.h"

#include <catch2/catch.hpp>

#include "dsl/compile/compile.h"
#include "dsl/syntax/load.h"

using namespace wayleave;
using namespace wayleave::dsl;

namespace {

struct Table {
    std::shared_ptr<const Policy> policy;
    std::string errors;

    explicit Table(const std::vector<std::string>& addresses) {
        std::string text;
        for (size_t i = 0; i < addresses.size(); ++i) {
            text += "route r" + std::to_string(i) + " " + addresses[i] + " { auth = none }\n";
        }
        Sources sources;
        Diagnostics diagnostics;
        load_text("p.route", text, sources, diagnostics);
        policy = compile(
            sources, [](const std::string&) { return failure("none"); }, diagnostics);
        for (const Diagnostic& d : diagnostics.all()) errors += d.message + "\n";
    }
    int find(std::string_view host, std::string_view path) const {
        RouteMatch match;
        return policy->router.find(host, path, match) ? static_cast<int>(match.route) : -1;
    }
};

}  // namespace

TEST_CASE("the narrowest address wins, in whatever order they stand") {
    const std::vector<std::string> addresses{"/a/b",
                                             "/a/:x(int)",
                                             "/a/:x",
                                             "/a/**",
                                             "/**",
                                             "/a/b/",
                                             "/",
                                             "app.example.com/a/:x",
                                             "*.example.com/a/b",
                                             "/d/:x(date)"};
    for (const bool reversed : {false, true}) {
        std::vector<std::string> order = addresses;
        if (reversed) std::reverse(order.begin(), order.end());
        const Table table(order);
        REQUIRE(table.errors.empty());
        const auto at = [&](std::string_view host, std::string_view path) {
            const int found = table.find(host, path);
            return found < 0 ? std::string("none") : order[static_cast<size_t>(found)];
        };
        CHECK(at("h", "/a/b") == "/a/b");
        CHECK(at("h", "/a/7") == "/a/:x(int)");
        CHECK(at("h", "/a/x") == "/a/:x");
        CHECK(at("h", "/a/b/c") == "/a/**");
        CHECK(at("h", "/a/b/") == "/a/b/");
        CHECK(at("h", "/x") == "/**");
        CHECK(at("h", "/") == "/");
        CHECK(at("h", "/d/2027-06-30") == "/d/:x(date)");
        CHECK(at("h", "/d/2027-06-31") == "/**");
        CHECK(at("app.example.com", "/a/b") == "app.example.com/a/:x");
        CHECK(at("www.example.com", "/a/b") == "*.example.com/a/b");
        CHECK(at("www.example.com", "/a/c") == "/a/:x");
        CHECK(at("a.b.example.com", "/a/b") == "/a/b");
        CHECK(at("example.com", "/a/b") == "/a/b");
    }
}

TEST_CASE("captures are found where they stand") {
    const Table table({":tenant.example.com/r/:room/x/:id(int)"});
    RouteMatch match;
    REQUIRE(table.policy->router.find("acme.example.com", "/r/lobby/x/42", match));
    CHECK(match.captures[0] == "acme");
    CHECK(match.captures[1] == "lobby");
    CHECK(match.captures[2] == "42");
    CHECK(match.types[2] == CaptureType::integer);
    CHECK_FALSE(table.policy->router.find("acme.example.com", "/r/lobby/x/y", match));
}

TEST_CASE("what is no address is not found") {
    const Table table({"/**"});
    CHECK(table.find("h", "") == -1);
    CHECK(table.find("h", "a") == -1);
    CHECK(table.find("h", "//") == -1);
    CHECK(table.find("h", "/a//b") == -1);
    std::string deep;
    for (int i = 0; i < 33; ++i) deep += "/a";
    CHECK(table.find("h", deep) == -1);
    CHECK(table.find("h", deep.substr(2)) == 0);
}

TEST_CASE("two of which neither is narrower are an error that shows an address") {
    CHECK(Table({"/a/:x", "/:y/b"}).errors == "both addresses match `/a/b`, and neither is narrower\n");
    CHECK(Table({"/:x(hex)", "/:x(slug)"}).errors ==
          "both addresses match `/beef`, and neither is narrower\n");
    CHECK(Table({"/a/:x/c", "/a/b/**"}).errors == "both addresses match `/a/b/c`, and neither is narrower\n");
    CHECK(Table({"a.*/x", "*.b/x"}).errors == "both addresses match `a.b/x`, and neither is narrower\n");
    CHECK(Table({"/a", "/a"}).errors == "this address is taken already\n");
    CHECK(Table({"/:x(int)", "/:x(uuid)", "/:x(date)", "/x", "/x/"}).errors.empty());
    CHECK(Table({"/:x(int)", "/:x(hex)", "/:x"}).errors.empty());
}

TEST_CASE("a request that names no host is for addresses that name none") {
    Router router;
    AddressPattern named;
    named.host = {{AddressSegment::Kind::capture, "", CaptureType::any, -1}};
    named.path = {{AddressSegment::Kind::text, "a", CaptureType::any, -1}};
    REQUIRE_FALSE(router.add(named, 0));
    RouteMatch match;
    CHECK(router.find("x", "/a", match));
    CHECK_FALSE(router.find("", "/a", match));
}
