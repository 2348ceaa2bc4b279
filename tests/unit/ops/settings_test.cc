#include "daemon/ops/settings/settings.h"

#include <sys/stat.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "daemon/ops/settings/table.h"
#include "daemon/ops/settings/value.h"

using namespace wayleave;
using namespace std::chrono_literals;

namespace {

class SettingsDirectory {
  public:
    SettingsDirectory() {
        std::string pattern = "/tmp/wayleave-settings-XXXXXX";
        path_ = mkdtemp(pattern.data());
    }
    ~SettingsDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    SettingsDirectory(const SettingsDirectory&) = delete;
    SettingsDirectory& operator=(const SettingsDirectory&) = delete;

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string write(std::string_view text, const std::string& name = "wayleave.toml") const {
        const std::string file = path_ + "/" + name;
        std::ofstream(file, std::ios::binary) << text;
        return file;
    }

  private:
    std::string path_;
};

const std::string minimal = "[[listen]]\naddress = \"127.0.0.1:8080\"\n";

Settings good(const SettingsDirectory& directory, const std::string& text) {
    auto settings = load_settings(directory.write(text));
    INFO(text);
    INFO((settings ? "" : settings.error().at(0)));
    REQUIRE(settings);
    return std::move(*settings);
}

std::vector<std::string> errors(const SettingsDirectory& directory, const std::string& text) {
    auto settings = load_settings(directory.write(text));
    INFO(text);
    REQUIRE_FALSE(settings);
    return settings.error();
}

// The text under each `.It Cm name` of the manual.
std::map<std::string, std::string> manual_entries() {
    std::ifstream file(PROJECT_DIR "/man/wayleave.toml.5");
    REQUIRE(file);
    std::map<std::string, std::string> entries;
    std::string name;
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with(".It Cm ")) {
            name = line.substr(7);
        } else if (line == ".El") {
            name.clear();
        } else if (!name.empty()) {
            entries[name] += line + "\n";
        }
    }
    return entries;
}

}  // namespace

TEST_CASE("a listener is all that a file needs") {
    const SettingsDirectory directory;
    const auto settings = good(directory, minimal);
    CHECK(settings.listeners == std::vector<ListenerSettings>{{"127.0.0.1:8080", "", ""}});
    CHECK(settings.workers >= 1);
    CHECK(settings.max_connections == 0);
    CHECK(settings.policy_directory == directory.path() + "/routes.d");
    CHECK(settings.broker == "memory");
    CHECK(settings.broker_path == "/var/lib/wayleave/messages.db");
    CHECK(settings.broker_sync == "full");
    CHECK(settings.broker_timeout == 2s);
    CHECK(settings.log_level == Level::info);
    CHECK(settings.control_socket.empty());
    CHECK(settings.max_queue_bytes == 1048576);
    CHECK(settings.max_queue_messages == 1000);
    CHECK(settings.handshake_timeout == 10s);
    CHECK(settings.close_timeout == 5s);
    CHECK(settings.drain == 30s);
    CHECK(settings.accept_per_turn == 64);
    CHECK(settings.send_buffer == 131072);
    CHECK_FALSE(is_public(settings.admin_address));
}

