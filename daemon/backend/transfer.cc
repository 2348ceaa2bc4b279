#include "daemon/backend/transfer.h"

#include <absl/strings/ascii.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <stdexcept>

#include "daemon/backend/signature.h"
#include "daemon/identity/key_file.h"
#include "daemon/protocol/http_head.h"

namespace wayleave {
namespace {

constexpr size_t most_header_bytes = 16 * 1024;
constexpr int64_t connect_timeout_ms = 5000;

// A field's value that is a number of seconds.
std::optional<int64_t> seconds_of(std::string_view digits) {
    int64_t seconds = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), seconds);
    const bool whole = error == std::errc() && end == digits.data() + digits.size() && seconds >= 0;
    return whole ? std::optional(seconds) : std::nullopt;
}

}  // namespace

std::optional<int64_t> max_age_of(std::string_view cache_control) {
    std::optional<int64_t> out;
    bool more = true;
    std::string_view part;
    while (next_part(cache_control, ',', more, part)) {
        if (same_ignoring_case(part, "no-store") || same_ignoring_case(part, "no-cache")) return 0;
        const size_t equals = part.find('=');
        if (equals == std::string_view::npos || !same_ignoring_case(part.substr(0, equals), "max-age"))
            continue;
        if (const auto seconds = seconds_of(part.substr(equals + 1))) out = seconds;
    }
    return out;
}

std::string_view fault_of(const BackendRequest& request) {
    if (!is_token(request.method)) return "the method is not a token";
    if (!request.id.empty() && !is_token(request.id)) return "the id is not a token";
    const auto ends_target = [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7f; };
    if (std::any_of(request.path.begin(), request.path.end(), ends_target))
        return "the path holds a space or a control byte";
    const auto ends_line = [](char c) { return c == '\r' || c == '\n' || c == '\0'; };
    for (const std::string& line : request.headers) {
        if (!is_token(std::string_view(line).substr(0, line.find(':'))))
            return "the name of a field is not a token";
        if (line.find(':') == std::string::npos) return "a field has no colon";
        if (std::any_of(line.begin(), line.end(), ends_line)) return "a field holds CR, LF or NUL";
    }
    return {};
}

template <class T>
void Transfer::set(CURLoption option, T value) {
    // Fails only for an option that this libcurl was built without, which no packaged one is.
    if (curl_easy_setopt(easy_.get(), option, value) != CURLE_OK)
        throw std::runtime_error("libcurl does not know an option; is it older than 7.85?");
}

void Transfer::add_header(const std::string& line) {
    curl_slist* longer = curl_slist_append(headers_.get(), line.c_str());
    if (!longer) throw std::bad_alloc();
    (void)headers_.release();
    headers_.reset(longer);
}

Transfer::Transfer(const BackendRequest& request, int64_t timeout_ms, int64_t wall_ms, void* owner)
    : request_(request), easy_(curl_easy_init()) {
    if (!easy_) throw std::bad_alloc();
    set_up(timeout_ms, owner);
    if (request.method != "GET") {
        set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
        set(CURLOPT_POSTFIELDS, request.body.data());
        set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
        add_header("Expect:");  // no waiting for 100 Continue
    }
    add_header("User-Agent: wayleave");
    for (const std::string& line : request.headers) add_header(line);
    if (!request.backend->sign.empty()) sign(wall_ms);
    set(CURLOPT_HTTPHEADER, headers_.get());
}

void Transfer::set_up(int64_t timeout_ms, void* owner) {
    const Backend& backend = *request_.backend;
    set(CURLOPT_PRIVATE, owner);
    set(CURLOPT_URL, (backend.url + request_.path).c_str());
    if (!backend.socket.empty()) set(CURLOPT_UNIX_SOCKET_PATH, backend.socket.c_str());
    // What the configuration names, and nothing else: no other scheme, no redirect, no proxy and no password
    // out of the environment.
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_PROXY, "");
    set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
    set(CURLOPT_PATH_AS_IS, 1L);
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(timeout_ms));
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(std::min(timeout_ms, connect_timeout_ms)));
    set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    if (const char* authorities = std::getenv("SSL_CERT_FILE")) set(CURLOPT_CAINFO, authorities);
    set(CURLOPT_WRITEFUNCTION, &Transfer::on_body);
    set(CURLOPT_WRITEDATA, static_cast<void*>(this));
    set(CURLOPT_HEADERFUNCTION, &Transfer::on_header);
    set(CURLOPT_HEADERDATA, static_cast<void*>(this));
}

void Transfer::sign(int64_t wall_ms) {
    const int64_t seconds = wall_ms / 1000;
    const auto signature = webhook_signature(request_.backend->sign, request_.id, seconds, request_.body);
    if (!signature) throw std::runtime_error(signature.error());
    add_header("webhook-id: " + request_.id);
    add_header("webhook-timestamp: " + std::to_string(seconds));
    add_header("webhook-signature: " + *signature);
    if (request_.identity.empty()) return;
    const auto token = identity_token(request_, seconds);
    if (!token) throw std::runtime_error(token.error());
    add_header("Wayleave-Identity: " + *token);
}

void* Transfer::owner(CURL* easy) {
    char* owner = nullptr;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &owner);
    return owner;
}

size_t Transfer::on_body(const char* data, size_t, size_t size, void* self) noexcept {
    auto& transfer = *static_cast<Transfer*>(self);
    transfer.too_large_ = size > transfer.request_.max_answer - transfer.body_.size();
    if (transfer.too_large_) return 0;  // ends the transfer
    transfer.body_.append(data, size);
    return size;
}

size_t Transfer::on_header(const char* data, size_t, size_t size, void* self) noexcept {
    auto& transfer = *static_cast<Transfer*>(self);
    transfer.header_bytes_ += size;
    transfer.too_large_ = transfer.header_bytes_ > most_header_bytes;
    if (transfer.too_large_) return 0;
    const std::string_view line(data, size);
    if (line.starts_with("HTTP/")) transfer.answer_ = {};  // what a 1xx said is not the answer's
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return size;
    std::string_view value = line.substr(colon + 1);
    while (value.ends_with('\n') || value.ends_with('\r')) value.remove_suffix(1);
    transfer.note_field(line.substr(0, colon), trim(value));
    return size;
}

void Transfer::note_field(std::string_view name, std::string_view value) {
    if (same_ignoring_case(name, "cache-control")) {
        answer_.max_age_s = max_age_of(value);
    } else if (same_ignoring_case(name, "retry-after")) {
        answer_.retry_after_s = seconds_of(value);
    } else if (same_ignoring_case(name, "content-type")) {
        answer_.content_type = trim(value.substr(0, value.find(';')));
        absl::AsciiStrToLower(&answer_.content_type);
    }
}

BackendAnswer Transfer::finish(CURLcode result) {
    BackendAnswer answer = std::move(answer_);
    if (result != CURLE_OK) {
        answer.too_large = too_large_;
        answer.why = too_large_ ? "the answer is too large" : curl_easy_strerror(result);
        return answer;
    }
    long status = 0;
    curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
    answer.kind = BackendAnswer::Kind::answered;
    answer.status = static_cast<int>(status);
    answer.body = std::move(body_);
    return answer;
}

}  // namespace wayleave
