#include "daemon/ops/server/console.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <optional>

#include "daemon/base/json_writer.h"
#include "daemon/console/console_files.h"
#include "daemon/ops/log/log.h"

namespace wayleave {

namespace {

constexpr std::string_view place = "/console/";

// Nothing but what stands beside the page is loaded, and nothing frames it.
constexpr std::string_view page_headers =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"
    "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nCross-Origin-Opener-Policy: "
    "same-origin\r\n"
    "Cache-Control: no-store\r\n";

struct ConsoleQuestion {
    std::string_view method;
    std::string_view path;  // at the control socket, behind its slash
    bool acts = false;
};

constexpr std::array<ConsoleQuestion, 14> console_questions{{
    {"GET", "status"},
    {"GET", "bans"},
    {"GET", "reloads"},
    {"POST", "sessions"},
    {"POST", "channels"},
    {"POST", "why"},
    {"POST", "trace"},
    {"POST", "trace/more"},
    {"POST", "trace/stop"},
    {"POST", "kick", true},
    {"POST", "bans/lift", true},
    {"POST", "drain", true},
    {"POST", "reload", true},
    {"POST", "reload/dry-run", true},
}};

OpsAnswer console_problem(int status, std::string_view detail) {
    JsonObject out;
    out.add("status", status).add("detail", detail);
    return {status, "application/problem+json", out.text() + "\n", std::string(page_headers)};
}

std::string_view content_type_of(std::string_view name) {
    if (name.ends_with(".html")) return "text/html; charset=utf-8";
    if (name.ends_with(".css")) return "text/css; charset=utf-8";
    return "text/javascript; charset=utf-8";
}

std::optional<OpsAnswer> file_answer(const OpsRequest& request, std::string_view name) {
    for (const ClientFile& file : console_files()) {
        if (file.name != name) continue;
        std::string headers(page_headers);
        headers += "Vary: Accept-Encoding\r\n";
        if (request.takes_gzip) headers += "Content-Encoding: gzip\r\n";
        return OpsAnswer{200, std::string(content_type_of(name)),
                         std::string(request.takes_gzip ? file.gzipped : file.bytes), std::move(headers)};
    }
    return std::nullopt;
}

// A page of another origin may make a browser send a request, but not without saying whose it is.
bool is_own_origin(const OpsRequest& request) {
    if (request.origin.empty()) return true;
    const std::string host(request.host);
    return request.origin == "http://" + host || request.origin == "https://" + host;
}

}  // namespace

bool Console::answer(const OpsRequest& request, const Responder& respond) const {
    if (request.path == "/console") {
        respond({301, "text/plain; charset=utf-8", "see /console/\n", "Location: /console/\r\n"});
        return true;
    }
    if (!request.path.starts_with(place)) return false;
    std::string_view rest = request.path.substr(place.size());
    constexpr std::string_view api = "api/";
    if (rest.starts_with(api)) {
        ask(request, rest.substr(api.size()), respond);
        return true;
    }
    if (request.method != "GET") {
        respond(console_problem(405, "only GET and HEAD"));
        return true;
    }
    const auto file = file_answer(request, rest.empty() ? "index.html" : rest);
    respond(file ? *file : console_problem(404, "the console has no such file"));
    return true;
}

bool Console::is_unlocked(std::string_view authorization) const {
    constexpr std::string_view scheme = "Bearer ";
    if (token_.empty() || !authorization.starts_with(scheme)) return false;
    const std::string_view shown = authorization.substr(scheme.size());
    return shown.size() == token_.size() && CRYPTO_memcmp(shown.data(), token_.data(), token_.size()) == 0;
}

void Console::ask(const OpsRequest& request, std::string_view path, const Responder& respond) const {
    if (!is_own_origin(request))
        return respond(console_problem(403, "a page of another origin asks nothing here"));
    const bool unlocked = is_unlocked(request.authorization);
    if (!request.authorization.empty() && !unlocked) {
        log_event(Level::warn, "console-refused", "the console was asked with a wrong token");
        return respond(console_problem(401, token_.empty()
                                                ? "admin.token_file is not set: nobody acts by the console"
                                                : "this is not the token"));
    }
    if (path == "unlock" && request.method == "POST")
        return respond(unlocked ? OpsAnswer{200, "application/json", "{}\n", std::string(page_headers)}
                                : console_problem(401, "a token is needed"));
    const auto* found = std::find_if(console_questions.begin(), console_questions.end(),
                                     [&](const ConsoleQuestion& one) { return one.path == path; });
    if (found == console_questions.end())
        return respond(console_problem(404, "the console asks no such thing"));
    if (found->method != request.method)
        return respond(console_problem(405, "it is asked by another method"));
    if (found->acts && !unlocked)
        return respond(console_problem(401, "a token is needed to act; without one the console only looks"));
    if (found->acts) {
        log_event(Level::info, "console-acts", "an operator acts by the console",
                  {{"action", std::string(path)}, {"order", std::string(request.body)}});
    }
    const std::string at = "/" + std::string(path);
    control_({request.method, at, request.body}, [respond](const OpsAnswer& answer) {
        OpsAnswer out = answer;
        out.extra_headers += page_headers;
        respond(out);
    });
}

}  // namespace wayleave