TEST_CASE("every setting can be set") {
    const SettingsDirectory directory;
    const auto settings =
        good(directory,
             "workers = 3\nmax_connections = 500\n"
             "[[listen]]\naddress = \"[0:0::1]:443\"\n"
             "tls = { certificate = \"tls/c.pem\", key = \"/k.pem\" }\n"
             "[policy]\ndirectory = \"/p\"\n[broker]\nkind = \"sqlite\"\npath = \"m.db\"\nsync = \"normal\"\n"
             "timeout = \"3s\"\nmemory = \"1mb\"\nmax_waiting = 9\nmax_waiting_bytes = \"2mb\"\n"
             "[log]\nlevel = \"error\"\nformat = \"json\"\n[control]\nsocket = \"/run/w.sock\"\n"
             "[admin]\naddress = \"0.0.0.0:9\"\n[static]\ndirectory = \"../www\"\n"
             "[limits]\nmax_queue_bytes = 2048\nmax_queue_messages = 7\nhandshake_timeout = \"1500ms\"\n"
             "close_timeout = \"1m\"\ndrain = \"1h\"\naccept_per_turn = 1\nsend_buffer = \"64kb\"\n");
    CHECK(settings.listeners ==
          std::vector<ListenerSettings>{{"[::1]:443", directory.path() + "/tls/c.pem", "/k.pem"}});
    CHECK(settings.workers == 3);
    CHECK(settings.broker == "sqlite");
    CHECK(settings.broker_path == directory.path() + "/m.db");
    CHECK(settings.broker_sync == "normal");
    CHECK(settings.broker_timeout == 3s);
    CHECK(settings.broker_memory == 1048576);
    CHECK(settings.broker_max_waiting == 9);
    CHECK(settings.broker_max_waiting_bytes == 2097152);
    CHECK(settings.max_connections == 500);
    CHECK(settings.log_level == Level::error);
    CHECK(settings.log_format == LogFormat::json);
    CHECK(settings.static_directory == "/tmp/www");
    CHECK(is_public(settings.admin_address));
    CHECK(settings.max_queue_bytes == 2048);
    CHECK(settings.handshake_timeout == 1500ms);
    CHECK(settings.drain == 1h);
    CHECK(settings.send_buffer == 65536);
}

TEST_CASE("an error names its place, the line and the remedy") {
    const SettingsDirectory directory;
    const auto all =
        errors(directory, minimal + "[polcy]\ndirectory = \"x\"\n[limits]\n\tdrain = 30\nworkers = 1.5\n");
    REQUIRE(all.size() == 3);
    const std::string file = directory.path() + "/wayleave.toml";
    CHECK(all[0] == file +
                        ":4:1: error: unknown setting `polcy.directory`; did you mean `policy.directory`?\n"
                        "  directory = \"x\"\n  ^");
    CHECK(all[1] ==
          file +
              ":6:10: error: `limits.drain` is an integer, expected a string such as \"10s\"; write the "
              "unit: ms, s, m or h\n  \tdrain = 30\n  \t        ^");
    CHECK(all[2].find("unknown setting `limits.workers`") != std::string::npos);
}

