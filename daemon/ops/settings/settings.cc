#include "daemon/ops/settings/settings.h"

#include "daemon/protocol/authority.h"

// The packaged library is built with exceptions; without them the parser has to be compiled in here.
#undef TOML_HEADER_ONLY
#undef TOML_SHARED_LIB
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <thread>

#include "daemon/identity/credential_file.h"
#include "daemon/ops/settings/memory_limit.h"
#include "daemon/ops/settings/table.h"
#include "daemon/ops/settings/value.h"
#include "dsl/text/near_name.h"

namespace wayleave {

namespace {

constexpr size_t max_file_bytes = 1024 * 1024;
constexpr size_t longest_unix_path = 107;  // sun_path less its NUL
constexpr dsl::Net unix_peers{{}, 128};

std::string_view type_name(const toml::node& node) {
    switch (node.type()) {
        case toml::node_type::table: return "a table";
        case toml::node_type::array: return "an array";
        case toml::node_type::string: return "a string";
        case toml::node_type::integer: return "an integer";
        case toml::node_type::floating_point: return "a float";
        case toml::node_type::boolean: return "a boolean";
        default: return "a date or time";
    }
}

constexpr std::string_view prefix_characters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:/-";
// That the design of many machines has, and this version has not.
constexpr std::array<std::string_view, 1> later_names = {"redis.cluster"};
constexpr std::string_view url_path_characters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._~-";

std::string lower_case(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return text;
}

// As systemd.socket(5) has it, and a blank, which nobody would see.
bool is_descriptor_name(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f && c != ':'; });
}

std::string_view expected_name(SettingType type) {
    switch (type) {
        case SettingType::integer: return "an integer";
        case SettingType::size: return "an integer (bytes) or a string such as \"128kb\"";
        case SettingType::time: return "a string such as \"10s\"";
        case SettingType::boolean: return "true or false";
        case SettingType::share: return "a number from 0 to 1";
        case SettingType::nets: return "an array of strings such as \"10.0.0.0/8\"";
        case SettingType::mode: return "a string such as \"0660\"";
        case SettingType::words: return "an array of strings such as \"api\"";
        case SettingType::servers: return "an array of strings such as \"redis.internal:26379\"";
        case SettingType::hosts: return "an array of strings such as \"metrics.example.com\"";
        default: return "a string";
    }
}

// Turns one TOML document into Settings, collecting every error on the way.
class Reader {
  public:
    Reader(std::string path, std::string_view text) : text_(text) {
        settings_.file = std::move(path);
        directory_ = std::filesystem::path(settings_.file).parent_path();
        for (const auto& row : setting_rows()) names_.push_back(row.name);
    }

    void read(const toml::table& document) {
        walk(document, "", nullptr);
        check_listeners(document);
        check_proxies(document);
        check_broker(document);
        check_redis(document);
        check_admin(document);
        check_client(document);
        check_log(document);
        fill_defaults();
    }

    void error(toml::source_position at, const std::string& what) {
        const size_t line = at.line;
        const size_t column = at.column == 0 ? 1 : at.column;
        std::string source(source_line(line));
        std::string caret;
        size_t place = 1;
        for (char& c : source) {
            if ((c >= 0 && c < 0x20 && c != '\t') || c == 0x7f) c = '?';
            const bool continues = (static_cast<unsigned char>(c) & 0xc0U) == 0x80;
            if (!continues && place++ < column) caret += c == '\t' ? '\t' : ' ';
        }
        errors_.emplace(std::pair(line, column),
                        fmt::format("{}:{}:{}: error: {}\n  {}\n  {}^", settings_.file, line, column, what,
                                    source, caret));
    }

    Result<Settings, std::vector<std::string>> finish() {
        if (errors_.empty()) return std::move(settings_);
        std::vector<std::string> sorted;
        for (auto& [place, text] : errors_) sorted.push_back(std::move(text));
        return failure(std::move(sorted));
    }

  private:
    [[nodiscard]] std::string_view source_line(size_t number) const {
        size_t start = 0;
        for (size_t line = 1; line < number; ++line) {
            const size_t end = text_.find('\n', start);
            if (end == std::string_view::npos) return {};
            start = end + 1;
        }
        auto line = text_.substr(start, text_.find('\n', start) - start);
        if (line.ends_with('\r')) line.remove_suffix(1);
        return line;
    }

