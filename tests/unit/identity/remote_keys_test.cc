#include "daemon/identity/remote_keys.h"

#include <catch2/catch.hpp>

#include "tests/unit/identity/fake_backends.h"

using namespace wayleave;
using namespace wayleave::test;

namespace {

const std::string ed = R"("kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")";
const std::string p256 =
    R"("kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0")";
const std::string oct =
    R"("kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")";

std::string set_of(std::initializer_list<std::string> keys) {
    std::string out;
    for (const std::string& key : keys) out += (out.empty() ? "{" : ",{") + key + "}";
    return R"({"keys":[)" + out + "]}";
}

struct Published {
    FakeBackends backends;
    std::vector<std::string> told;
    std::shared_ptr<RemoteKeys> keys = RemoteKeys::create(
        "https://login.example/jwks", backends,
        [this](std::string_view event, const std::string&, bool) { told.emplace_back(event); });

    bool asks(int64_t steady_ms) {
        keys->refresh({steady_ms, 0});
        return !backends.sent.empty();
    }
};

}  // namespace

TEST_CASE("what of a published set is taken") {
    size_t left_out = 0;
    const auto count = [&](const std::string& json) -> int {
        const auto keys = KeySet::published(json);
        left_out = keys ? keys->left_out().size() : 0;
        return keys ? static_cast<int>(keys->keys().size()) : -1;
    };
    CHECK(count(set_of({ed + R"(,"kid":"a")", p256 + R"(,"kid":"b")"})) == 2);
    CHECK(left_out == 0);
    CHECK(count(set_of({ed, oct, R"("kty":"EC","crv":"P-521","x":"AA","y":"AA")", R"("kty":"new")",
                        p256 + R"(,"use":"enc")", p256 + R"(,"key_ops":["encrypt"])",
                        p256 + R"(,"alg":"ES512")",
                        ed + R"(,"d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")",
                        R"("kty":"RSA","n":"AQAB","e":"AQAB")"})) == 1);
    CHECK(left_out == 8);  // symmetric and private keys are never used, whoever published them
    CHECK(count(set_of({oct})) == -1);
    CHECK(count(set_of({})) == -1);
    CHECK(count(set_of({ed + R"(,"kid":"a")", p256 + R"(,"kid":"a")"})) == 2);
    CHECK(count(set_of({ed + R"(,"kid":"a")", ed + R"(,"kid":"a","x5t":1e400)", p256})) == 2);
    CHECK(count(R"({"keys":[{)" + ed + R"(}],"n":123456789012345678901,"s":"\ud83d"})") == 1);
    CHECK(count("{" + ed + "}") == -1);  // a JWK is no set
    CHECK(count(R"({"keys":1})") == -1);
    CHECK(count(R"({"keys":[1]})") == -1);
    CHECK(count(R"({"keys":[],"keys":[]})") == -1);
    CHECK(count("") == -1);
    std::string many = "{" + ed + "}";
    for (int i = 0; i < 60; ++i) many += ",{" + ed + R"(,"kid":")" + std::to_string(i) + "\"}";
    CHECK(count(R"({"keys":[)" + many + "]}") == 50);
    CHECK(left_out == 11);
    for (int i = 0; i < 440; ++i) many += ",{}";
    CHECK(count(R"({"keys":[)" + many + "]}") == -1);
}

TEST_CASE("a set is renewed in time, as its answer says") {
    Published published;
    CHECK(published.asks(0));
    CHECK(published.backends.sent.size() == 1);
    CHECK(published.asks(1));
    CHECK(published.backends.sent.size() == 1);  // one at a time
    published.backends.answer(200, set_of({ed}), {100, 0});
    const auto first = published.keys->current();
    REQUIRE(first.keys);
    CHECK_FALSE(published.asks(300'099));  // five minutes without a word about it
    CHECK(published.asks(300'100));
    published.backends.answer(200, set_of({ed}), {300'100, 0}, 1);
    CHECK(published.keys->current().number == first.number);  // the same again
    CHECK_FALSE(published.asks(360'099));                     // not sooner than after a minute
    CHECK(published.asks(360'100));
    published.backends.answer(200, set_of({p256}), {360'100, 0}, 1'000'000'000);
    CHECK(published.keys->current().number != first.number);
    CHECK_FALSE(published.asks(360'100 + 86'399'999));  // not later than after a day
    CHECK(published.asks(360'100 + 86'400'000));
    published.backends.fail(BackendAnswer::Kind::failed, {400'000, 0});
}

TEST_CASE("the last good set stays, and a first one is asked for soon") {
    Published published;
    CHECK(published.asks(0));
    published.backends.fail(BackendAnswer::Kind::failed, {0, 0});
    CHECK_FALSE(published.keys->current().keys);
    CHECK_FALSE(published.asks(4999));
    CHECK(published.asks(5000));
    published.backends.answer(302, set_of({ed}), {5000, 0});
    CHECK_FALSE(published.keys->current().keys);
    CHECK(published.asks(10'000));
    published.backends.answer(200, set_of({ed}), {10'000, 0});
    CHECK(published.keys->status().known);
    CHECK(published.asks(400'000));
    published.backends.answer(200, "broken", {400'000, 0});
    CHECK(published.keys->current().keys);
    CHECK_FALSE(published.asks(459'999));
    CHECK(published.asks(460'000));
    published.backends.answer(200, set_of({ed}), {460'000, 0});
    CHECK(published.told ==
          std::vector<std::string>{"keys-unavailable", "keys-fetched", "keys-unavailable", "keys-fetched"});
    CHECK(published.keys->status().failed == 3);
}

TEST_CASE("an unknown key is worth one fetch a minute, and all wait for it") {
    Published published;
    CHECK(published.asks(0));
    int called = 0;
    CHECK(published.keys->may_renew({1, 0}));  // the first is under way
    published.keys->renew({1, 0}, [&] { ++called; });
    CHECK(published.backends.sent.size() == 1);
    published.backends.answer(200, set_of({ed}), {10, 0});
    CHECK(called == 1);
    for (int i = 0; i < 100; ++i) published.keys->renew({1000, 0}, [&] { ++called; });
    CHECK(published.backends.sent.size() == 1);
    CHECK(called == 1);
    published.backends.answer(200, set_of({ed, p256}), {1100, 0});
    CHECK(called == 101);
    CHECK_FALSE(published.keys->may_renew({60'999, 0}));
    published.keys->renew({60'999, 0}, [&] { ++called; });
    CHECK(called == 102);
    CHECK(published.backends.sent.empty());
    CHECK(published.keys->may_renew({61'000, 0}));
}

TEST_CASE("an answer that comes when nobody holds the keys is nothing") {
    Published published;
    CHECK(published.asks(0));
    published.keys.reset();
    published.backends.answer(200, set_of({ed}), {10, 0});
    CHECK(published.told.empty());
}
