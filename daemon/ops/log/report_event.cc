#include "daemon/ops/log/report_event.h"

#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <array>
#include <memory>
#include <stdexcept>
#include <vector>

#include "daemon/ops/log/log.h"
#include "dsl/text/text.h"

namespace wayleave {
namespace {

using HashKey = std::array<unsigned char, 32>;

std::shared_ptr<const HashKey> random_key() {
    auto key = std::make_shared<HashKey>();
    if (RAND_bytes(key->data(), static_cast<int>(key->size())) != 1)
        throw std::runtime_error("OpenSSL has no random numbers");
    return key;
}

// 64 bits are enough to tell the users of a daemon apart.
std::string hashed(const HashKey& key, const std::string& value) {
    constexpr size_t shown_bytes = 8;
    std::array<unsigned char, EVP_MAX_MD_SIZE> sum{};
    unsigned size = 0;
    HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
         reinterpret_cast<const unsigned char*>(value.data()), value.size(), sum.data(), &size);
    return "secret:" + dsl::hex_text({reinterpret_cast<const char*>(sum.data()), shown_bytes});
}

// A sentence may quote what a client wrote, and stands before the fields: see log_format.
std::string without_equals(std::string_view message) {
    std::string out;
    for (const char c : message) out += c == '=' ? "\\x3D" : std::string(1, c);
    return out;
}

Level level_of(Severity severity) {
    switch (severity) {
        case Severity::error: return Level::error;
        case Severity::warning: return Level::warn;
        case Severity::info: break;
    }
    return Level::info;
}

}  // namespace

EdgeReport make_event_report() {
    return [key = random_key()](const Event& event) {
        std::vector<LogField> fields;
        fields.reserve(event.fields.size());
        for (const EventField& field : event.fields)
            fields.push_back({field.key, field.secret ? hashed(*key, field.value) : field.value});
        const auto log = event.of_client ? log_client_event : log_own_event;
        log(level_of(event.severity), event.name, without_equals(event.message), fields);
    };
}

}  // namespace wayleave
