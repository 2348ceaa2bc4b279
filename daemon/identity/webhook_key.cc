#include "daemon/identity/webhook_key.h"

#include <absl/strings/escaping.h>
#include <openssl/crypto.h>

#include <utility>

namespace wayleave {
namespace {

constexpr size_t least_bytes = 24;
constexpr size_t most_bytes = 64;
constexpr std::string_view prefix = "whsec_";
constexpr std::string_view remedy =
    "write one `whsec_` and base64 a line; make one with: echo whsec_$(openssl rand -base64 32)";

// Without the line's end and blanks around.
std::string_view next_line(std::string_view& text) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    while (line.ends_with('\r') || line.ends_with(' ')) line.remove_suffix(1);
    return line;
}

Failure<KeyError> bad(KeyError::Kind kind, const std::string& path, size_t line, const std::string& what) {
    return failure(KeyError{kind, path + ": line " + std::to_string(line) + " " + what, std::string(remedy)});
}

}  // namespace

KeyResult<std::vector<std::shared_ptr<const SecretText>>> read_webhook_keys(const std::string& path) {
    auto file = read_key_file(path);
    if (!file) return failure(file.error());
    if (auto hidden = refuse_if_exposed(*file); !hidden) return failure(hidden.error());
    std::vector<std::shared_ptr<const SecretText>> out;
    std::string_view text = file->text.view();
    for (size_t number = 1; !text.empty(); ++number) {
        const std::string_view line = next_line(text);
        if (line.empty()) continue;
        std::string key;
        if (!line.starts_with(prefix) ||
            !absl::Base64Unescape({line.data() + prefix.size(), line.size() - prefix.size()}, &key)) {
            OPENSSL_cleanse(key.data(), key.size());
            return bad(KeyError::Kind::unusable, path, number, "is no key of Standard Webhooks");
        }
        const size_t size = key.size();
        out.push_back(std::make_shared<const SecretText>(std::move(key)));
        if (size < least_bytes || size > most_bytes)
            return bad(KeyError::Kind::weak, path, number,
                       "is a key of " + std::to_string(size) + " bytes, and it has 24 to 64");
        if (out.size() > most_webhook_keys)
            return bad(KeyError::Kind::unusable, path, number,
                       "is one key too many: four at most are in use");
    }
    if (out.empty()) return bad(KeyError::Kind::unusable, path, 1, "is empty");
    return out;
}

}  // namespace wayleave
