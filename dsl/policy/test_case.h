// The `test` blocks of a policy, checked: who the client is, what it tries, and what should come of it.
// Values; daemon/explain runs them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dsl/policy/value.h"
#include "dsl/policy/vocabulary.h"

namespace wayleave::dsl {

// A member of a message or of a token, perhaps an object.
struct TestValue {
    std::string name;
    Type type;
    Value value;
    bool object = false;
    std::vector<TestValue> members;  // of an object
};

// What the client brings. A later `as` or setting changes what follows it.
struct TestClient {
    std::string token;              // empty: none
    std::vector<TestValue> claims;  // by their names in the policy
    // ip, origin, host, subprotocol, tls, or the name of an input
    std::vector<std::pair<std::string, TestValue>> settings;
};

// A token that it brings for one channel.
struct TestGrant {
    std::string token;
    std::vector<TestValue> claims;
};

// What a backend says to whoever asks it.
struct TestAnswer {
    std::string backend;
    int64_t status = 0;
    std::vector<TestValue> members;
};

struct TestStep {
    enum class Verdict : uint8_t { allow, deny, limit };

    Verdict verdict = Verdict::allow;
    Action action = Action::connect;
    std::string target;
    std::vector<TestValue> members;  // of a message
    std::optional<TestGrant> grant;  // with a subscription
    std::string at;                  // of an api; empty: a client's connection
    int64_t times = 1;
    std::optional<std::string> because;
    TestClient client;
    std::vector<TestAnswer> answers;  // one for a backend
    std::string place;
};

struct Policy;

struct TestCase {
    std::string title;
    std::string at;  // empty: what an `expect allow connect` says, or the only route
    std::vector<TestStep> steps;
    std::string place;
    std::shared_ptr<const Policy> policy;  // of a test that defines names in its own way
};

}  // namespace wayleave::dsl
