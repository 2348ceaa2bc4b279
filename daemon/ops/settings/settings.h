// The daemon's settings: one plain value, read whole from a TOML file or not at all. The rows are in
// settings_table.h. Blocking I/O in load_settings(): start-up, reload and the command line only.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/edge/tls_files.h"
#include "daemon/ops/log/log.h"
#include "dsl/policy/value.h"
#include "dsl/text/result.h"

namespace wayleave {

struct ListenerSettings {
    std::string address;      // "127.0.0.1:8080", "[::1]:8080", "unix:/run/ws.sock"; empty: see name
    std::string certificate;  // PEM file; empty: no TLS. Both or neither
    std::string key;
    std::vector<TlsFiles> more_certificates = {};  // chosen by the name that the client asks for
    std::string client_ca = {};                    // PEM file; empty: clients are asked for no certificate
    std::string client_certificate = {};           // "optional" or "required"; empty without client_ca
    bool proxy_protocol = false;                   // clients are named in a header before their first byte
    bool ipv6only = true;
    std::string mode = {};                // of a Unix socket's file, in octal digits; empty: 0660
    std::string group = {};               // of it, by name or number; empty: the daemon's own
    std::vector<std::string> serve = {};  // "clients", "api"; empty: both
    std::string name = {};                // of the socket that a service manager passes; empty: none is

    // The path of a Unix socket; empty: it is none.
    [[nodiscard]] std::string unix_path() const {
        return address.starts_with("unix:") ? address.substr(5) : "";
    }
    // The address; of a Unix socket with the links of its directory followed, so that one socket has one.
    [[nodiscard]] std::string place() const;
    [[nodiscard]] bool serves(std::string_view whom) const {
        return serve.empty() || std::find(serve.begin(), serve.end(), whom) != serve.end();
    }
    bool operator==(const ListenerSettings&) const = default;
};

// Where a value comes from, for `wayleave settings`.
struct SettingOrigin {
    std::string name;   // "limits.drain", "listen[0].address"
    std::string value;  // as TOML; empty if unset and without a default
    size_t line = 0;    // in Settings::file; 0 for a default
};

// What takes effect at a start alone. The certificates of the listeners are the exception: a reload loads
// them into the runtime.
struct StartSettings {
    std::vector<ListenerSettings> listeners;  // at least one
    size_t workers = 0;                       // threads, at least one
    size_t max_connections = 0;               // 0: derive it from RLIMIT_NOFILE
    std::string broker;                       // "memory", "sqlite", "redis"
    std::string broker_path;                  // of sqlite's file
    std::string broker_sync;                  // "full", "normal"
    size_t broker_memory = 0;                 // bytes
    size_t broker_max_waiting = 0;
    size_t broker_max_waiting_bytes = 0;
    size_t broker_max_database = 0;            // bytes; 0: no bound
    std::string redis_server;                  // HOST:PORT
    std::vector<std::string> redis_sentinels;  // likewise; empty: none
    std::string redis_primary;                 // what they call it
    std::string redis_sentinel_user;
    std::string redis_sentinel_password_file;  // empty: none
    std::string redis_user;
    std::string redis_password_file;  // empty: none
    bool redis_tls = false;
    std::string redis_ca;
    std::string redis_certificate;
    std::string redis_key;
    std::string redis_server_name;
    size_t redis_database = 0;
    std::string redis_prefix;
    std::string redis_after_fork;  // "epochs", "trust"
    std::string redis_sync;        // "primary", "replicas"
    size_t redis_replicas = 1;     // with the latter: that must have a publication
    std::string redis_node_name;   // empty: the machine's
    LogFormat log_format = LogFormat::text;
    std::string log_file;          // empty: standard error, or the journal
    std::string control_socket;    // empty: none
    std::string control_group;     // by name or number; empty: root and the daemon's user alone
    std::string admin_address;     // empty: none
    std::string admin_name;        // of the socket that a service manager passes; empty: none is
    std::string admin_token_file;  // empty: none
    size_t accept_per_turn = 0;    // connections
    size_t send_buffer = 0;        // bytes, SO_SNDBUF
};

// What a reload puts in force.
struct ReloadableSettings {
    std::vector<dsl::Net> trusted_proxies;  // ::/128: the peers of Unix sockets
    std::string forwarded;                  // "none", "x-forwarded-for", "forwarded"
    bool forwarded_proto = false;
    std::string policy_directory;
    bool require_tests = false;
    std::string shadow_directory;  // empty: none
    double shadow_share = 0;       // 0 to 1
    std::chrono::milliseconds broker_timeout{};
    Level log_level = Level::info;
    bool log_connections = true;
    size_t log_rate = 0;                   // lines a second
    std::vector<std::string> admin_hosts;  // as Authority::name
    std::string static_directory;          // empty: none
    std::string client_path;               // of an address; empty: the client is not served
    size_t max_queue_bytes = 0;
    size_t max_queue_messages = 0;
    std::chrono::milliseconds max_queue_age{};
    std::chrono::milliseconds message_timeout{};
    std::chrono::milliseconds handshake_timeout{};
    std::chrono::milliseconds close_timeout{};
    std::chrono::milliseconds drain{};
    size_t memory = 0;                  // bytes; 0: no budget
    size_t connections_per_source = 0;  // 0: no bound
};

// Paths are absolute, or relative to the working directory if the path of the file was.
struct Settings : StartSettings, ReloadableSettings {
    std::string file;
    std::vector<SettingOrigin> origins;
};

// All errors in one pass, each "file:line:col: error: what; remedy", the source line and a caret.
Result<Settings, std::vector<std::string>> load_settings(const std::string& path);

// Every row with its value and where it comes from, one a line; a valid TOML file.
[[nodiscard]] std::string print_settings(const Settings& settings);

// Names of the settings that differ but only take effect at the next start.
[[nodiscard]] std::vector<std::string> restart_needed(const Settings& old, const Settings& now);

}  // namespace wayleave