TEST_CASE("what is wrong is said") {
    const std::string redis = "[broker]\nkind = \"redis\"\n[redis]\nserver = \"localhost:6379\"\n";
    const SettingsDirectory directory;
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"", "no listener"},
        {"listen = []", "no listener"},
        {"[listen]\naddress = \"127.0.0.1:1\"", "expected an array of tables; write [[listen]]"},
        {"listen = [\"127.0.0.1:1\"]", "a listener is a string"},
        {"[[listen]]", "has no address"},
        {minimal + minimal, "listened on twice"},
        {"[[listen]]\naddress = \"[::1]:1\"\n[[listen]]\naddress = \"[0::1]:1\"", "listened on twice"},
        {"[[listen]]\naddress = \"localhost:1\"", "no address and port"},
        {"[[listen]]\naddress = \"127.0.0.1\"", "no address and port"},
        {"[[listen]]\naddress = \"127.0.0.1:65536\"", "no address and port"},
        {"[[listen]]\naddress = \"127.0.0.1:-1\"", "no address and port"},
        {"[[listen]]\naddress = \"::1:80\"", "no address and port"},
        {minimal + "tls = { key = \"k\" }", "needs both"},
        {minimal + "tls = 1", "`listen[].tls` is an integer, expected a table"},
        {minimal + "tls = {}", "needs both"},
        {minimal + "tls = []", "needs both"},
        {minimal + "tls = [{}]", "needs both"},
        {minimal + "tls = [{}, { certificate = \"c\", key = \"k\" }]", "needs both"},
        {minimal + "tls = [{ certificate = \"c\", key = \"k\" }, { certificate = \"d\" }]", "needs both"},
        {minimal + "tls = [\"c\"]", "a certificate is a string, expected a table"},
        {minimal + "tls = [{ certificat = \"c\" }]", "did you mean `listen[].tls.certificate`?"},
        {minimal + "client_ca = \"ca\"", "this listener has no TLS; set tls"},
        {minimal + "client_certificate = \"required\"", "needs client_ca"},
        {minimal + "client_certificate = \"yes\"", "choose optional, required"},
        {"[[listen]]\naddress = \"unix:\"\n", "names no file"},
        {"[[listen]]\naddress = \"unix:/run/\"\n", "names no file"},
        {"[[listen]]\naddress = \"unix:/" + std::string(107, 'x') + "\"\n", "at most 107 are possible"},
        {"[[listen]]\naddress = \"unix:/s\"\nmode = \"999\"\n",
         "is no mode of a file; write it like \"0660\""},
        {"[[listen]]\naddress = \"unix:/s\"\nmode = 432\n", "expected a string such as \"0660\""},
        {"[[listen]]\naddress = \"unix:/s\"\ntls = { certificate = \"c\", key = \"k\" }\n",
         "a Unix socket carries no TLS"},
        {"[[listen]]\naddress = \"unix:/s\"\n[[listen]]\naddress = \"unix:/s\"\n", "listened on twice"},
        {"[[listen]]\naddress = \"[fe80::1%]:80\"\n", "is no address and port"},
        {"[[listen]]\naddress = \"[2001:db8::1%eth0]:80\"\n", "is no address and port"},
        {minimal + "mode = \"0660\"", "mode and group are of a Unix socket"},
        {minimal + "group = \"www-data\"", "mode and group are of a Unix socket"},
        {minimal + "ipv6only = false", "ipv6only is of an IPv6 address"},
        {minimal + "[admin]\naddress = \"unix:/s\"", "is no address and port"},
        {minimal + "proxy_protocol = true", "and there is none; set trusted_proxies"},
        {minimal + "serve = []", "`listen[].serve` is empty; fill it, or remove it for the default"},
        {minimal + "serve = [\"api\", \"admin\"]",
         "`listen[].serve` holds what is no word that is known here; choose clients, api"},
        {minimal + "serve = [1]", "holds what is no word that is known here"},
        {minimal + "serve = \"api\"", "is a string, expected an array of strings such as \"api\""},
        {minimal + "serve = [\"api\", \"api\", \"api\"]", "is too long"},
        {minimal + "proxy_protocol = 1", "`listen[].proxy_protocol` is 1, expected true or false"},
        {"forwarded_proto = true\n" + minimal, "`forwarded_proto` is believed from trusted proxies only"},
        {"trusted_proxies = [\"10.0.0.1\"]\nforwarded = \"forwarded\"\nforwarded_proto = true\n" + minimal,
         "goes with forwarded"},
        {"forwarded = \"forwarded\"\n" + minimal, "and there is none; set trusted_proxies"},
        {"forwarded = \"x-real-ip\"\n" + minimal, "choose none, x-forwarded-for, forwarded"},
        {"trusted_proxies = \"10.0.0.0/8\"\n" + minimal, "`trusted_proxies` is a string, expected an array"},
        {"trusted_proxies = [\"proxy.example\"]\n" + minimal, "holds what is no network"},
        {"trusted_proxies = [10]\n" + minimal, "holds what is no network"},
        {minimal + "[admin]\nhosts = \"a\"", "`admin.hosts` is a string, expected an array of strings"},
        {minimal + "[admin]\nhosts = [\"http://a\"]", "holds what is no host; write its name"},
        {minimal + "[admin]\nhosts = [\"a:80\"]", "holds what is no host; write its name"},
        {minimal + "adress = \"x\"", "did you mean `listen[].address`?"},
        {"workers = 0\n" + minimal, "`workers` is 0, out of range; choose 1 to 256 threads"},
        {"workers = -1\n" + minimal, "out of range"},
        {"workers = \"4\"\n" + minimal, "`workers` is a string, expected an integer"},
        {"workers = 4.0\n" + minimal, "`workers` is a float"},
        {"workers = true\n" + minimal, "`workers` is a boolean"},
        {"workers = 2026-01-01\n" + minimal, "`workers` is a date or time"},
        {"limits = 5\n" + minimal, "`limits` is an integer, expected a table"},
        {"zebra = 5\n" + minimal, "unknown setting `zebra`; `wayleave settings` lists all"},
        {minimal + "[zebra]", "unknown setting `zebra`"},
        {minimal + "[admin]\naddress = \"127.0.0.1:8080\"",
         "`127.0.0.1:8080` is a listener's, too; choose another"},
        {minimal + "workers = 2",
         "unknown setting `listen[].workers`; write `workers` above the first [table]"},
        {"include = \"more.toml\"\n" + minimal,
         "unknown setting `include`; there is no include: all settings stand in"},
        {minimal + "[limits]\nmax_queue_bytes = \"1MB\"",
         "`limits.max_queue_bytes` is no size; write \"1mb\": units are in lower"},
        {minimal + "[limits]\ndrain = \"5S\"",
         "`limits.drain` is no time; write \"5s\": units are in lower case"},
        {minimal + "[control]\nsocket = \"${RUN}/w.sock\"",
         "`control.socket` names a variable, and environment variables are not read; write the value"},
        {minimal + "[workers]", "`workers` is a table"},
        {minimal + "[broker]\nkind = \"redis\"", "kind redis needs a server"},
        {minimal + "[redis]\nserver = \"localhost:6379\"", "messages are kept elsewhere"},
        {minimal + redis + "sentinels = [\"a:26379\"]", "the Sentinels name the server"},
        {minimal + redis + "primary = \"p\"", "`redis.primary` is of sentinels"},
        {minimal + "[broker]\nkind = \"redis\"\n[redis]\nsentinels = [\"a:26379\"]", "write primary"},
        {minimal + "[broker]\nkind = \"redis\"\n[redis]\nprimary = \"p\"\nsentinels = [\"a\"]",
         "no host and port"},
        {minimal + "[broker]\nkind = \"redis\"\n[redis]\nprimary = \"p\"\nsentinels = []", "is empty"},
        {minimal + "[broker]\nkind = \"redis\"\n[redis]\nprimary = \"p\"\nsentinels = "
                   "[\"a:1\"]\nsentinel_user = \"u\"",
         "needs a password"},
        {minimal + "[redis]\nprimary = \"p\"\nsentinels = [\"a:26379\"]", "messages are kept elsewhere"},
        {minimal + redis + "cluster = [\"a:6379\"]", "`redis.cluster` is not supported yet"},
        {minimal + redis + "sync = \"both\"", "choose primary, replicas"},
        {minimal + redis + "replicas = 2", "`redis.replicas` are waited for with sync = \"replicas\" alone"},
        {minimal + redis + "sync = \"primary\"\nreplicas = 2", "write that"},
        {minimal + redis + "sync = \"replicas\"\nreplicas = 0", "choose 1 to 16"},
        {minimal + "[redis]\nsync = \"replicas\"", "messages are kept elsewhere"},
        {minimal + redis + "ca = \"ca.pem\"", "`redis.ca` is of TLS, which is off"},
        {minimal + redis + "tls = true\nkey = \"k.pem\"", "belong together"},
        {minimal + redis + "user = \"app\"", "`redis.user` needs a password"},
        {minimal + redis + "prefix = \"a{b\"", "`redis.prefix` holds what no prefix may"},
        {minimal + redis + "after_fork = \"hope\"", "choose epochs, trust"},
        {minimal + "[broker]\nkind = \"redis\"\n[redis]\nserver = \"localhost\"", "no host and port"},
        {minimal + "[broker]\npath = \"m.db\"", "write kind = \"sqlite\" or remove the line"},
        {minimal + "[broker]\nkind = \"sqlite\"\nsync = \"off\"", "choose full, normal"},
        {minimal + "[broker]\nkind = \"sqlite\"\nmemory = \"1b\"", "out of range; choose 1mb to 1024gb"},
        {minimal + "[broker]\nkind = \"mem\"", "choose memory, sqlite"},
        {minimal + "[log]\nlevel = \"INFO\"", "choose trace, debug, info, warn, error"},
        {minimal + "[control]\nsocket = \"/" + std::string(107, 's') + "\"", "at most 107"},
        {minimal + "[control]\nsocket = \"\"", "is empty"},
        {minimal + "[control]\nsocket = \"a\\u0000b\"", "holds a NUL"},
        {minimal + "[limits]\ndrain = \"5 s\"", "is no time"},
        {minimal + "[limits]\ndrain = \"99999999999999999h\"", "is no time"},
        {minimal + "[limits]\nclose_timeout = \"2h\"", "choose 100ms to 1h"},
        {minimal + "[limits]\nmax_queue_bytes = \"1 MB\"", "is no size"},
        {minimal + "[limits]\nmax_queue_bytes = \"2gb\"", "choose 1kb to 1gb"},
        {minimal + "x = \n", "correct the TOML"},
        {"workers = 1\nworkers = 2\n" + minimal, "correct the TOML"},
        {minimal + "# \xff\xfe\n", "correct the TOML"},
        {minimal + std::string(1, '\0'), ":3:1: error: the line holds a NUL byte"},
    };
    for (const auto& [text, expected] : cases) {
        const auto all = errors(directory, text);
        INFO(text << "\n" << all.at(0));
        CHECK(std::any_of(all.begin(), all.end(), [&wanted = expected](const auto& error) {
            return error.find(wanted) != std::string::npos;
        }));
    }
}

