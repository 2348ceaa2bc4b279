#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <optional>

#include "daemon/cli/doctor_observations.h"
#include "daemon/ops/load/start_files.h"

namespace wayleave {

namespace {

using State = Observation::State;

constexpr rlim_t few_files = 4096;
constexpr long long small_backlog = 1024;
constexpr long long most_conntrack_share = 2;  // connections of both sides of a proxy

std::optional<long long> kernel_number(const char* path) {
    std::ifstream file(path);
    long long number = 0;
    return file >> number ? std::optional(number) : std::nullopt;
}

Observation open_files(const Settings& settings) {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return {State::unknown, "open files", "the limit cannot be read", ""};
    const std::string here = fmt::format("{} here (of the service: LimitNOFILE=)", limit.rlim_max);
    if (settings.max_connections > 0 && limit.rlim_max < settings.max_connections + 1000)
        return {
            State::doubt, "open files",
            "max_connections = " + std::to_string(settings.max_connections) + ", and the limit is " + here,
            "raise LimitNOFILE= of the unit, or ulimit -Hn, to max_connections and 1000 more"};
    if (limit.rlim_max < few_files)
        return {State::doubt, "open files", "the limit is " + here,
                "raise LimitNOFILE= of the unit, or ulimit -Hn: each connection is one"};
    return {State::well, "open files", "the limit is " + here, ""};
}

Observation backlog() {
    const auto most = kernel_number("/proc/sys/net/core/somaxconn");
    if (!most) return {State::unknown, "backlog", "net.core.somaxconn cannot be read here", ""};
    if (*most < small_backlog)
        return {State::doubt, "backlog", fmt::format("net.core.somaxconn is {}", *most),
                "set it to 4096: when all clients come back at once, those beyond it wait for a second try"};
    return {State::well, "backlog", fmt::format("net.core.somaxconn is {}", *most), ""};
}

// Without the module there is none.
Observations conntrack(const Settings& settings) {
    const auto most = kernel_number("/proc/sys/net/netfilter/nf_conntrack_max");
    const auto now = kernel_number("/proc/sys/net/netfilter/nf_conntrack_count");
    if (!most || !now) return {};
    const auto wanted = static_cast<long long>(settings.max_connections) * most_conntrack_share;
    const std::string text = fmt::format("{} of {} connections are tracked", *now, *most);
    if (*most < wanted || *now > *most * 9 / 10)
        return {{State::doubt, "connection tracking", text,
                 "raise net.netfilter.nf_conntrack_max, or leave the daemon's port out by a notrack rule: a "
                 "full table "
                 "drops new connections"}};
    return {{State::well, "connection tracking", text, ""}};
}

// As the kernel knows it from who sets it (systemd-timesyncd, chrony, ntpd).
Observation clock_state() {
    timex state{};
    const int known = adjtimex(&state);
    if (known == -1)
        return {State::unknown, "clock", "the kernel does not tell whether it is set by a time server", ""};
    if (known == TIME_ERROR || (state.status & STA_UNSYNC) != 0)
        return {State::doubt, "clock", "no time server sets it",
                "let systemd-timesyncd or chrony run: tokens are good from and until a time"};
    return {State::well, "clock", "a time server sets it", ""};
}

Observation memory(const Settings& settings) {
    if (settings.memory == 0)
        return {State::doubt, "memory", "it has no bound",
                "set limits.memory, or MemoryHigh= of the unit: then readers that are "
                "slow are closed before the system ends the daemon"};
    return {State::well, "memory", fmt::format("the budget is {} MiB", settings.memory >> 20U), ""};
}

Observations disk(const Settings& settings) {
    if (settings.broker != "sqlite") return {};
    const std::filesystem::path directory = std::filesystem::path(settings.broker_path).parent_path();
    struct statvfs state {};
    if (statvfs(directory.c_str(), &state) != 0)
        return {{State::doubt, "disk",
                 fmt::format("{} cannot be looked at: {}", directory.string(), std::strerror(errno)),
                 "the daemon makes the directory at its start, if it may"}};
    const auto free_mib = static_cast<unsigned long long>(state.f_bavail) * state.f_frsize >> 20U;
    constexpr unsigned long long little_mib = 512;
    const std::string text = fmt::format("{} has {} MiB free", directory.string(), free_mib);
    if (free_mib < little_mib)
        return {{State::doubt, "disk", text,
                 "make room, or set broker.max_database: messages that cannot be stored are refused"}};
    if (access(directory.c_str(), W_OK) != 0)
        return {{State::unknown, "disk",
                 text + "; you may not write there, and the daemon's user may be another", ""}};
    return {{State::well, "disk", text, ""}};
}

// What a start opens.
Observations opened_files(const Settings& settings) {
    Observations out;
    const StartFiles found = look_at_start_files(settings);
    const auto add = [&](State state, const std::string& text) {
        const std::string about = text.starts_with("log.file") ? "log.file" : "console";
        const size_t end = text.rfind("; ");
        const std::string remedy = state == State::bad ? "; the daemon does not start so" : "";
        out.push_back({state, about, text.substr(0, end),
                       (end == std::string::npos ? "check it" : text.substr(end + 2)) + remedy});
    };
    for (const std::string& problem : found.problems) add(State::bad, problem);
    for (const std::string& warning : found.warnings) add(State::doubt, warning);
    if (!found.problems.empty()) return out;
    std::filesystem::path directory = std::filesystem::path(settings.log_file).parent_path();
    if (directory.empty()) directory = ".";
    if (!settings.log_file.empty() && access(directory.c_str(), W_OK) != 0)
        out.push_back({State::unknown, "log.file",
                       directory.string() + ": you may not write there, and the daemon's user may be another",
                       ""});
    if (!settings.admin_token_file.empty())
        out.push_back({State::well, "console", "its token can be read", ""});
    return out;
}

void append(Observations& out, Observations more) {
    out.insert(out.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

}  // namespace

std::string_view to_string(Observation::State state) {
    switch (state) {
        case State::well: return "ok";
        case State::unknown: return "unknown";
        case State::doubt: return "warning";
        case State::bad: return "error";
    }
    return {};
}

Observations look_at_machine(const Settings& settings) {
    Observations out{open_files(settings), backlog(), clock_state(), memory(settings)};
    append(out, conntrack(settings));
    append(out, disk(settings));
    append(out, opened_files(settings));
    return out;
}

}  // namespace wayleave