    static const SettingRow* find_row(std::string_view name) {
        const auto rows = setting_rows();
        const auto found =
            std::find_if(rows.begin(), rows.end(), [&](const auto& row) { return row.name == name; });
        return found == rows.end() ? nullptr : &*found;
    }

    [[nodiscard]] bool is_table_name(std::string_view name) const {
        return std::any_of(names_.begin(), names_.end(), [&](std::string_view known) {
            return known.size() > name.size() && known.starts_with(name) && known[name.size()] == '.';
        });
    }

    // `prefix` ends with a dot unless it is empty; `listener` is the one that the keys belong to, if any.
    void walk(const toml::table& table, const std::string& prefix, ListenerSettings* listener) {
        for (const auto& [key, node] : table) {
            const std::string name = prefix + std::string(key.str());
            if (const SettingRow* row = find_row(name)) {
                read_row(*row, node, listener);
            } else if (name == "listen") {
                read_listeners(node);
            } else if (name == "listen[].tls" && is_empty(node)) {
                tls_needs_both(node.source().begin);  // it would be no TLS at all
            } else if (name == "listen[].tls" && node.is_array()) {
                read_certificates(*node.as_array(), *listener);
            } else if (is_table_name(name) && !node.is_table()) {
                error(node.source().begin,
                      fmt::format("`{}` is {}, expected a table; write [{}]", name, type_name(node), name));
            } else if (node.is_table() && !node.as_table()->empty()) {
                walk(*node.as_table(), name + ".", listener);
            } else if (!is_table_name(name)) {
                unknown(key.source().begin, name);
            }
        }
    }

    void unknown(toml::source_position at, const std::string& name) {
        std::string what = fmt::format("unknown setting `{}`", name);
        const std::string last = name.substr(name.rfind('.') + 1);
        if (last != name && find_row(last) != nullptr)
            return error(at, fmt::format("{}; write `{}` above the first [table]", what, last));
        if (const auto later = std::find(later_names.begin(), later_names.end(), name);
            later != later_names.end())
            return error(at, fmt::format("`{}` is not supported yet: there is one primary; write server = "
                                         "\"HOST:6379\", or sentinels and primary",
                                         name));
        if (last == "include" || last == "import")
            return error(at, what + "; there is no include: all settings stand in this one file");
        const auto near = near_name(name, names_);
        what += near.empty() ? "; `wayleave settings` lists all" : fmt::format("; did you mean `{}`?", near);
        error(at, what);
    }

    void read_listeners(const toml::node& node) {
        const toml::array* array = node.as_array();
        if (array == nullptr) {
            error(node.source().begin,
                  fmt::format("`listen` is {}, expected an array of tables; write [[listen]]",
                              type_name(node)));
            return;
        }
        settings_.listeners.resize(array->size());
        for (listener_ = 0; listener_ < array->size(); ++listener_) {
            const toml::node& element = *array->get(listener_);
            auto& listener = settings_.listeners[listener_];
            if (!element.is_table()) {
                error(
                    element.source().begin,
                    fmt::format("a listener is {}, expected a table; write [[listen]]", type_name(element)));
                continue;
            }
            const size_t errors = errors_.size();
            walk(*element.as_table(), "listen[].", &listener);
            if (errors_.size() == errors) check_listener(listener, element.source().begin);
        }
    }

    static bool is_empty(const toml::node& node) {
        return node.is_array() ? node.as_array()->empty() : node.is_table() && node.as_table()->empty();
    }

    // The first is for clients that ask for no name that we know.
    void read_certificates(const toml::array& array, ListenerSettings& listener) {
        for (size_t i = 0; i < array.size(); ++i) {
            const toml::node& element = *array.get(i);
            if (!element.is_table()) {
                error(
                    element.source().begin,
                    fmt::format("a certificate is {}, expected a table; write {{ certificate = \"…\", key = "
                                "\"…\" }}",
                                type_name(element)));
                continue;
            }
            ListenerSettings own;
            walk(*element.as_table(), "listen[].tls.", &own);
            if (own.certificate.empty() || own.key.empty()) tls_needs_both(element.source().begin);
            if (i > 0) {
                listener.more_certificates.push_back({std::move(own.certificate), std::move(own.key)});
            } else {
                listener.certificate = std::move(own.certificate);
                listener.key = std::move(own.key);
            }
        }
    }

    void tls_needs_both(toml::source_position at) {
        error(at, "tls needs both certificate and key; write tls = { certificate = \"…\", key = \"…\" }");
    }