TEST_CASE("a file that cannot be read is an error") {
    const SettingsDirectory directory;
    const auto check = [](const std::string& path, const std::string& expected) {
        const auto settings = load_settings(path);
        REQUIRE_FALSE(settings);
        INFO(settings.error().at(0));
        CHECK(settings.error().at(0).find(path + ": error: ") == 0);
        CHECK(settings.error().at(0).find(expected) != std::string::npos);
    };
    check(directory.path() + "/missing.toml", "No such file");
    check(directory.path(), "not a regular file");
    check(directory.write(std::string(1024 * 1024 + 1, '\n')), "larger than 1 MiB");
    const auto secret = directory.write(minimal, "secret.toml");
    chmod(secret.c_str(), 0);
    if (geteuid() != 0) check(secret, "Permission denied");
}

TEST_CASE("printed settings say where they come from and load again") {
    const SettingsDirectory directory;
    const auto settings = good(directory, "workers = 2\n" + minimal + "[limits]\ndrain = \"60s\"\n");
    const std::string text = print_settings(settings);
    INFO(text);
    CHECK(text.find("workers = 2   # " + settings.file + ":1\n") != std::string::npos);
    CHECK(text.find("limits.drain = \"60s\"   # " + settings.file + ":5\n") != std::string::npos);
    CHECK(text.find("limits.close_timeout = \"5s\"   # default\n") != std::string::npos);
    CHECK(text.find("# control.socket is unset   # default\n") != std::string::npos);
    CHECK(text.find("[[listen]]\naddress = \"127.0.0.1:8080\"   # ") != std::string::npos);
    const auto again = good(directory, text);
    CHECK(restart_needed(settings, again).empty());
    CHECK(again.drain == 60s);
    for (const auto& row : setting_rows()) {
        const std::string_view name = row.name;
        CHECK(text.find(name.starts_with("listen[].") ? name.substr(9) : name) != std::string::npos);
    }
}

