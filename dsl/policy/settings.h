// The settings of the language, `name = value`: one row each. The checks and the manual's list come from
// here.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace wayleave::dsl {

// Where a setting may stand.
enum class Place : uint8_t {
    body,  // route, policy, defaults
    token,
    message,
    backend,
    channel,
};

enum class SettingForm : uint8_t {
    names,    // of tokens, or `none`
    origins,  // a set of texts, `any`, with `none` among them
    texts,    // a set of texts, or one
    text,
    word,  // one out of `words`, in quotes or without
    size,
    integer,
    time,
    boolean,
    keys,     // file "…", or url "https://…"
    file,     // file "…"
    backend,  // NAME "/path"
};

struct SettingRow {
    std::string_view name;
    Place place = Place::body;
    SettingForm form = SettingForm::text;
    std::string_view default_text;
    int64_t min = 0;
    int64_t max = 0;
    std::string_view sentence;
    std::string_view words = {};  // of a word: "none user"
};

// Whether `word` is among the words, which blanks separate.
[[nodiscard]] bool has_word(std::string_view words, std::string_view word);

[[nodiscard]] std::span<const SettingRow> setting_rows();
[[nodiscard]] const SettingRow* setting_row(Place place, std::string_view name);

}  // namespace wayleave::dsl