    void check_proxies(const toml::table& document) {
        // Empty: the default, which is filled in later.
        if (settings_.forwarded_proto && !settings_.forwarded.empty() &&
            settings_.forwarded != "x-forwarded-for") {
            error(document.get("forwarded_proto")->source().begin,
                  "`forwarded_proto` goes with forwarded = \"x-forwarded-for\"; Forwarded says it itself");
        }
        if (!settings_.trusted_proxies.empty()) return;
        for (const char* name : {"forwarded", "forwarded_proto"}) {
            const toml::node* wish = document.get(name);
            const bool wished = name == std::string_view("forwarded") ? settings_.forwarded == "forwarded"
                                                                      : settings_.forwarded_proto;
            if (!wish || !wished) continue;
            error(wish->source().begin,
                  std::string("`") + name +
                      "` is believed from trusted proxies only, and there is none; set trusted_proxies");
        }
        for (size_t i = 0; i < settings_.listeners.size(); ++i) {
            if (!settings_.listeners[i].proxy_protocol) continue;
            error(document["listen"][i]["proxy_protocol"].node()->source().begin,
                  "`proxy_protocol` is believed from trusted proxies only, and there is none; set "
                  "trusted_proxies");
        }
    }

    // The defaults are no wish.
    [[nodiscard]] bool wishes_redis() const {
        const auto& named = {settings_.redis_server,
                             settings_.redis_user,
                             settings_.redis_password_file,
                             settings_.redis_ca,
                             settings_.redis_key,
                             settings_.redis_certificate,
                             settings_.redis_server_name,
                             settings_.redis_node_name,
                             settings_.redis_primary,
                             settings_.redis_sentinel_user,
                             settings_.redis_sentinel_password_file};
        return settings_.redis_tls || !settings_.redis_sentinels.empty() || settings_.redis_database != 0 ||
               settings_.redis_prefix != find_row("redis.prefix")->default_text ||
               settings_.redis_after_fork != find_row("redis.after_fork")->default_text ||
               settings_.redis_sync != find_row("redis.sync")->default_text ||
               settings_.redis_replicas != 1 ||
               std::any_of(named.begin(), named.end(), [](const std::string& one) { return !one.empty(); });
    }

    void check_redis(const toml::table& document) {
        const auto redis = document["redis"];
        const auto at = [&](const char* name) { return redis[name].node()->source().begin; };
        if (settings_.broker != "redis" && redis.is_table() && wishes_redis())
            return error(
                redis.node()->source().begin,
                "`redis` is for kind redis, and messages are kept elsewhere; write kind = \"redis\" in "
                "[broker], or remove the table");
        const bool by_sentinel = redis["sentinels"] || redis["primary"];
        if (settings_.broker == "redis" && settings_.redis_server.empty() && !redis["server"] && !by_sentinel)
            error(document["broker"]["kind"].node()->source().begin,
                  "kind redis needs a server; write [redis] with server = \"127.0.0.1:6379\"");
        if (by_sentinel && redis["server"])
            error(at("server"),
                  "the Sentinels name the server; remove `redis.server`, or sentinels and primary");
        if (redis["sentinels"] && !redis["primary"])
            error(at("sentinels"), "Sentinels are asked for a primary by its name; write primary");
        if (!redis["sentinels"]) {
            for (const char* name : {"primary", "sentinel_user", "sentinel_password_file"}) {
                if (redis[name])
                    error(at(name), fmt::format("`redis.{}` is of sentinels; write those", name));
            }
        }
        if (redis["sentinel_user"] && !redis["sentinel_password_file"])
            error(at("sentinel_user"),
                  "`redis.sentinel_user` needs a password; write sentinel_password_file");
        for (const char* name : {"ca", "certificate", "key", "server_name"}) {
            if (redis[name] && !settings_.redis_tls)
                error(at(name), fmt::format("`redis.{}` is of TLS, which is off; write tls = true", name));
        }
        if (settings_.redis_certificate.empty() != settings_.redis_key.empty())
            error(at(settings_.redis_key.empty() ? "certificate" : "key"),
                  "redis.certificate and redis.key belong together; write both");
        // The default is no wish.
        if (settings_.redis_replicas != 1 && settings_.redis_sync != "replicas")
            error(at("replicas"),
                  "`redis.replicas` are waited for with sync = \"replicas\" alone; write that");
        if (!settings_.redis_user.empty() && settings_.redis_password_file.empty())
            error(at("user"), "`redis.user` needs a password; write password_file");
    }

