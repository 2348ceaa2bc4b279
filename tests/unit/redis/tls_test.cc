#include <cstdlib>
#include <filesystem>

#include "tests/unit/redis/redis_fixture.h"

using namespace wayleave;

TEST_CASE("over TLS the server is verified, and may ask who comes", "[redis][faults]") {
    NEEDS_REDIS();
    std::string directory = "/tmp/wayleave-redis-tls-XXXXXX";
    REQUIRE(mkdtemp(directory.data()) != nullptr);
    const std::string certificate = directory + "/cert.pem";
    const std::string key = directory + "/key.pem";
    const std::string make =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        "-subj /CN=redis -addext subjectAltName=IP:127.0.0.1,DNS:redis.test -keyout " +
        key + " -out " + certificate + " 2>/dev/null";
    REQUIRE(std::system(make.c_str()) == 0);
    const bool asks = GENERATE(false, true);
    const uint16_t port = free_port();
    RedisServer server({"--tls-port", std::to_string(port), "--tls-cert-file", certificate, "--tls-key-file",
                        key, "--tls-ca-cert-file", certificate, "--tls-auth-clients", asks ? "yes" : "no"});
    RedisSettings settings = settings_for(port);
    const auto health = [&](const RedisTlsFiles& files) {
        auto tls = make_redis_tls(files);
        REQUIRE(tls);
        settings.target.tls = std::move(*tls);
        RedisNode node(settings);
        if (node.up()) CHECK(node.publish("a").status == Receipt::Status::accepted);
        return node.broker->health();
    };
    RedisTlsFiles files{certificate, "", ""};
    if (asks) {
        CHECK_FALSE(health(files).empty());
        files.certificate = certificate;
        files.key = key;
    }
    CHECK(health(files).empty());
    settings.target.server_name = "redis.test";
    CHECK(health(files).empty());
    settings.target.server_name = "other.test";
    CHECK(health(files).find("its certificate is not believed") != std::string::npos);
    settings.target.server_name.clear();
    files.ca.clear();
    CHECK(health(files).find("its certificate is not believed") != std::string::npos);
    files.ca = directory + "/none.pem";
    CHECK(make_redis_tls(files).error().find("redis.ca") != std::string::npos);
    std::filesystem::remove_all(directory);
}
