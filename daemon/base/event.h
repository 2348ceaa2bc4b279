// Something that happened and that an operator may ask about later: one line of the log. Who decides how it
// is written, and whether it is written at all, is daemon/ops; neither the core nor the edge knows the log.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace wayleave {

enum class Severity : uint8_t { info, warning, error };

struct EventField {
    std::string_view key;  // static, snake_case
    std::string value;     // anything; escaped before it is written
    bool secret = false;   // written as a keyed hash: the same value is recognised, and not known
    bool aside = false;    // no part of the line: kept for who asks about it later
};

struct Event {
    std::string_view name;  // of its kind: static, in kebab-case
    std::string message;    // what happened, without what the fields say
    Severity severity = Severity::info;
    // About one client. Those are the fields of every decision, as far as they are known: session, user, ip,
    // route, action, target, reason, decision, rule.
    bool of_client = false;
    // For who watches the connection alone: it is no line of the log.
    bool traced = false;
    int64_t wall_ms = 0;  // when it happened, where that was before it is told; else 0
    std::vector<EventField> fields = {};

    // An empty value is no field.
    Event& with(std::string_view key, std::string_view value, bool secret = false) {
        if (!value.empty()) fields.push_back({key, std::string(value), secret});
        return *this;
    }
    Event& with_aside(std::string_view key, std::string_view value) {
        if (!value.empty()) fields.push_back({key, std::string(value), false, true});
        return *this;
    }
};

}  // namespace wayleave
