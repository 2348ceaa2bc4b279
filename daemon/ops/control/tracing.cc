#include "daemon/ops/control/tracing.h"

#include <algorithm>
#include <array>
#include <utility>

#include "daemon/base/json_writer.h"
#include "daemon/base/now.h"
#include "daemon/ops/control/members.h"
#include "daemon/ops/control/policy_names.h"
#include "daemon/ops/log/log.h"
#include "daemon/session/native.h"

namespace wayleave {
namespace {

constexpr int64_t look_ms = 100;
constexpr uint64_t longest_wait_ms = 5'000;
constexpr uint64_t longest_ms = 24 * 3600 * 1000;
constexpr std::array<std::string_view, 5> level_words{"trace", "debug", "info", "warn", "error"};

std::optional<Level> level_from(std::string_view word) {
    const auto* found = std::find(level_words.begin(), level_words.end(), word);
    if (found == level_words.end()) return std::nullopt;
    return static_cast<Level>(found - level_words.begin());
}

bool names_nobody(const TraceFilter& filter) {
    return filter.who.empty() && filter.user.empty() && filter.route.empty() && filter.rule.empty() &&
           !filter.session;
}

JsonObject json_of(const TraceFilter& filter) {
    JsonObject out;
    out.add_if_any("who", filter.who).add_if_any("user", filter.user).add_if_any("route", filter.route);
    out.add_if_any("rule", filter.rule);
    if (filter.session) out.add("session", session_text(*filter.session));
    return out;
}

Result<uint64_t> trace_number(std::string_view body) {
    const auto members = Members::read(body, {{"trace", Members::Kind::number}});
    if (!members) return failure(members.error());
    const auto number = members->number("trace");
    return number ? Result<uint64_t>(*number) : failure("`trace` is missing");
}

Tracing::Refusal too_many() {
    return {503, "as much is watched as can be; end a trace, or `wayleave log --reset`"};
}

}  // namespace

Result<TraceFilter> trace_filter(const Members& members) {
    TraceFilter out{
        members.text("who"), members.text("user"), members.text("route"), members.text("rule"), {}};
    if (const std::string text = members.text("session"); !text.empty()) {
        out.session = parse_session(text);
        if (!out.session) return failure("`session` is 16 hexadecimal digits, as in $hello and the log");
    }
    return out;
}

Tracing::Tracing(Loop& loop, WorkerQuestions& workers, TraceBook& book, PolicyInForce policy)
    : workers_(workers), book_(book), policy_(std::move(policy)), timer_(loop, [this] { look(); }) {}

void Tracing::tell_workers() {
    workers_.ask(
        [filters = book_.filters()](size_t, Gateway& gateway, Now) {
            gateway.watch(filters);
            return true;
        },
        worker_patience_ms, [](bool) {});
}

Result<TraceFilter, Tracing::Refusal> Tracing::filter_of(const Members& members) const {
    auto filter = trace_filter(members);
    if (!filter) return failure(Refusal{400, filter.error()});
    if (auto known = check_names(*filter, policy_()); !known) return failure(Refusal{400, known.error()});
    return std::move(*filter);
}

void Tracing::begin(std::string_view body, const ThenJson& then) {
    const auto members = Members::read(body, {{"who"}, {"user"}, {"session"}, {"route"}, {"rule"}});
    if (!members) return then(failure(Refusal{400, members.error()}));
    auto filter = filter_of(*members);
    if (!filter) return then(failure(Refusal(filter.error())));
    if (names_nobody(*filter))
        return then(failure(Refusal{400, "say what: who, user, session, route or rule"}));
    const auto number = book_.begin_trace(std::move(*filter), read_clocks().steady_ms);
    if (!number) return then(failure(too_many()));
    tell_workers();
    then(JsonObject().add("trace", *number).text() + "\n");
}

void Tracing::more(std::string_view body, ThenJson then) {
    const auto members =
        Members::read(body, {{"trace", Members::Kind::number}, {"wait_ms", Members::Kind::number}});
    if (!members) return then(failure(Refusal{400, members.error()}));
    const auto number = members->number("trace");
    if (!number) return then(failure(Refusal{400, "`trace` is missing"}));
    const uint64_t wait_ms = std::min(members->number("wait_ms").value_or(longest_wait_ms), longest_wait_ms);
    Waiting waiting{*number, read_clocks().steady_ms + static_cast<int64_t>(wait_ms), std::move(then)};
    if (answer(waiting, false)) return;
    waiting.known = true;
    waiting_.push_back(std::move(waiting));
    timer_.every(look_ms);
}

bool Tracing::answer(const Waiting& waiting, bool late) {
    const auto fetched = book_.fetch(waiting.trace, read_clocks().steady_ms);
    if (!fetched && waiting.known) {  // it was ended meanwhile
        waiting.then(std::string("{\"events\":[],\"lost\":0}\n"));
        return true;
    }
    if (!fetched) {
        waiting.then(failure(Refusal{404, "there is no such trace; nobody asked for it for too long"}));
        return true;
    }
    if (fetched->records.empty() && fetched->lost == 0 && !late) return false;
    JsonArray events;
    for (const EventRecord& record : fetched->records) events.raw(json_of(record));
    waiting.then(JsonObject().add("events", events).add("lost", fetched->lost).text() + "\n");
    return true;
}

void Tracing::look() {
    const int64_t now_ms = read_clocks().steady_ms;
    std::erase_if(waiting_,
                  [&](const Waiting& waiting) { return answer(waiting, now_ms >= waiting.until_ms); });
    if (waiting_.empty()) timer_.stop();
}

void Tracing::end(std::string_view body, const ThenJson& then) {
    const auto number = trace_number(body);
    if (!number) return then(failure(Refusal{400, number.error()}));
    book_.end_trace(*number);
    tell_workers();
    then(std::string("{}\n"));
}

void Tracing::set_log(std::string_view body, const ThenJson& then) {
    using enum Members::Kind;
    const auto members = Members::read(
        body, {{"level"}, {"for_ms", number}, {"who"}, {"user"}, {"session"}, {"route"}, {"rule"}});
    if (!members) return then(failure(Refusal{400, members.error()}));
    const auto level = level_from(members->text("level"));
    if (!level) return then(failure(Refusal{400, "`level` is trace, debug, info, warn or error"}));
    const uint64_t for_ms = members->number("for_ms").value_or(0);
    if (for_ms == 0 || for_ms > longest_ms)
        return then(failure(Refusal{400, "`for_ms` says for how long, at most a day"}));
    auto filter = filter_of(*members);
    if (!filter) return then(failure(Refusal(filter.error())));
    const int64_t until_ms = read_clocks().steady_ms + static_cast<int64_t>(for_ms);
    if (names_nobody(*filter)) {
        override_log_level(level);
        level_until_ms_ = until_ms;
    } else if (*level > Level::debug) {
        return then(failure(
            Refusal{400, "what one connection does is told at level debug; say debug, or no filter"}));
    } else if (!book_.add_log_filter(std::move(*filter), until_ms)) {
        return then(failure(too_many()));
    } else {
        tell_workers();
    }
    log_event(Level::info, "log-filter", "an operator has set what is written to the log",
              {{"filter", std::string(body)}});
    then(log_json());
}

void Tracing::reset_log(const ThenJson& then) {
    override_log_level(std::nullopt);
    level_until_ms_.reset();
    book_.forget_log_filters();
    tell_workers();
    log_event(Level::info, "log-filter", "an operator has ended what was set for the log");
    then(log_json());
}

std::string Tracing::log_json() const {
    const int64_t now_ms = read_clocks().steady_ms;
    JsonArray filters;
    for (const TraceBook::LogFilter& one : book_.log_filters())
        filters.raw(json_of(one.filter).add("level", "debug").add("left_ms", one.until_ms - now_ms).text());
    JsonObject out;
    out.add("level", level_words[static_cast<size_t>(log_level())]);
    if (level_until_ms_) out.add("left_ms", *level_until_ms_ - now_ms);
    return out.add("filters", filters).text() + "\n";
}

void Tracing::tick() {
    const int64_t now_ms = read_clocks().steady_ms;
    if (level_until_ms_ && *level_until_ms_ <= now_ms) {
        level_until_ms_.reset();
        override_log_level(std::nullopt);
    }
    if (book_.tick(now_ms)) tell_workers();
}

}  // namespace wayleave
