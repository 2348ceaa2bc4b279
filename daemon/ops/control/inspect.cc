#include "daemon/ops/control/inspect.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <utility>

#include "daemon/base/json_writer.h"
#include "daemon/session/native.h"
#include "dsl/text/text.h"

namespace wayleave {
namespace {

constexpr size_t most_sessions = 10'000;

struct SessionListing {
    std::string text;
    size_t count = 0;
};

std::string session_json(const OpenConnection& open, size_t worker) {
    JsonObject out;
    out.add("session", session_text(open.number)).add("route", open.route.name);
    out.add("ip", open.facts.ip.text()).add("user", open.user).add("path", open.facts.path);
    out.add("age_ms", open.age_ms).add("channels", open.channels.size());
    out.add("messages_in", open.messages_in).add("messages_out", open.messages_out);
    out.add("bytes_in", open.bytes_in).add("bytes_out", open.bytes_out);
    return out.add("waiting", open.waiting).add("worker", worker).text();
}

}  // namespace

bool SessionFilter::admits(const OpenConnection& open) const {
    if (!who.empty() && open.user != who && parse_session(who) != open.number) return false;
    if (!user.empty() && open.user != user) return false;
    if (session && open.number != *session) return false;
    if (!route.empty() && open.route.name != route) return false;
    if (ip && !ip->contains(open.facts.ip)) return false;
    return channel.empty() || open.is_in(channel);
}

bool SessionFilter::names_nobody() const {
    return who.empty() && user.empty() && !session && route.empty() && !ip && channel.empty();
}

Result<SessionFilter> session_filter(const Members& members) {
    SessionFilter out{
        members.text("who"), members.text("user"), members.text("route"), {}, members.text("channel"), {},
        most_sessions};
    if (const std::string text = members.text("ip"); !text.empty()) {
        out.ip = dsl::parse_net(text);
        if (!out.ip) return failure("`ip` is an address or a network such as 10.0.0.0/8");
    }
    if (const std::string text = members.text("session"); !text.empty()) {
        out.session = parse_session(text);
        if (!out.session) return failure("`session` is 16 hexadecimal digits, as in $hello and the log");
    }
    return out;
}

Result<SessionFilter> session_filter(std::string_view body) {
    if (body.empty())
        return failure("the filter is a JSON object with any of who, user, session, route, ip and channel");
    const auto members = Members::read(
        body,
        {{"who"}, {"user"}, {"session"}, {"route"}, {"ip"}, {"channel"}, {"most", Members::Kind::number}});
    if (!members) return failure(members.error());
    auto out = session_filter(*members);
    const uint64_t most = members->number("most").value_or(most_sessions);
    if (out) out->most = static_cast<size_t>(std::min<uint64_t>(most, most_sessions));
    return out;
}

void list_sessions(WorkerQuestions& workers, const SessionFilter& filter,
                   std::function<void(const std::string& json)> then) {
    auto listing = std::make_shared<SharedAnswer<SessionListing>>();
    auto places = std::make_shared<std::vector<size_t>>(workers.workers());
    workers.ask(
        [listing, places, filter](size_t worker, Gateway& gateway, Now now) {
            const std::lock_guard lock(listing->mutex);
            return gateway.walk((*places)[worker],
                                [&](const OpenConnection& open) {
                                    if (!filter.admits(open)) return;
                                    SessionListing& out = listing->value;
                                    if (++out.count > filter.most) return;
                                    out.text += (out.text.empty() ? "" : ",") + session_json(open, worker);
                                },
                                now);
        },
        worker_patience_ms,
        [listing, most = filter.most, then = std::move(then)](bool all) {
            const std::lock_guard lock(listing->mutex);
            then(fmt::format("{{\"sessions\":[{}],\"count\":{},\"more\":{}}}\n", listing->value.text,
                             listing->value.count, !all || listing->value.count > most));
        });
}

void count_receivers(WorkerQuestions& workers, std::vector<Receivers> of,
                     std::function<void(std::vector<Receivers>)> then) {
    auto counted = std::make_shared<SharedAnswer<std::vector<Receivers>>>();
    counted->value = std::move(of);
    workers.ask(
        [counted](size_t, Gateway& gateway, Now) {
            const std::lock_guard lock(counted->mutex);
            for (Receivers& one : counted->value) one.sessions += gateway.receivers(one);
            return true;
        },
        worker_patience_ms,
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
    auto found = std::make_shared<SharedAnswer<std::optional<Explanation>>>();
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
        worker_patience_ms,
        [found, number = question.session, then = std::move(then)](bool all) {
            const std::lock_guard lock(found->mutex);
            if (found->value) return then(std::move(*found->value));
            then(failure(all ? "there is no session " + session_text(number)
                             : "a worker did not answer in time; see the log"));
        });
}

}  // namespace wayleave