    // Who names a file wants messages to be kept there. The default is no wish.
    void check_broker(const toml::table& document) {
        const auto path = document["broker"]["path"];
        if (settings_.broker == "sqlite" || !path) return;
        if (settings_.broker_path == find_row("broker.path")->default_text) return;
        error(path.node()->source().begin,
              "`broker.path` is for an SQLite database, and messages are kept in memory; write kind = "
              "\"sqlite\" or remove the line");
    }

    void check_admin(const toml::table& document) {
        if (descriptors_.contains(settings_.admin_name))
            error(document["admin"]["name"].node()->source().begin,
                  fmt::format("`{}` is a listener's, too; choose another name", settings_.admin_name));
        const auto address = document["admin"]["address"];
        if (!address || settings_.admin_address.ends_with(":0") ||
            !addresses_.contains(settings_.admin_address))
            return;
        error(address.node()->source().begin,
              fmt::format("`{}` is a listener's, too; choose another port", settings_.admin_address));
    }

    // Its files name each other, and it finds itself by its name.
    void check_client(const toml::table& document) {
        const auto path = document["client"]["path"];
        if (settings_.client_path.empty() || settings_.client_path.ends_with("/wayleave.js")) return;
        error(path.node()->source().begin,
              "`client.path` ends with /wayleave.js, since its files name each other; write path = "
              "\"/wayleave.js\", or put a directory before it");
    }

    void check_log(const toml::table& document) {
        const auto format = document["log"]["format"];
        if (settings_.log_file.empty() || settings_.log_format != LogFormat::journald || !format) return;
        error(format.node()->source().begin,
              "the journal is no file; write log.format = \"text\" or \"json\", or remove log.file");
    }

    void check_listener(ListenerSettings& listener, toml::source_position at) {
        if (!listener.name.empty() && !descriptors_.insert(listener.name).second)
            error(at, fmt::format("two listeners have the name `{}`; choose another", listener.name));
        if (listener.address.empty() && !listener.name.empty()) {
            // The service manager has bound it.
        } else if (listener.address.empty()) {
            error(at, "this listener has no address; write address = \"127.0.0.1:8080\"");
        } else if (!listener.address.ends_with(":0") && !addresses_.insert(listener.place()).second) {
            error(at, fmt::format("`{}` is listened on twice{}; remove one listener", listener.address,
                                  listener.address == listener.place() ? "" : ", here through a link"));
        }
        if (listener.certificate.empty() != listener.key.empty()) {
            tls_needs_both(at);
        }
        check_kind(listener, at);
        if (listener.certificate.empty() && !listener.client_ca.empty())
            error(at, "client_ca asks for certificates, and this listener has no TLS; set tls");
        if (listener.client_ca.empty() && !listener.client_certificate.empty())
            error(at, "client_certificate needs client_ca, the authorities that are accepted; set it");
        if (!listener.client_ca.empty() && listener.client_certificate.empty())
            listener.client_certificate = "optional";
    }

    // What concerns one kind of address alone.
    void check_kind(const ListenerSettings& listener, toml::source_position at) {
        const bool is_unix = !listener.unix_path().empty();
        if (is_unix && !listener.certificate.empty())
            error(at, "a Unix socket carries no TLS; remove tls, the proxy at its other end speaks it");
        if (!is_unix && (!listener.mode.empty() || !listener.group.empty()))
            error(at, "mode and group are of a Unix socket; write address = \"unix:PATH\", or remove them");
        if (!listener.ipv6only && !listener.address.starts_with('['))
            error(at, "ipv6only is of an IPv6 address; write address = \"[::]:8080\", or remove it");
    }

    void check_listeners(const toml::table& document) {
        if (document.contains("listen") &&
            !(document["listen"].is_array() && document["listen"].as_array()->empty())) {
            return;
        }
        error({1, 1}, "no listener; add [[listen]] with address = \"127.0.0.1:8080\"");
    }

