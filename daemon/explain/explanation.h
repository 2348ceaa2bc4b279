// The answer to "why?": what was decided, by which line, what the client sees, and what stood against every
// other rule. A value; made by ExplainedDecision, written as text or JSON.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/decision/rejection.h"

namespace wayleave {

enum class Verdict : uint8_t {
    allow,
    deny,
    limit,
    ask,  // a backend decides, and it was not asked
};
[[nodiscard]] std::string_view to_string(Verdict verdict);

struct RuleNote {
    std::string text;   // the rule in words
    std::string place;  // "chat.route:12:5"
    bool allow = false;
    bool holds = false;
    bool decided = false;
    std::vector<std::string> why;  // why it holds, if it decided, or why it does not
};

struct LimitNote {
    std::string text;
    std::string place;
    std::string key;       // "user.sub \"u1\""
    bool applies = false;  // its condition holds
    bool limited = false;  // it is what refused
    int64_t left = 0;      // how many more would pass now
    int64_t most = 0;
};

struct Explanation {
    Verdict verdict = Verdict::deny;
    std::string action;
    std::string target;
    std::string route;     // empty: none
    std::string decision;  // "4f0c2a9d31b7/chat.route:12": the policy's hash and the line
    std::string place;     // the line alone
    std::string because;
    std::string reason;                // of a refusal: "forbidden"
    std::string client;                // what the client sees
    std::vector<std::string> effects;  // of what is allowed: "joins user/u1"
    std::vector<RuleNote> rules;
    std::vector<LimitNote> limits;
    std::vector<std::string> facts;  // "user.sub is \"u1\""
    std::vector<std::string> notes;  // what was not asked about, and may decide otherwise
};

[[nodiscard]] std::string text_of(const Explanation& explanation);
[[nodiscard]] std::string json_of(const Explanation& explanation);

}  // namespace wayleave