TEST_CASE("proxies and certificates are read, printed and read again") {
    const SettingsDirectory directory;
    const auto settings =
        good(directory,
             "trusted_proxies = [\"10.0.0.0/8\", \"2001:db8::7\"]\nforwarded = \"forwarded\"\n" + minimal +
                 "tls = [{ certificate = \"/a\", key = \"/b\" }, { certificate = \"/c\", key = \"/d\" }]\n"
                 "client_ca = \"/ca\"\nproxy_protocol = true\n[admin]\nhosts = [\"Metrics.Example.com.\"]\n");
    CHECK(settings.trusted_proxies ==
          std::vector<dsl::Net>{*dsl::parse_net("10.0.0.0/8"), {*dsl::parse_address("2001:db8::7"), 128}});
    const ListenerSettings& listener = settings.listeners.at(0);
    CHECK(listener.certificate == "/a");
    CHECK(listener.more_certificates == std::vector<TlsFiles>{{"/c", "/d"}});
    CHECK(listener.client_certificate == "optional");
    CHECK(listener.proxy_protocol);
    const std::string text = print_settings(settings);
    INFO(text);
    const auto again = good(directory, text);
    CHECK(again.listeners == settings.listeners);
    CHECK(again.trusted_proxies == settings.trusted_proxies);
    CHECK(settings.admin_hosts == std::vector<std::string>{"metrics.example.com"});
    CHECK(again.admin_hosts == settings.admin_hosts);
    CHECK(again.forwarded == settings.forwarded);
}