    void read_row(const SettingRow& row, const toml::node& node, ListenerSettings* listener) {
        const auto at = node.source().begin;
        if (row.type == SettingType::boolean || row.type == SettingType::share)
            return read_number(row, node, listener);
        if (row.type == SettingType::nets) {
            return read_list<dsl::Net>(
                row, node, "network; write \"10.0.0.0/8\", an address, or \"unix\"", net_of,
                [](const dsl::Net& net) { return net == unix_peers ? "unix" : net.text(); });
        }
        if (row.type == SettingType::hosts) {
            return read_list<std::string>(row, node, "host; write its name without a scheme or port", host_of,
                                          [](const std::string& host) { return host; });
        }
        if (row.type == SettingType::servers) {
            return read_list<std::string>(row, node, "host and port; write it like \"redis.internal:26379\"",
                                          server_of, [](const std::string& server) { return server; });
        }
        if (row.type == SettingType::words) return read_words(row, node, listener);
        const bool fits = node.is_string() ? row.type != SettingType::integer
                                           : node.is_integer() && (row.type == SettingType::integer ||
                                                                   row.type == SettingType::size);
        if (!fits) {
            const bool bare_time = node.is_integer() && row.type == SettingType::time;
            error(at, fmt::format("`{}` is {}, expected {}; {}", row.name, type_name(node),
                                  expected_name(row.type),
                                  bare_time ? "write the unit: ms, s, m or h" : "change the value"));
            return;
        }
        const std::string what = node.is_string() ? store(row, node.as_string()->get(), listener, at.line)
                                                  : store(row, node.as_integer()->get(), listener, at.line);
        if (!what.empty()) error(at, what);
    }

    // `no` says what an element is not, and what to write; `parse` takes its text, `show` gives it back.
    template <class Element, class Parse, class Show>
    void read_list(const SettingRow& row, const toml::node& node, std::string_view no, const Parse& parse,
                   const Show& show, ListenerSettings* listener = nullptr) {
        const toml::array* array = node.as_array();
        if (array == nullptr || array->size() > row.max) {
            const std::string what = array == nullptr ? std::string(type_name(node)) : "too long";
            return error(node.source().begin, fmt::format("`{}` is {}, expected {}; change the value",
                                                          row.name, what, expected_name(row.type)));
        }
        if (array->size() < row.min)
            return error(node.source().begin,
                         fmt::format("`{}` is empty; fill it, or remove it for the default", row.name));
        std::vector<Element> elements;
        std::string shown;
        for (const toml::node& written : *array) {
            const auto element = written.is_string() ? parse(written.as_string()->get()) : std::nullopt;
            if (!element) {
                error(written.source().begin, fmt::format("`{}` holds what is no {}", row.name, no));
                continue;
            }
            shown += (shown.empty() ? "" : ", ") + toml_string(show(*element));
            elements.push_back(*element);
        }
        put(row, elements, "[" + shown + "]", listener, node.source().begin.line);
    }

    void read_words(const SettingRow& row, const toml::node& node, ListenerSettings* listener) {
        const auto known = [&](const std::string& text) {
            const bool is = std::find(row.words.begin(), row.words.end(), text) != row.words.end();
            return is ? std::optional(text) : std::nullopt;
        };
        read_list<std::string>(
            row, node, fmt::format("word that is known here; choose {}", fmt::join(row.words, ", ")), known,
            [](const std::string& word) { return word; }, listener);
    }

    static std::optional<std::string> host_of(const std::string& text) {
        const auto authority = parse_authority(text);
        return authority && !authority->port ? std::optional(authority->name) : std::nullopt;
    }

    static std::optional<std::string> server_of(const std::string& text) {
        const auto authority = parse_authority(text);
        return authority && authority->port && *authority->port != 0 ? std::optional(authority->text())
                                                                     : std::nullopt;
    }

    static std::optional<dsl::Net> net_of(const std::string& text) {
        if (text == "unix") return unix_peers;
        const auto address = dsl::parse_address(text);
        const auto net = address ? std::optional(dsl::Net{*address, 128}) : dsl::parse_net(text);
        if (net == unix_peers) return std::nullopt;                           // no host has that address
        return address || (net && net->text() == text) ? net : std::nullopt;  // host bits would be a slip
    }

    void read_number(const SettingRow& row, const toml::node& node, ListenerSettings* listener) {
        const auto at = node.source().begin;
        const auto share = node.value<double>();  // an integer counts, too
        if (row.type == SettingType::boolean && node.is_boolean()) {
            put(row, node.as_boolean()->get(), node.as_boolean()->get() ? "true" : "false", listener,
                at.line);
        } else if (row.type == SettingType::share && share && *share >= 0 && *share <= 1) {
            put(row, *share, fmt::format("{}", *share), nullptr, at.line);
        } else {
            error(at, fmt::format("`{}` is {}, expected {}; change the value", row.name,
                                  share && !node.is_boolean() ? fmt::format("{}", *share) : type_name(node),
                                  expected_name(row.type)));
        }
    }

