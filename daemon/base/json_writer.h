// Writing JSON: what the daemon says itself.
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <vector>

namespace wayleave {

// Appends the text as a JSON string with its quotes. What is not UTF-8 becomes U+FFFD.
void append_json(std::string& out, std::string_view text);
[[nodiscard]] std::string json_string(std::string_view text);

class JsonArray {
  public:
    JsonArray() = default;
    explicit JsonArray(const std::vector<std::string>& texts) {
        for (const std::string& text : texts) add(text);
    }

    JsonArray& add(std::string_view text) { return raw(json_string(text)); }
    JsonArray& raw(std::string_view json);  // a value that is JSON already
    [[nodiscard]] std::string text() const { return text_ + ']'; }

  private:
    std::string text_ = "[";
};

// Members stand in the order in which they are added. That no name is added twice is the caller's to see to.
class JsonObject {
  public:
    JsonObject& add(std::string_view name, std::string_view text);
    JsonObject& add(std::string_view name, const std::vector<std::string>& texts) {
        return add(name, JsonArray(texts));
    }
    JsonObject& add(std::string_view name, const JsonArray& array) { return raw(name, array.text()); }
    JsonObject& add(std::string_view name, const JsonObject& object) { return raw(name, object.text()); }
    template <std::integral Number>
    JsonObject& add(std::string_view name, Number number) {
        if constexpr (std::same_as<Number, bool>)
            return raw(name, number ? "true" : "false");
        else
            return raw(name, std::to_string(number));
    }
    // Left out if there is nothing to say.
    JsonObject& add_if_any(std::string_view name, std::string_view text) {
        return text.empty() ? *this : add(name, text);
    }
    JsonObject& raw(std::string_view name, std::string_view json);  // a value that is JSON already
    [[nodiscard]] std::string text() const { return text_ + '}'; }

  private:
    void begin(std::string_view name);

    std::string text_ = "{";
};

}  // namespace wayleave
