#include "daemon/ops/log/report_event.h"

#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <memory>
#include <stdexcept>
#include <vector>

#include "daemon/base/now.h"
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

bool is_refusal(const Event& event) {
    if (!event.of_client || event.traced || event.name == "connection-opened") return false;
    const bool decided = std::any_of(event.fields.begin(), event.fields.end(),
                                     [](const EventField& field) { return field.key == "decision"; });
    return decided || event.name != "connection-closed";
}

EventRecord record_of(const HashKey& key, const Event& event) {
    EventRecord out{event.wall_ms != 0 ? event.wall_ms : read_clocks().wall_ms,
                    std::string(event.name),
                    event.message,
                    {}};
    out.fields.reserve(event.fields.size());
    for (const EventField& field : event.fields)
        out.fields.emplace_back(field.key, field.secret ? hashed(key, field.value) : field.value);
    return out;
}

void write_line(const HashKey& key, const Event& event) {
    std::vector<LogField> fields;
    fields.reserve(event.fields.size());
    for (const EventField& field : event.fields)
        if (!field.aside)
            fields.push_back({field.key, field.secret ? hashed(key, field.value) : field.value});
    const std::string message = without_equals(event.message);
    if (event.traced) return log_traced_event(event.name, message, fields);
    const auto log = event.of_client ? log_client_event : log_own_event;
    log(level_of(event.severity), event.name, message, fields);
}

}  // namespace

EdgeReport make_event_report(EventListener* listener) {
    return [key = random_key(), listener](const Event& event) {
        if (event.traced) {
            if (listener && listener->traced(event, record_of(*key, event))) write_line(*key, event);
            return;
        }
        if (listener && is_refusal(event)) listener->refused(record_of(*key, event));
        write_line(*key, event);
    };
}

}  // namespace wayleave