    // The store functions return what is wrong, or nothing.
    std::string store(const SettingRow& row, int64_t number, ListenerSettings* listener, size_t line) {
        if (number < 0 || static_cast<size_t>(number) < row.min || static_cast<size_t>(number) > row.max) {
            return out_of_range(row, std::to_string(number), std::to_string(row.min),
                                std::to_string(row.max));
        }
        return put(row, static_cast<size_t>(number), std::to_string(number), listener, line);
    }

    std::string store(const SettingRow& row, const std::string& text, ListenerSettings* listener,
                      size_t line) {
        if (text.find('\0') != std::string::npos) return fmt::format("`{}` holds a NUL; remove it", row.name);
        if (text.find("${") != std::string::npos)
            return fmt::format(
                "`{}` names a variable, and environment variables are not read; write the value, or "
                "make the file with a program such as envsubst",
                row.name);
        switch (row.type) {
            case SettingType::size: return store_size(row, text, line);
            case SettingType::time: return store_time(row, text, line);
            case SettingType::word: return store_word(row, text, line, listener);
            case SettingType::address: return store_address(row, text, listener, line);
            case SettingType::mode: return store_mode(row, text, listener, line);
            case SettingType::text: return store_text(row, text, listener, line);
            case SettingType::host_port: return store_host_port(row, text, line);
            case SettingType::group: return put(row, text, toml_string(text), listener, line);
            case SettingType::url_path: return store_url_path(row, text, line);
            default: return store_path(row, text, listener, line);
        }
    }

    static std::string out_of_range(const SettingRow& row, std::string_view given, std::string_view min,
                                    std::string_view max) {
        const std::string unit = row.unit.empty() ? "" : " " + std::string(row.unit);
        return fmt::format("`{}` is {}, out of range; choose {} to {}{}", row.name, given, min, max, unit);
    }

    std::string store_size(const SettingRow& row, const std::string& text, size_t line) {
        const auto size = parse_size(text);
        if (!size && parse_size(lower_case(text)))
            return fmt::format("`{}` is no size; write \"{}\": units are in lower case", row.name,
                               lower_case(text));
        if (!size) return fmt::format("`{}` is no size; write it like \"128kb\" (b, kb, mb, gb)", row.name);
        if (*size < row.min || *size > row.max) {
            return out_of_range(row, text, print_size(row.min), print_size(row.max));
        }
        return put(row, *size, toml_string(text), nullptr, line);
    }

    std::string store_time(const SettingRow& row, const std::string& text, size_t line) {
        const auto time = parse_time(text);
        if (!time && parse_time(lower_case(text)))
            return fmt::format("`{}` is no time; write \"{}\": units are in lower case", row.name,
                               lower_case(text));
        if (!time) return fmt::format("`{}` is no time; write it like \"10s\" (ms, s, m, h)", row.name);
        const auto count = static_cast<size_t>(time->count());
        if (count < row.min || count > row.max) {
            return out_of_range(row, text, print_time(std::chrono::milliseconds(row.min)),
                                print_time(std::chrono::milliseconds(row.max)));
        }
        return put(row, *time, toml_string(text), nullptr, line);
    }

    std::string store_word(const SettingRow& row, const std::string& text, size_t line,
                           ListenerSettings* listener = nullptr) {
        const auto found = std::find(row.words.begin(), row.words.end(), text);
        if (found == row.words.end()) {
            return fmt::format("`{}` cannot be {}; choose {}", row.name, toml_string(text),
                               fmt::join(row.words, ", "));
        }
        const auto index = found - row.words.begin();
        const std::string shown = toml_string(text);
        if (std::holds_alternative<Level Settings::*>(row.member)) {
            return put(row, static_cast<Level>(index), shown, nullptr, line);
        }
        if (std::holds_alternative<LogFormat Settings::*>(row.member)) {
            return put(row, static_cast<LogFormat>(index), shown, nullptr, line);
        }
        return put(row, text, shown, listener, line);
    }

    std::string store_address(const SettingRow& row, const std::string& text, ListenerSettings* listener,
                              size_t line) {
        if (listener != nullptr && text.starts_with("unix:")) return store_unix(row, text, listener, line);
        const auto address = parse_socket_address(text);
        if (!address) {
            return fmt::format(
                "`{}` is no address and port; write an IP address like \"127.0.0.1:8080\" or "
                "\"[::1]:8080\" (names are not looked up)",
                row.name);
        }
        return put(row, address->text(), toml_string(text), listener, line);
    }

