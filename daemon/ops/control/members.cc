#include "daemon/ops/control/members.h"

#include <simdjson.h>

#include <algorithm>

#include "dsl/text/text.h"

namespace wayleave {
namespace {

using Value = std::variant<std::string, uint64_t, bool>;

std::string_view noun(Members::Kind kind) {
    switch (kind) {
        case Members::Kind::text: return "a text that is not empty";
        case Members::Kind::number: return "a number that is not negative";
        case Members::Kind::flag: return "true or false";
    }
    return {};
}

std::optional<Value> value_of(const simdjson::dom::element& element, Members::Kind kind) {
    std::string_view text;
    uint64_t number = 0;
    bool flag = false;
    switch (kind) {
        case Members::Kind::text:
            if (element.get(text) != simdjson::SUCCESS || text.empty()) return std::nullopt;
            return std::string(text);
        case Members::Kind::number:
            return element.get(number) == simdjson::SUCCESS ? std::optional<Value>(number) : std::nullopt;
        case Members::Kind::flag:
            return element.get(flag) == simdjson::SUCCESS ? std::optional<Value>(flag) : std::nullopt;
    }
    return std::nullopt;
}

std::string listed(std::initializer_list<Members::Known> known) {
    std::string out;
    for (const Members::Known& one : known) out += (out.empty() ? "" : ", ") + std::string(one.name);
    return out;
}

}  // namespace

Result<Members> Members::read(std::string_view body, std::initializer_list<Known> known) {
    Members out;
    if (body.empty()) return out;
    simdjson::dom::parser parser;
    simdjson::dom::element document;
    simdjson::dom::object object;
    const simdjson::padded_string padded(body);
    if (parser.parse(padded).get(document) != simdjson::SUCCESS || document.get(object) != simdjson::SUCCESS)
        return failure("the body is a JSON object with any of " + listed(known));
    for (const auto& [key, element] : object) {
        const std::string_view name = key;
        const auto it =
            std::find_if(known.begin(), known.end(), [&](const Known& one) { return one.name == name; });
        if (it == known.end())
            return failure("there is no member " + dsl::quoted(name) + "; there are " + listed(known));
        auto value = value_of(element, it->kind);
        if (!value) return failure(dsl::quoted(name) + " is " + std::string(noun(it->kind)));
        if (!out.members_.try_emplace(std::string(name), std::move(*value)).second)
            return failure(dsl::quoted(name) + " stands twice");
    }
    return out;
}

std::string Members::text(std::string_view name) const {
    const auto found = members_.find(name);
    return found == members_.end() ? std::string() : std::get<std::string>(found->second);
}

std::optional<uint64_t> Members::number(std::string_view name) const {
    const auto found = members_.find(name);
    return found == members_.end() ? std::nullopt : std::optional(std::get<uint64_t>(found->second));
}

bool Members::flag(std::string_view name) const {
    const auto found = members_.find(name);
    return found != members_.end() && std::get<bool>(found->second);
}

}  // namespace wayleave
