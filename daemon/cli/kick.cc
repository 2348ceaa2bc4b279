#include <fmt/format.h>
#include <sysexits.h>

#include <memory>

#include "daemon/base/json_writer.h"
#include "daemon/cli/all_nodes.h"
#include "daemon/cli/json_answer.h"

namespace wayleave {

namespace {

struct KickOptions {
    ControlAddress address;
    std::string format = "text";
    std::string who;
    std::string user;
    std::string session;
    std::string route;
    std::string ip;
    std::string channel;
    std::string because;
    bool returns = false;
    bool dry_run = false;
    bool all = false;
    bool here = false;
};

std::string order_of(const KickOptions& options) {
    JsonObject out;
    out.add_if_any("who", options.who)
        .add_if_any("user", options.user)
        .add_if_any("session", options.session);
    out.add_if_any("route", options.route)
        .add_if_any("ip", options.ip)
        .add_if_any("channel", options.channel);
    out.add_if_any("because", options.because).add("reconnect", options.returns);
    return out.add("dry_run", options.dry_run).text();
}

void show_kicked(uint64_t count, const KickOptions& options) {
    write_text(stdout, fmt::format("{} connection{} {}\n", count, count == 1 ? "" : "s",
                                   options.dry_run ? "would end" : "ended"));
}

int kick_everywhere(const KickOptions& options) {
    uint64_t sum = 0;
    bool whole = true;
    const NodesQuestion question{"POST", "/kick", order_of(options), options.format, !options.all};
    const int code = ask_all_nodes(options.address, question, [&](const simdjson::dom::element& answer) {
        bool all = false;
        whole = answer["all"].get(all) == simdjson::SUCCESS && all && whole;
        const uint64_t count = number_of(answer, "sessions");
        sum += count;
        if (options.format == "text") show_kicked(count, options);
    });
    if (code != EX_OK) return code;
    if (!whole) {
        complain("a worker has not answered in time; these may not be all");
        return EX_TEMPFAIL;
    }
    return sum > 0 ? EX_OK : EX_DATAERR;
}

int kick_here(const KickOptions& options) {
    const auto answer = ask_for_json(options.address, "POST", "/kick", order_of(options));
    if (!answer) return answer.error();
    const uint64_t sessions = number_of((*answer)->document, "sessions");
    if (options.format == "json") {
        write_json((*answer)->raw);
    } else {
        show_kicked(sessions, options);
    }
    if (!(*answer)->document["all"].get_bool().value()) {
        complain("a worker has not answered in time; these may not be all");
        return EX_TEMPFAIL;
    }
    return sessions > 0 ? EX_OK : EX_DATAERR;
}

}  // namespace

void add_kick(CLI::App& app, int& exit_code) {
    auto* command = app.add_subcommand("kick", "End connections of the running daemon.");
    auto options = std::make_shared<KickOptions>();
    add_control_options(*command, options->address);
    add_format(*command, options->format);
    command->add_option("WHO", options->who, "A user, or a session as `sessions` lists it")->check(filled());
    command->add_option("--user", options->user, "Those of this user")->check(filled());
    command->add_option("--session", options->session, "This one")->check(filled());
    command->add_option("--route", options->route, "Those on this route")->check(filled());
    command->add_option("--ip", options->ip, "Those from this address or network")->check(filled());
    command->add_option("--channel", options->channel, "Those that are in this channel")->check(filled());
    command->add_option("--because", options->because, "What they are told")->check(filled());
    command->add_flag("--reconnect", options->returns, "They are invited to come again");
    command->add_flag("-n,--dry-run", options->dry_run, "Change nothing; count them");
    command->footer(
        "What is named must all fit. Where daemons share one Redis, connections at all of them end.\n"
        "They are told $bye and close 4403, or 1012 with --reconnect; only a `deny` or a ban keeps them "
        "out.\n"
        "Exit status: 0, 64 nothing says whom, 65 nobody fits, 69 no daemon answers, 75 a node or a worker\n"
        "has not answered.");
    auto* all = command->add_flag("--all", options->all, "At all nodes that share one Redis, as by default");
    command->add_flag("--here", options->here, "At this daemon alone")->excludes(all);
    command->callback([options, &exit_code] {
        exit_code = options->here ? kick_here(*options) : kick_everywhere(*options);
    });
}

}  // namespace wayleave