    std::string store_unix(const SettingRow& row, const std::string& text, ListenerSettings* listener,
                           size_t line) {
        const std::string path = (directory_ / text.substr(5)).lexically_normal().string();
        if (text.size() == 5 || path.ends_with('/'))
            return fmt::format("`{}` names no file; write \"unix:/run/wayleave/ws.sock\"", row.name);
        if (path.size() > longest_unix_path)
            return fmt::format("`{}` is a path of {} bytes; at most {} are possible, choose a shorter one",
                               row.name, path.size(), longest_unix_path);
        return put(row, "unix:" + path, toml_string("unix:" + path), listener, line);
    }

    std::string store_mode(const SettingRow& row, const std::string& text, ListenerSettings* listener,
                           size_t line) {
        const bool octal = text.size() >= 3 && text.size() <= 4 &&
                           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '7'; });
        if (!octal || (text.size() == 4 && text[0] != '0'))
            return fmt::format("`{}` is no mode of a file; write it like \"0660\"", row.name);
        return put(row, text, toml_string(text), listener, line);
    }

    std::string store_text(const SettingRow& row, const std::string& text, ListenerSettings* listener,
                           size_t line) {
        if (text.size() < row.min || text.size() > row.max)
            return out_of_range(row, fmt::format("of {} bytes", text.size()), std::to_string(row.min),
                                std::to_string(row.max) + " bytes");
        if (row.name == "redis.prefix" && text.find_first_not_of(prefix_characters) != std::string::npos)
            return fmt::format("`{}` holds what no prefix may; use letters, digits and ._:/-", row.name);
        if (row.name.ends_with(".name") && !is_descriptor_name(text))
            return fmt::format(
                "`{}` is no FileDescriptorName=; use printable ASCII characters without blanks and colons",
                row.name);
        return put(row, text, toml_string(text), listener, line);
    }

    std::string store_host_port(const SettingRow& row, const std::string& text, size_t line) {
        const auto authority = parse_authority(text);
        if (!authority || !authority->port || *authority->port == 0)
            return fmt::format("`{}` is no host and port; write it like \"redis.internal:6379\"", row.name);
        return put(row, authority->text(), toml_string(text), nullptr, line);
    }

    // As a client's request has it, which needs no escapes.
    std::string store_url_path(const SettingRow& row, const std::string& text, size_t line) {
        const bool fits = text.starts_with('/') &&
                          text.find_first_not_of(url_path_characters) == std::string::npos &&
                          text.find("//") == std::string::npos && text.find("/.") == std::string::npos;
        if (!fits)
            return fmt::format(
                "`{}` is no path of an address; write it like \"/wayleave.js\": letters, digits and /._~-",
                row.name);
        if (text.size() > row.max)
            return fmt::format("`{}` is longer than {} bytes; choose a shorter one", row.name, row.max);
        return put(row, text, toml_string(text), nullptr, line);
    }

    std::string store_path(const SettingRow& row, const std::string& text, ListenerSettings* listener,
                           size_t line) {
        if (text.empty()) return fmt::format("`{}` is empty; write a path or remove the line", row.name);
        const auto located = locate_file(text);
        if (!located) return fmt::format("`{}`: {}", row.name, located.error());
        const std::string whole = (directory_ / *located).lexically_normal().string();
        if (whole.size() > row.max) {
            return fmt::format("`{}` is a path of {} bytes; at most {} are possible, choose a shorter one",
                               row.name, whole.size(), row.max);
        }
        return put(row, whole, toml_string(whole), listener, line);
    }

    template <class Value>
    std::string put(const SettingRow& row, const Value& value, std::string shown, ListenerSettings* listener,
                    size_t line) {
        if (const auto* member = std::get_if<Value Settings::*>(&row.member)) settings_.*(*member) = value;
        if constexpr (std::is_same_v<Value, std::string> || std::is_same_v<Value, bool> ||
                      std::is_same_v<Value, std::vector<std::string>>) {
            const auto* member = std::get_if<Value ListenerSettings::*>(&row.member);
            if (member != nullptr && listener != nullptr) listener->*(*member) = value;
        }
        found_[origin_name(row, listener_)] = {std::move(shown), line};
        return {};
    }

    static std::string origin_name(const SettingRow& row, size_t listener) {
        std::string name(row.name);
        if (is_listener_row(row)) name.insert(name.find(']'), std::to_string(listener));
        return name;
    }

    // Sets what the file does not, then records the origins in the order of the table.
    void fill_defaults() {
        for (const auto& row : setting_rows()) {
            if (is_listener_row(row) || found_.contains(std::string(row.name))) continue;
            if (!row.default_text.empty()) {
                store_default(row);
            } else if (row.name == "workers") {
                const size_t cores =
                    std::clamp<size_t>(std::thread::hardware_concurrency(), row.min, row.max);
                put(row, cores, std::to_string(cores), nullptr, 0);
            } else if (row.name == "limits.memory") {
                const size_t bytes = std::min(own_memory_limit(), row.max);
                put(row, bytes, std::to_string(bytes), nullptr, 0);
            } else if (row.name == "log.format") {
                const LogFormat format = settings_.log_file.empty() ? default_log_format() : LogFormat::text;
                store_word(row, std::string(row.words[static_cast<size_t>(format)]), 0);
            }
        }
        for (const auto& row : setting_rows()) {
            if (!is_listener_row(row)) add_origin(std::string(row.name));
        }
        for (size_t i = 0; i < settings_.listeners.size(); ++i) {
            for (const auto& row : setting_rows()) {
                if (is_listener_row(row)) add_origin(origin_name(row, i));
            }
        }
    }

    void store_default(const SettingRow& row) {
        const std::string text(row.default_text);
        if (row.type == SettingType::boolean) return void(put(row, text == "true", text, nullptr, 0));
        if (row.type == SettingType::share) return void(put(row, std::stod(text), text, nullptr, 0));
        const std::string what = row.type == SettingType::integer ? store(row, std::stoll(text), nullptr, 0)
                                                                  : store(row, text, nullptr, 0);
        if (!what.empty()) error({1, 1}, "in the default: " + what);  // for example a path that is too long
    }

    void add_origin(std::string name) {
        const auto& [value, line] = found_[name];
        settings_.origins.push_back({std::move(name), value, line});
    }

    std::string_view text_;
    std::filesystem::path directory_;  // of the file; relative paths start there
    std::vector<std::string_view> names_;
    Settings settings_;
    size_t listener_ = 0;  // the one being read
    std::set<std::string> addresses_;
    std::set<std::string> descriptors_;                             // names of sockets that are passed
    std::map<std::string, std::pair<std::string, size_t>> found_;   // origin name → TOML text, line
    std::multimap<std::pair<size_t, size_t>, std::string> errors_;  // by place
};

