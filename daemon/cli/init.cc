#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "daemon/cli/commands.h"
#include "daemon/cli/key_output.h"
#include "daemon/cli/templates.h"
#include "daemon/cli/terminal.h"
#include "daemon/edge/socket.h"
#include "daemon/ops/lint/report.h"
#include "daemon/ops/load/runtime_loader.h"
#include "daemon/protocol/base64.h"
#include "dsl/text/text.h"

namespace wayleave {

namespace {

struct InitOptions {
    std::string directory;
    std::string kind = "chat";
};

struct InitKind {
    std::string_view name;
    std::vector<std::string_view> keys;  // in keys/
    bool client = true;                  // pages get the browser client from the daemon
    std::string_view next;               // what to do when it runs
};

const std::array<InitKind, 4>& kinds() {
    static const std::array<InitKind, 4> all{{
        {"chat",
         {"session.secret"},
         true,
         "Make tokens in your login with keys/session.secret (HS256), and connect your pages by "
         "/wayleave.js:\n"
         "  wayleave token --key {0}/keys/session.secret --subject ann --claim name=Ann\n"},
        {"notifications",
         {"session.secret", "server.secret"},
         true,
         "Make tokens in your login with keys/session.secret (HS256), and connect your pages by "
         "/wayleave.js:\n"
         "  wayleave token --key {0}/keys/session.secret --subject ann\n"
         "Your server publishes by POST /api/publish, with a token of keys/server.secret:\n"
         "  wayleave token --key {0}/keys/server.secret --subject me\n"},
        {"saas",
         {"session.secret", "server.secret", "app.whsec"},
         true,
         "Make tokens in your login with keys/session.secret (HS256), and connect your pages by "
         "/wayleave.js:\n"
         "  wayleave token --key {0}/keys/session.secret --subject ann --claim company=acme\n"
         "Your server answers POST http://127.0.0.1:8000/hooks, signed with keys/app.whsec, and publishes by "
         "POST\n"
         "/api/publish with a token of keys/server.secret.\n"},
        {"proxy",
         {},
         false,
         "Say in routes.d/app.route where your application listens, and open http://127.0.0.1:8080/.\n"},
    }};
    return all;
}

const InitKind& kind_of(const std::string& name) {
    for (const InitKind& kind : kinds())
        if (kind.name == name) return kind;
    return kinds().front();  // CLI11 has refused others
}

std::string new_secret(std::string_view file) {
    std::array<unsigned char, 32> bytes{};
    if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) return {};
    const std::string_view view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return file.ends_with(".whsec") ? "whsec_" + base64_text(view) + "\n" : dsl::hex_text(view) + "\n";
}

int write_new(const std::string& path, std::string_view text) {
    constexpr mode_t mode = 0644;
    const FileDescriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    const bool whole =
        file.open() && write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
    if (whole) return EX_OK;
    complain(fmt::format("{}: {}; nothing that is there is overwritten: name another directory", path,
                         std::strerror(errno)));
    return EX_CANTCREAT;
}

std::string settings_of(const InitKind& kind) {
    std::string text(init_template("wayleave.toml"));
    const std::string_view mark = "@CLIENT@\n";
    return text.replace(text.find(mark), mark.size(), kind.client ? init_template("client.toml") : "");
}

// All that can go wrong is found before the first file is written.
bool is_free(const std::string& directory) {
    std::error_code wrong;
    constexpr size_t longest = 107 - std::string_view("/run/control.sock").size();  // sun_path less its NUL
    if (std::filesystem::absolute(directory, wrong).string().size() > longest) {
        complain(directory + " is too long a path for the control socket below it; name another directory");
        return false;
    }
    for (const char* name : {"wayleave.toml", "routes.d", "keys"}) {
        const std::string path = directory + "/" + name;
        if (!std::filesystem::exists(path, wrong)) continue;
        complain(path + " is there already; name another directory");
        return false;
    }
    for (const char* name : {"", "/routes.d", "/keys"}) {
        std::filesystem::create_directories(directory + name, wrong);
        if (!wrong) continue;
        complain(directory + name + ": " + wrong.message() + "; name another directory");
        return false;
    }
    return true;
}

int write_all_of(const InitKind& kind, const std::string& directory) {
    std::filesystem::permissions(directory + "/keys", std::filesystem::perms::owner_all);
    for (const std::string_view key : kind.keys) {
        const std::string secret = new_secret(key);
        if (secret.empty()) {
            complain("OpenSSL has no random numbers");
            return EX_OSERR;
        }
        if (const int wrong = write_key(fmt::format("{}/keys/{}", directory, key), secret)) return wrong;
    }
    const std::string policy = fmt::format("{}.route", kind.name);
    if (const int wrong = write_new(directory + "/routes.d/app.route", init_template(policy))) return wrong;
    return write_new(directory + "/wayleave.toml", settings_of(kind));
}

int check_all_of(const std::string& config) {
    LintReport report;
    const auto settings = load_settings(config);
    if (!settings) {
        report.settings_errors = settings.error();
    } else {
        report.loaded = lint_runtime(*settings, 0);
    }
    if (report.errors() == 0) return EX_OK;
    write_text(stderr, lint_text(report, colour_wanted(stderr)));
    return EX_SOFTWARE;
}

int init(const InitOptions& options) {
    const InitKind& kind = kind_of(options.kind);
    if (!is_free(options.directory)) return EX_CANTCREAT;
    if (const int wrong = write_all_of(kind, options.directory)) return wrong;
    const std::string config = options.directory + "/wayleave.toml";
    if (const int wrong = check_all_of(config)) return wrong;
    write_text(stdout,
               fmt::format("written, and found in order: {0}/wayleave.toml, {0}/routes.d/app.route{1}\n\n"
                           "Next:\n"
                           "  wayleave test --config {0}/wayleave.toml\n"
                           "  wayleave serve --config {0}/wayleave.toml\n",
                           options.directory, kind.keys.empty() ? "" : ", and keys beside them"));
    write_text(stdout, fmt::format(fmt::runtime(kind.next), options.directory));
    write_text(stdout,
               "Say in `origins` from where your pages come. wayleave(8) says how it runs as a service.\n");
    return EX_OK;
}

}  // namespace

void add_init(CLI::App& app, int& exit_code) {
    auto* command = app.add_subcommand("init", "Write settings, a policy and keys to begin with.");
    auto options = std::make_shared<InitOptions>();
    command->add_option("DIR", options->directory, "Directory, which is made if it is missing")->required();
    command->add_option("--kind", options->kind, "The application: chat, saas, notifications or proxy")
        ->check(CLI::IsMember({"chat", "saas", "notifications", "proxy"}))
        ->capture_default_str();
    command->footer("Exit status: 0, 73 a file is there already or cannot be made.");
    command->callback([options, &exit_code] { exit_code = init(*options); });
}

}  // namespace wayleave
