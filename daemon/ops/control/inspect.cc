#include "daemon/ops/control/inspect.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <mutex>
#include <set>
#include <utility>

#include "daemon/base/json_writer.h"
#include "daemon/session/native.h"
#include "dsl/text/text.h"

namespace wayleave {
namespace {

constexpr size_t most_sessions = 10'000;
constexpr int64_t patience_ms = 10'000;

// Written by the workers, read by who asked: on the heap, since a late worker may still write.
template <class T>
struct Shared {
    std::mutex mutex;
    T value{};
};

struct Listing {
    std::string text;
    size_t count = 0;
};

std::string session_json(const OpenConnection& open, size_t worker) {
    return fmt::format(
        R"({{"session":"{}","route":{},"ip":"{}","user":{},"path":{},"age_ms":{},"channels":{},"worker":{}}})",
        session_text(open.number), json_string(open.route.name), open.facts.ip.text(), json_string(open.user),
        json_string(open.facts.path), open.age_ms, open.channels.size(), worker);
}

}  // namespace

bool SessionFilter::admits(const OpenConnection& open) const {
    if (!user.empty() && open.user != user) return false;
    if (!route.empty() && open.route.name != route) return false;
    if (ip && !ip->contains(open.facts.ip)) return false;
    return channel.empty() || open.is_in(channel);
}

Result<SessionFilter> session_filter(std::string_view body) {
    simdjson::dom::parser parser;
    simdjson::dom::element document;
    simdjson::dom::object members;
    const simdjson::padded_string padded(body);
    if (parser.parse(padded).get(document) != simdjson::SUCCESS || document.get(members) != simdjson::SUCCESS)
        return failure("the filter is a JSON object with any of user, route, ip and channel");
    SessionFilter out;
    std::set<std::string_view> seen;
    for (const auto member : members) {
        if (!seen.insert(member.key).second) return failure(dsl::quoted(member.key) + " stands twice");
        std::string_view text;
        const std::string name(member.key);
        if (member.value.get(text) != simdjson::SUCCESS || text.empty())
            return failure(dsl::quoted(name) + " is a text that is not empty");
        if (name == "user") {
            out.user = text;
        } else if (name == "route") {
            out.route = text;
        } else if (name == "channel") {
            out.channel = text;
        } else if (name == "ip") {
            out.ip = dsl::parse_net(text);
            if (!out.ip) return failure("`ip` is an address or a network such as 10.0.0.0/8");
        } else {
            return failure("sessions have no " + dsl::quoted(name) +
                           "; there are user, route, ip and channel");
        }
    }
    return out;
}

void list_sessions(WorkerQuestions& workers, const SessionFilter& filter,
                   std::function<void(const std::string& json)> then) {
    auto listing = std::make_shared<Shared<Listing>>();
    auto places = std::make_shared<std::vector<size_t>>(workers.workers());
    workers.ask(
        [listing, places, filter](size_t worker, Gateway& gateway, Now now) {
            const std::lock_guard lock(listing->mutex);
            return gateway.walk((*places)[worker],
                                [&](const OpenConnection& open) {
                                    if (!filter.admits(open)) return;
                                    Listing& out = listing->value;
                                    if (++out.count > most_sessions) return;
                                    out.text += (out.text.empty() ? "" : ",") + session_json(open, worker);
                                },
                                now);
        },
        patience_ms,
        [listing, then = std::move(then)](bool all) {
            const std::lock_guard lock(listing->mutex);
            then(fmt::format("{{\"sessions\":[{}],\"count\":{},\"more\":{}}}\n", listing->value.text,
                             listing->value.count, !all || listing->value.count > most_sessions));
        });
}

void count_receivers(WorkerQuestions& workers, std::vector<Receivers> of,
                     std::function<void(std::vector<Receivers>)> then) {
    auto counted = std::make_shared<Shared<std::vector<Receivers>>>();
    counted->value = std::move(of);
    workers.ask(
        [counted](size_t, Gateway& gateway, Now) {
            const std::lock_guard lock(counted->mutex);
            for (Receivers& one : counted->value) one.sessions += gateway.receivers(one);
            return true;
        },
        patience_ms,
        [counted, then = std::move(then)](bool) {
            const std::lock_guard lock(counted->mutex);
            then(counted->value);
        });
}

Result<LiveQuestion> live_question(std::string_view body) {
    simdjson::dom::parser parser;
    simdjson::dom::element document;
    std::string_view session;
    std::string_view action;
    std::string_view target;
    std::string_view json;
    const simdjson::padded_string padded(body);
    if (parser.parse(padded).get(document) != simdjson::SUCCESS ||
        document["session"].get(session) != simdjson::SUCCESS ||
        document["action"].get(action) != simdjson::SUCCESS)
        return failure("the question is a JSON object with session and action");
    if (document["target"].get(target) != simdjson::SUCCESS) target = {};
    if (document["json"].get(json) != simdjson::SUCCESS) json = {};
    LiveQuestion out;
    const auto number = parse_session(session);
    if (!number) return failure("a session is 16 hexadecimal digits, as in $hello and the log");
    const auto known = action_from(action);
    if (!known || *known == dsl::Action::disconnect) return failure("no client can ask for that action");
    out.session = *number;
    out.question = {*known, std::string(target), std::string(json)};
    return out;
}

void explain_live(WorkerQuestions& workers, const LimitTable& limits, const LiveQuestion& question,
                  std::function<void(Result<Explanation>)> then) {
    auto found = std::make_shared<Shared<std::optional<Explanation>>>();
    auto places = std::make_shared<std::vector<size_t>>(workers.workers());
    workers.ask(
        [found, places, &limits, question](size_t worker, Gateway& gateway, Now now) {
            return gateway.walk((*places)[worker],
                                [&](const OpenConnection& open) {
                                    if (open.number != question.session) return;
                                    LimitTable scratch(&limits);
                                    Question asked = question.question;
                                    asked.keys_of = [&](std::string_view channel) {
                                        const OpenConnection::Channel* known = open.find(channel);
                                        return known ? std::optional(known->keys) : std::nullopt;
                                    };
                                    const OpenConnection::Channel* known = open.find(asked.target);
                                    if (known && known->grant) asked.grant = *known->grant;
                                    Explanation explanation =
                                        explain(open, asked, scratch, now, true).explanation;
                                    const std::lock_guard lock(found->mutex);
                                    found->value = std::move(explanation);
                                },
                                now);
        },
        patience_ms,
        [found, number = question.session, then = std::move(then)](bool all) {
            const std::lock_guard lock(found->mutex);
            if (found->value) return then(std::move(*found->value));
            then(failure(all ? "there is no session " + session_text(number)
                             : "a worker did not answer in time; see the log"));
        });
}

}  // namespace wayleave
