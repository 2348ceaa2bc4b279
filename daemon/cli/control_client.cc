#include "daemon/cli/control_client.h"

#include <curl/curl.h>
#include <simdjson.h>
#include <sysexits.h>

#include <memory>

#include "daemon/cli/terminal.h"

namespace wayleave {

namespace {

constexpr long connect_timeout_ms = 5'000;
constexpr long answer_timeout_ms = 120'000;  // a reload may read many files
constexpr size_t max_answer = 64U << 20U;

struct FreeCurl {
    void operator()(CURL* curl) const noexcept { curl_easy_cleanup(curl); }
};

size_t append(char* bytes, size_t size, size_t count, void* user) noexcept {
    auto& body = *static_cast<std::string*>(user);
    if (body.size() + size * count > max_answer) return 0;
    body.append(bytes, size * count);
    return size * count;
}

Result<std::string, int> find_socket(const ControlAddress& address) {
    if (!address.socket.empty()) return address.socket;
    const auto settings = settings_or_complain(address.config);
    if (!settings) return failure(settings.error());
    if (!settings->control_socket.empty()) return settings->control_socket;
    complain(address.config +
             ": control.socket is not set; set it and restart the daemon, or send it SIGHUP to reload");
    return failure(EX_CONFIG);
}

int exit_code_of(CURLcode code) {
    return code == CURLE_COULDNT_CONNECT || code == CURLE_OPERATION_TIMEDOUT ? EX_UNAVAILABLE : EX_PROTOCOL;
}

}  // namespace

Result<ControlAnswer, int> ask_daemon(const ControlAddress& address, const char* method, const char* path,
                                      const std::string& body) {
    const auto socket = find_socket(address);
    if (!socket) return failure(socket.error());
    const std::unique_ptr<CURL, FreeCurl> curl(curl_easy_init());
    if (!curl) {
        complain("libcurl cannot start: out of memory");
        return failure(EX_OSERR);
    }
    ControlAnswer answer;
    const std::string url = std::string("http://wayleave") + path;
    curl_easy_setopt(curl.get(), CURLOPT_UNIX_SOCKET_PATH, socket->c_str());
    curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
    if (!body.empty()) {
        curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, body.c_str());
        curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE, static_cast<long>(body.size()));
    }
    curl_easy_setopt(curl.get(), CURLOPT_PROXY, "");  // whatever the environment says
    curl_easy_setopt(curl.get(), CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl.get(), CURLOPT_CONNECTTIMEOUT_MS, connect_timeout_ms);
    curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS, answer_timeout_ms);
    curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, append);
    curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &answer.body);
    const CURLcode code = curl_easy_perform(curl.get());
    if (code != CURLE_OK) {
        complain(*socket + ": " + curl_easy_strerror(code) +
                 "; is the daemon running, and may you write to its control socket?");
        return failure(exit_code_of(code));
    }
    curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &answer.status);
    if (answer.status == 403) {  // by who we are, whatever we asked
        complain(*socket + ": " + answer.body.substr(0, answer.body.find('\n')));
        return failure(EX_NOPERM);
    }
    return answer;
}

std::string strange_answer(const ControlAnswer& answer) {
    return "the daemon answers HTTP " + std::to_string(answer.status) +
           " with no reason that this program can read; are both of one version, and is this its control "
           "socket?";
}

std::string_view text_of(const simdjson::dom::element& object, const char* name) {
    std::string_view out;
    return object[name].get(out) == simdjson::SUCCESS ? out : std::string_view("?");
}

}  // namespace wayleave
