#include "daemon/base/json_value.h"

#include <algorithm>

#include "daemon/base/json_writer.h"
#include "dsl/policy/describe.h"
#include "dsl/text/text.h"

namespace wayleave {
namespace {

using dsl::Kind;
using dsl::Scalar;
using dsl::Shape;
using simdjson::dom::element;

constexpr size_t most_elements = 1000;  // of a set or list

std::optional<Scalar> text_scalar(std::string_view text, Kind kind) {
    switch (kind) {
        case Kind::string: return Scalar(std::string(text));
        case Kind::ip:
            if (const auto ip = dsl::parse_address(text)) return Scalar(*ip);
            break;
        case Kind::date:
            if (const auto date = dsl::parse_date(text)) return Scalar(*date);
            break;
        case Kind::integer:
            if (const auto number = dsl::parse_integer(text)) return Scalar(*number);
            break;
        case Kind::boolean:
            if (text == "true" || text == "false") return Scalar(text == "true");
            break;
        default: break;
    }
    return std::nullopt;
}

std::optional<Scalar> scalar(element item, Kind kind) {
    switch (kind) {
        case Kind::boolean: {
            bool value = false;
            if (item.get(value) == simdjson::SUCCESS) return Scalar(value);
            return std::nullopt;
        }
        case Kind::integer: {
            int64_t value = 0;
            if (item.get(value) != simdjson::SUCCESS) return std::nullopt;
            return Scalar(value);
        }
        case Kind::floating: {
            double value = 0;
            if (item.get(value) == simdjson::SUCCESS) return Scalar(value);
            return std::nullopt;
        }
        case Kind::string:
        case Kind::ip:
        case Kind::date: {
            std::string_view value;
            if (item.get(value) != simdjson::SUCCESS) return std::nullopt;
            return text_scalar(value, kind);
        }
        default: return std::nullopt;
    }
}

dsl::Value collected(std::vector<Scalar> elements, dsl::Type type) {
    if (type.shape == Shape::set) {
        std::sort(elements.begin(), elements.end());
        elements.erase(std::unique(elements.begin(), elements.end()), elements.end());
    }
    return dsl::Value(std::move(elements));
}

}  // namespace

std::optional<element> json_member(simdjson::dom::object object, const std::vector<std::string>& path,
                                   bool& ambiguous) {
    std::optional<element> found;
    for (size_t i = 0; i < path.size(); ++i) {
        found.reset();
        for (const auto field : object) {
            if (field.key != path[i]) continue;
            if (found) ambiguous = true;
            found = field.value;
        }
        if (!found) return std::nullopt;
        if (i + 1 < path.size() && found->get(object) != simdjson::SUCCESS) return std::nullopt;
    }
    return found;
}

std::optional<dsl::Value> json_value(element item, dsl::Type type) {
    if (type.shape == Shape::one) {
        auto one = scalar(item, type.kind);
        if (!one) return std::nullopt;
        return dsl::to_value(std::move(*one));
    }
    simdjson::dom::array array;
    if (item.get(array) != simdjson::SUCCESS || array.size() > most_elements) return std::nullopt;
    std::vector<Scalar> elements;
    for (const element each : array) {
        auto one = scalar(each, type.kind);
        if (!one) return std::nullopt;
        elements.push_back(std::move(*one));
    }
    return collected(std::move(elements), type);
}

std::optional<dsl::Value> split_value(std::string_view text, std::string_view separator, dsl::Type type) {
    std::vector<Scalar> elements;
    for (bool more = true; more;) {
        const size_t end = text.find(separator);
        more = end != std::string_view::npos;
        if (const auto each = text.substr(0, end); !each.empty()) elements.emplace_back(std::string(each));
        if (elements.size() > most_elements) return std::nullopt;
        if (more) text.remove_prefix(end + separator.size());
    }
    return collected(std::move(elements), type);
}

std::optional<dsl::Value> text_value(std::string_view text, dsl::Type type) {
    if (type.shape != Shape::one) return std::nullopt;
    auto one = text_scalar(text, type.kind);
    if (!one) return std::nullopt;
    return dsl::to_value(std::move(*one));
}

void append_json(std::string& out, const dsl::Value& value, dsl::Type type) {
    if (const auto* list = std::get_if<std::vector<Scalar>>(&value.held)) {
        out += '[';
        for (const Scalar& scalar : *list) {
            if (out.back() != '[') out += ',';
            append_json(out, dsl::to_value(scalar), {type.kind, Shape::one});
        }
        out += ']';
    } else if (const auto* text = std::get_if<std::string>(&value.held)) {
        append_json(out, *text);
    } else if (type.kind == Kind::boolean || type.kind == Kind::floating || type.kind == Kind::integer ||
               type.kind == Kind::size || type.kind == Kind::time) {
        out += dsl::print(value);
    } else {
        append_json(out, dsl::print(value, type));
    }
}

}  // namespace wayleave
