#include <fmt/format.h>
#include <netdb.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sysexits.h>

#include <fstream>
#include <memory>

#include "daemon/base/json_writer.h"
#include "daemon/cli/bench_run.h"
#include "daemon/cli/json_answer.h"
#include "daemon/edge/socket.h"
#include "daemon/protocol/authority.h"

namespace wayleave {

namespace {

struct BenchOptions {
    std::string url;
    std::string format = "text";
    std::string token_file;
    std::string origin;
    bool remote = false;
    BenchPlan plan;
};

struct FreeAddresses {
    void operator()(addrinfo* list) const noexcept { freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

// Empty: all is well.
std::string read_url(const std::string& url, BenchPlan& plan) {
    constexpr std::string_view scheme = "ws://";
    if (url.starts_with("wss://"))
        return "bench speaks no TLS; measure the daemon itself, by ws:// at its own address";
    if (!url.starts_with(scheme)) return "a URL begins with ws://, as ws://127.0.0.1:8080/ws";
    const size_t slash = url.find('/', scheme.size());
    plan.host = url.substr(scheme.size(), slash == std::string::npos ? slash : slash - scheme.size());
    plan.path = slash == std::string::npos ? "/" : url.substr(slash);
    if (!parse_authority(plan.host)) return "`" + plan.host + "` is no host and port";
    if (plan.path.find_first_of(" \t\r\n#") != std::string::npos)
        return "a path holds neither white space nor #";
    return {};
}

bool is_loopback_address(const addrinfo& address) {
    sockaddr_storage peer{};
    std::copy_n(reinterpret_cast<const char*>(address.ai_addr), address.ai_addrlen,
                reinterpret_cast<char*>(&peer));
    const dsl::Address ip = address_of(peer);
    return ip.is_v4() ? ip.bytes[12] == 127 : ip == *dsl::parse_address("::1");
}

Addresses resolve(const BenchPlan& plan) {
    const auto authority = parse_authority(plan.host);
    const bool bracketed = authority->name.starts_with('[');
    const std::string name =
        bracketed ? authority->name.substr(1, authority->name.size() - 2) : authority->name;
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int wrong =
        getaddrinfo(name.c_str(), std::to_string(authority->port.value_or(80)).c_str(), &hints, &found);
    if (wrong == 0) return Addresses(found);
    complain(plan.host + ": " + gai_strerror(wrong));
    return nullptr;
}

bool fits_open_files(size_t connections) {
    constexpr rlim_t spare = 64;
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < connections + spare) {
        complain(
            fmt::format("{} connections need as many open files, and the limit is {}; raise it by ulimit -Hn",
                        connections, limit.rlim_max));
        return false;
    }
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return true;
}

bool add_headers(const BenchOptions& options, BenchPlan& plan) {
    if (!options.origin.empty()) plan.headers += "Origin: " + options.origin + "\r\n";
    if (options.token_file.empty()) return true;
    std::ifstream file(options.token_file);
    std::string token;
    if (!(file >> token)) {
        complain(options.token_file + " holds no token");
        return false;
    }
    plan.headers += "Authorization: Bearer " + token + "\r\n";
    return true;
}

double a_second(uint64_t count, double seconds) {
    return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

std::string shares_text(const LatencyHistogram& times) {
    const auto ms = [&](int64_t us) { return static_cast<double>(us) / 1000; };
    return fmt::format("{:>10.2f} {:>10.2f} {:>10.2f} {:>10.2f} {:>10.2f}", ms(times.within(0.5)),
                       ms(times.within(0.9)), ms(times.within(0.99)), ms(times.within(0.999)),
                       ms(times.most()));
}

JsonObject shares_json(const LatencyHistogram& times) {
    JsonObject out;
    out.add("count", times.count()).add("p50_us", times.within(0.5)).add("p90_us", times.within(0.9));
    return out.add("p99_us", times.within(0.99))
        .add("p999_us", times.within(0.999))
        .add("max_us", times.most());
}

void show_text(const BenchReport& report) {
    std::string out = fmt::format("{} connections in {:.2f} s, {:.0f} handshakes/s\n", report.opened,
                                  report.opening_seconds, a_second(report.opened, report.opening_seconds));
    out += fmt::format("{} publications in {:.1f} s, {:.0f}/s; {} deliveries, {:.0f}/s\n\n",
                       report.publications, report.seconds, a_second(report.publications, report.seconds),
                       report.deliveries, a_second(report.deliveries, report.seconds));
    out += "milliseconds            p50        p90        p99      p99.9        max\n";
    out += "handshake        " + shares_text(report.handshakes) + "\n";
    out += "publish to $ok   " + shares_text(report.accepted) + "\n";
    out += "publish to reader" + shares_text(report.delivered) + "\n";
    write_text(stdout, out);
}

void show_json(const BenchReport& report) {
    JsonObject failures;
    for (const auto& [why, count] : report.failures) failures.add(why, count);
    JsonObject out;
    out.add("connections", report.opened)
        .raw("opening_seconds", fmt::format("{:.3f}", report.opening_seconds));
    out.add("publications", report.publications).add("deliveries", report.deliveries);
    out.raw("seconds", fmt::format("{:.3f}", report.seconds));
    out.raw("publications_per_second", fmt::format("{:.1f}", a_second(report.publications, report.seconds)));
    out.raw("deliveries_per_second", fmt::format("{:.1f}", a_second(report.deliveries, report.seconds)));
    out.add("handshake", shares_json(report.handshakes)).add("accepted", shares_json(report.accepted));
    out.add("delivered", shares_json(report.delivered)).add("failures", failures);
    write_text(stdout, out.text() + "\n");
}

int bench(BenchOptions& options) {
    BenchPlan& plan = options.plan;
    if (const std::string wrong = read_url(options.url, plan); !wrong.empty()) {
        complain(options.url + ": " + wrong);
        return EX_USAGE;
    }
    if (!add_headers(options, plan)) return EX_NOINPUT;
    plan.publishers = std::min(plan.publishers, plan.connections);
    const Addresses addresses = resolve(plan);
    if (!addresses) return EX_NOHOST;
    if (!options.remote && !is_loopback_address(*addresses)) {
        complain(plan.host + " is another machine; --remote says that you may load it");
        return EX_USAGE;
    }
    if (!fits_open_files(plan.connections)) return EX_OSERR;
    const BenchReport report = BenchRun(plan, *addresses).run();
    options.format == "json" ? show_json(report) : show_text(report);
    for (const auto& [why, count] : report.failures) complain(fmt::format("{} times: {}", count, why));
    const bool answered = std::any_of(report.failures.begin(), report.failures.end(), [](const auto& one) {
        return one.first.starts_with(handshake_answered);
    });
    if (report.opened == 0 && !answered) return EX_UNAVAILABLE;
    return report.failures.empty() ? EX_OK : EX_DATAERR;
}

}  // namespace

void add_bench(CLI::App& app, int& exit_code) {
    auto* command = app.add_subcommand("bench", "Load a daemon, and say how fast it is.");
    auto options = std::make_shared<BenchOptions>();
    options->plan.channel = "bench";
    BenchPlan& plan = options->plan;
    command->add_option("URL", options->url, "Address of a route, as ws://127.0.0.1:8080/ws")->required();
    command->add_option("--connections", plan.connections, "How many, all of them in one channel")
        ->check(CLI::Range(1, 1'000'000))
        ->capture_default_str();
    command->add_option("--publishers", plan.publishers, "How many of them publish")
        ->check(CLI::Range(0, 1'000'000))
        ->capture_default_str();
    command->add_option("--seconds", plan.seconds, "For how long")
        ->check(CLI::Range(1, 86'400))
        ->capture_default_str();
    command->add_option("--bytes", plan.bytes, "Of a publication")
        ->check(CLI::Range(0, 1'000'000))
        ->capture_default_str();
    command
        ->add_option("--rate", plan.rate,
                     "Publications of each a second; the next follows the last by default")
        ->check(CLI::PositiveNumber);
    command->add_option("--channel", plan.channel, "The channel")->check(filled())->capture_default_str();
    command->add_option("--token-file", options->token_file, "File with the token, sent as Authorization")
        ->type_name("FILE");
    command->add_option("--origin", options->origin, "Origin of the handshakes")->check(filled());
    command->add_flag("--remote", options->remote, "The address is another machine's, and you may load it");
    add_format(*command, options->format);
    command->footer(
        "The policy must allow `subscribe` and `publish` on the channel, and its limits must fit.\n"
        "Load and daemon share this machine's CPU: take ratios, not absolutes.\n"
        "Exit status: 0, 64 the address is none or another machine, 65 something was refused, 69 nobody "
        "answers.");
    command->callback([options, &exit_code] { exit_code = bench(*options); });
}

}  // namespace wayleave