TEST_CASE("forwarded_proto goes with the default of forwarded, as in the example to begin with") {
    const SettingsDirectory directory;
    const auto settings =
        good(directory, "trusted_proxies = [\"10.0.0.1\"]\nforwarded_proto = true\n" + minimal);
    CHECK(settings.forwarded_proto);
    CHECK(settings.forwarded == "x-forwarded-for");
    CHECK(load_settings(PROJECT_DIR "/examples/first/wayleave.toml"));
    CHECK(load_settings(PROJECT_DIR "/systemd/package/wayleave.toml"));
}

TEST_CASE("a listener with a name needs no address") {
    const SettingsDirectory directory;
    const auto settings = good(directory,
                               "[[listen]]\nname = \"clients\"\n"
                               "[[listen]]\nname = \"internal\"\naddress = \"127.0.0.1:8081\"\n"
                               "[admin]\nname = \"health\"\n");
    CHECK(settings.listeners[0].name == "clients");
    CHECK(settings.listeners[0].address.empty());
    CHECK(settings.listeners[1].address == "127.0.0.1:8081");
    CHECK(settings.admin_name == "health");
    const auto again = good(directory, print_settings(settings));
    CHECK(again.listeners == settings.listeners);
    auto other = settings;
    other.listeners[0].name = "others";
    CHECK(restart_needed(settings, other).empty());  // a reload closes one and opens the other
}

TEST_CASE("Unix sockets, zones and both families are read, printed and read again") {
    const SettingsDirectory directory;
    const auto settings = good(directory,
                               "trusted_proxies = [\"unix\", \"10.0.0.0/8\"]\n"
                               "[[listen]]\naddress = \"unix:run/ws.sock\"\nmode = \"0666\"\ngroup = \"33\"\n"
                               "[[listen]]\naddress = \"[::]:8080\"\nipv6only = false\n"
                               "[[listen]]\naddress = \"[FE80:0::1%eth0]:8080\"\n");
    CHECK(settings.listeners[0].unix_path() == directory.path() + "/run/ws.sock");
    CHECK(settings.listeners[0].mode == "0666");
    CHECK(settings.listeners[0].group == "33");
    CHECK_FALSE(settings.listeners[1].ipv6only);
    CHECK(settings.listeners[1].unix_path().empty());
    CHECK(settings.listeners[2].address == "[fe80::1%eth0]:8080");
    const std::string text = print_settings(settings);
    INFO(text);
    const auto again = good(directory, text);
    CHECK(again.listeners == settings.listeners);
    CHECK(again.trusted_proxies == settings.trusted_proxies);
    auto other = settings;
    other.listeners[0].mode = "0600";
    CHECK(restart_needed(settings, other) == std::vector<std::string>{"listen"});
}