Result<std::string> read_file(const std::string& path) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return failure(fmt::format("{}; check the path and who may read it", std::strerror(errno)));
    struct stat info {};
    const bool is_file = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
    std::string text(is_file ? max_file_bytes + 1 : 0, '\0');
    size_t filled = 0;
    ssize_t count = is_file ? 1 : 0;
    while (count != 0 && filled < text.size()) {
        count = read(fd, text.data() + filled, text.size() - filled);
        if (count > 0) filled += static_cast<size_t>(count);
        if (count < 0 && errno != EINTR) break;
    }
    const int error = count < 0 ? errno : 0;
    close(fd);
    if (!is_file) return failure("is not a regular file; name the file itself, such as wayleave.toml");
    if (error != 0) return failure(fmt::format("{}; check the disk", std::strerror(error)));
    if (filled > max_file_bytes) return failure("is larger than 1 MiB; that cannot be settings");
    text.resize(filled);
    return text;
}

}  // namespace

Result<Settings, std::vector<std::string>> load_settings(const std::string& path) {
    auto text = read_file(path);
    if (!text) return failure(std::vector{fmt::format("{}: error: {}", path, text.error())});
    Reader reader(path, *text);
    if (const size_t nul = text->find('\0'); nul != std::string::npos) {
        const auto line =
            1 + std::count(text->begin(), text->begin() + static_cast<std::ptrdiff_t>(nul), '\n');
        reader.error({static_cast<toml::source_index>(line), 1}, "the line holds a NUL byte; remove it");
        return reader.finish();
    }
    const toml::parse_result document = toml::parse(std::string_view(*text), std::string_view(path));
    if (!document) {
        reader.error(document.error().source().begin,
                     fmt::format("{}; correct the TOML", document.error().description()));
        return reader.finish();
    }
    reader.read(document.table());
    return reader.finish();
}

}  // namespace wayleave
