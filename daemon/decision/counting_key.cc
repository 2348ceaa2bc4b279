#include "daemon/decision/counting_key.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <variant>

namespace wayleave {
namespace {

constexpr size_t longest_key_part = 32;

std::string digest(std::string_view text) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
    unsigned int size = 0;
    if (EVP_Digest(text.data(), text.size(), out.data(), &size, EVP_sha256(), nullptr) != 1) {
        throw std::runtime_error("OpenSSL offers no SHA-256");
    }
    return {out.begin(), out.begin() + size};
}

void append_part(std::string& key, const dsl::ValueView& value) {
    std::visit(
        [&](const auto& held) {
            using T = std::decay_t<decltype(held)>;
            const auto raw = [&](const auto& bytes) {
                key.append(reinterpret_cast<const char*>(&bytes), sizeof bytes);
            };
            if constexpr (std::is_same_v<T, std::string_view>) {
                raw(held.size());  // so that "a","bc" is not "ab","c"
                // The client chooses some of them: the table's memory is bounded by keys, so keys are small.
                key += held.size() <= longest_key_part ? std::string(held) : digest(held);
            } else if constexpr (std::is_same_v<T, dsl::Address>) {
                raw(held.bytes);
            } else if constexpr (std::is_same_v<T, dsl::Net>) {
                raw(held.address.bytes);
                raw(held.bits);
            } else if constexpr (std::is_same_v<T, dsl::Rate>) {
                raw(held.count);
                raw(held.period_ms);
            } else if constexpr (!std::is_pointer_v<T>) {
                raw(held);
            }
        },
        value);
}

// A provider gives every customer of IPv6 a /64 at least: one address of it is as good as another, and nobody
// is counted anew for taking the next.
dsl::ValueView one_client(dsl::ValueView value) {
    if (auto* address = std::get_if<dsl::Address>(&value)) *address = counted_network(*address).address;
    return value;
}

std::string begin_key(uint64_t identity) {
    return {reinterpret_cast<const char*>(&identity), sizeof identity};
}

}  // namespace

dsl::Net counted_network(dsl::Address address) {
    if (address.is_v4()) return {address, 128};
    std::fill(address.bytes.begin() + 8, address.bytes.end(), 0);
    return {address, 64};
}

std::string limit_key(const dsl::Program& program, const dsl::Limit& limit, const dsl::Request& request) {
    std::string key = begin_key(limit.identity);
    for (const dsl::Operand& part : limit.per)
        append_part(key, one_client(dsl::fetch(program, part, request)));
    return key;
}

std::string ban_key(const dsl::Program& program, const dsl::Ban& ban, const dsl::Request& request) {
    std::string key = begin_key(ban.identity);
    for (const dsl::Operand& part : ban.keys)
        append_part(key, one_client(dsl::fetch(program, part, request)));
    return key;
}

}  // namespace wayleave