TEST_CASE("whom a listener serves is read, printed and read again") {
    const SettingsDirectory directory;
    const std::string second = "[[listen]]\naddress = \"unix:api.sock\"\nserve = [\"api\"]\n";
    const auto settings = good(directory, minimal + second);
    CHECK(settings.listeners[0].serves("clients"));
    CHECK(settings.listeners[0].serves("api"));
    CHECK_FALSE(settings.listeners[1].serves("clients"));
    CHECK(settings.listeners[1].serves("api"));
    const std::string text = print_settings(settings);
    CHECK(text.find("# serve is unset   # default\n") != std::string::npos);
    CHECK(text.find("\nserve = [\"api\"]   # ") != std::string::npos);
    CHECK(good(directory, text).listeners == settings.listeners);
    auto other = settings;
    other.listeners[0].serve = {"api", "clients"};
    CHECK(restart_needed(settings, other).empty());
    other.listeners[0].serve = {"clients"};
    CHECK(restart_needed(settings, other).empty());
}

TEST_CASE("what a reload cannot change is listed") {
    const SettingsDirectory directory;
    const auto old = good(directory, minimal);
    auto now = old;
    now.log_level = Level::error;
    now.drain = 1s;
    CHECK(restart_needed(old, now).empty());
    now.workers = old.workers + 1;
    now.listeners[0].key = "/k";
    CHECK(restart_needed(old, now) == std::vector<std::string>{"workers"});
    now.listeners[0].proxy_protocol = true;
    now.listeners.push_back({"127.0.0.1:9", {}, {}});
    CHECK(restart_needed(old, now) == std::vector<std::string>{"workers"});
    now.listeners[0].ipv6only = false;
    now.send_buffer = 4096;
    CHECK(restart_needed(old, now) == std::vector<std::string>{"listen", "workers", "limits.send_buffer"});
}

TEST_CASE("sizes and times read and print") {
    CHECK(parse_size("0b") == 0U);
    CHECK(parse_size("3gb") == 3221225472U);
    for (const char* text : {"", "5", "kb", "-1b", "1KB", "1 kb", "1.5mb", "1kbx", "18446744073709551616b"}) {
        CHECK_FALSE(parse_size(text));
    }
    CHECK(print_size(1536) == "1536b");
    CHECK(print_time(90s) == "90s");
    CHECK(print_time(0ms) == "0ms");
    CHECK(toml_string("a\"\\\n") == "\"a\\\"\\\\\\u000A\"");
}

TEST_CASE("the manual and the table list the same settings and say the same of reload") {
    auto entries = manual_entries();
    for (const auto& row : setting_rows()) {
        const std::string name(row.name);
        INFO(name);
        REQUIRE(entries.count(name) == 1);
        const std::string& text = entries[name];
        CHECK((text.find("A reload applies it.") != std::string::npos) == row.reloadable);
        CHECK((text.find("It takes effect at the next start.") != std::string::npos) != row.reloadable);
        CHECK(text.find("Type: ") != std::string::npos);
        if (!row.default_text.empty()) {
            CHECK(text.find("Default: " + std::string(row.default_text) + ".\n") != std::string::npos);
        }
        if (!row.unit.empty())
            CHECK(text.find("Unit: " + std::string(row.unit) + ".\n") != std::string::npos);
        entries.erase(name);
    }
    for (const auto& [name, text] : entries) FAIL("in the manual but not in the table: " << name);
}
