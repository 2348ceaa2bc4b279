#include "daemon/explain/explained_decision.h"

#include <algorithm>
#include <array>

#include "daemon/base/json_value.h"
#include "daemon/base/json_writer.h"
#include "daemon/decision/authorize.h"
#include "daemon/decision/counting_key.h"
#include "daemon/message/client_message.h"
#include "daemon/session/folded_stream.h"
#include "daemon/session/proxy_target.h"
#include "dsl/policy/trace.h"

namespace wayleave {
namespace {

using dsl::Action;
using dsl::Meter;

// In the form that the client gets, such as "HTTP 403 forbidden".
std::string told(const dsl::Route* route, const Rejection& rejection, dsl::Phase phase) {
    using Kind = dsl::OutcomeKind;
    const dsl::Outcome outcome = outcome_of(route, rejection, phase);
    const std::string name = outcome.kind == Kind::error && !outcome.name.empty()
                                 ? outcome.name
                                 : std::string(to_string(rejection.reason));
    if (outcome.kind == Kind::drop)
        return phase == dsl::Phase::handshake ? "nothing: the connection is cut" : "nothing";
    if (phase == dsl::Phase::handshake) {
        const int status = outcome.kind == Kind::status ? outcome.code : default_status(rejection.reason);
        return "HTTP " + std::to_string(status) + " " + name;
    }
    if (outcome.kind == Kind::close) return "close " + std::to_string(outcome.code) + " " + name;
    return "$error " + name;
}

// A channel that was built from the pattern, without the values that nobody is to see.
std::string shown_channel(const dsl::Route& route, const dsl::Pattern& pattern, const std::string& built) {
    const auto hidden = [&](const dsl::PatternSegment& segment) {
        const dsl::Operand& insert = segment.insert;
        return segment.kind == dsl::PatternSegment::Kind::insert &&
               insert.from == dsl::Operand::From::attribute && insert.attribute == dsl::Attribute::fact &&
               route.shape->facts[insert.slot].secret;
    };
    const auto name = dsl::split_channel(built);
    if (!name || name->count != pattern.size() || std::none_of(pattern.begin(), pattern.end(), hidden))
        return built;
    std::string out;
    for (size_t i = 0; i < pattern.size(); ++i) {
        if (i > 0) out += '/';
        out += hidden(pattern[i]) ? "(secret)" : std::string(name->segments[i]);
    }
    return out;
}

class ExplanationWriter {
  public:
    ExplanationWriter(const dsl::Policy& policy, const dsl::Route& route, const dsl::Message* block,
                      const dsl::Request& request, LimitTable& limits, Now now, Explanation& out)
        : policy_(policy),
          route_(route),
          words_{route, block},
          request_(request),
          limits_(limits),
          now_(now),
          out_(out) {}

    // All rules of a decision; or, where not all is known that they ask about, the one that has decided.
    void rules(std::string_view action, dsl::RootId root, dsl::NodeId verdict, bool all = true) {
        for (const dsl::Clause& clause : route_.clauses[root]) {
            if (!all && verdict != dsl::verdict(clause.rule)) continue;
            const dsl::RuleInfo& rule = route_.rules[clause.rule];
            dsl::Words words = words_;
            words.segments = &clause.segments;
            dsl::Finding found = dsl::find_out(words, clause.condition, request_);
            const bool decided = verdict == dsl::verdict(clause.rule);
            if (found.holds && !decided) found.why.clear();
            out_.rules.push_back({words.rule(action, clause), rule.place, rule.allow, found.holds, decided,
                                  std::move(found.why)});
        }
    }

    void limit(const dsl::Limit& limit, const Rejection* rejection) {
        LimitNote note{words_.limit(limit), limit.place, {}, false, false, 0, 0};
        const dsl::Program& program = route_.program;
        note.applies =
            dsl::decide(program, program.nodes, program.roots[limit.condition], request_) != dsl::never;
        for (const dsl::Operand& part : limit.per) {
            note.key +=
                (note.key.empty() ? "" : ", ") + words_.operand(part) + " " +
                (part.attribute == dsl::Attribute::connection ? "this" : dsl::shown(words_, part, request_));
        }
        const std::string key = limit_key(program, limit, request_);
        const dsl::ValueView to = dsl::fetch(program, limit.to, request_);
        if (const auto* rate = std::get_if<dsl::Rate>(&to)) {
            note.most = limit.burst.value_or(rate->count);
            note.left = limits_.left(key, rate->count, rate->period_ms, note.most, now_.steady_ms);
        } else if (const auto* number = std::get_if<int64_t>(&to)) {
            note.most = *number;
            note.left = std::max<int64_t>(0, *number - limits_.inside(key));
        }
        note.limited = rejection && rejection->reason == Reason::limited && rejection->rule == limit.place;
        out_.limits.push_back(std::move(note));
    }

    // All that rules could have asked about, as it is now.
    void facts() {
        using enum dsl::Attribute;
        for (const dsl::Attribute attribute : {ip, host, path, origin, subprotocol, tls}) known(attribute, 0);
        for (size_t i = 0; i < request_.facts->values.size(); ++i) known(fact, i);
        for (size_t i = 0; i < request_.fields.size(); ++i) known(field, i);
        for (size_t i = 0; i < request_.grant.size(); ++i) known(grant, i);
    }

    // The line of a setting that turned the client away, and what it asked about.
    void setting(std::string text, const std::string& place, dsl::Attribute attribute) {
        if (out_.place != place || place.empty()) return;
        const dsl::Operand asked{dsl::Operand::From::attribute, attribute, 0, 0};
        out_.rules.push_back({std::move(text),
                              place,
                              true,
                              false,
                              true,
                              {words_.operand(asked) + " is " + dsl::shown(words_, asked, request_)}});
    }

    // The field that a message was refused for, and what the client wrote there.
    void field_line(const MessageParser::Message& message) {
        if (!words_.message) return;
        for (const dsl::FieldDecl& field : words_.message->fields) {
            if (field.place != out_.place) continue;
            bool ambiguous = false;
            const auto member = json_member(message.object, field.member, ambiguous);
            const std::string value = member ? simdjson::minify(*member) : "not there";
            out_.rules.push_back({dsl::field_text(field),
                                  field.place,
                                  true,
                                  false,
                                  true,
                                  {field.name + " is " + (ambiguous ? "there twice" : dsl::quoted(value))}});
        }
    }

    void refused(const Rejection& rejection, dsl::Phase phase) {
        out_.verdict = rejection.reason == Reason::limited ? Verdict::limit : Verdict::deny;
        out_.reason = to_string(rejection.reason);
        out_.because = rejection.because;
        out_.place = rejection.rule.empty() ? route_.place : rejection.rule;
        out_.client = told(&route_, rejection, phase);
    }

    // `otherwise`: the line that allows where no rule has spoken; empty: the route's.
    void allowed(dsl::NodeId verdict, const std::string& otherwise = {}) {
        out_.verdict = Verdict::allow;
        const size_t rule = verdict & ~dsl::verdict_bit;
        out_.place = otherwise.empty() ? route_.place : otherwise;
        if (rule >= 2) out_.place = route_.rules[rule - 2].place;
    }

    // The line that gives a client the stream, and why not this one.
    void stream_line(const dsl::Stream& stream) {
        const auto& clauses = route_.clauses[stream.condition];
        std::vector<std::string> why;
        if (!clauses.empty()) why = dsl::find_out(words_, clauses.front().condition, request_).why;
        out_.rules.push_back({"stream " + stream.name + words_.condition_of(stream.condition), stream.place,
                              true, false, true, std::move(why)});
    }

    void asked(const RulingQuestion& question) {
        out_.verdict = Verdict::ask;
        out_.reason = to_string(Reason::unavailable);
        out_.because = "the backend " + question.backend->name + " decides";
        out_.place = question.rule;
        const std::string path = request_.channel ? question.path : question.backend->to.path;
        out_.notes.push_back("the backend " + question.backend->name + ": POST " + path +
                             " says who may subscribe");
    }

    // What only the daemon knows of a handshake.
    void not_asked() {
        for (const dsl::Ban& ban : route_.bans)
            out_.notes.push_back("the ban at " + ban.place + ": `wayleave bans` lists whom it keeps out");
        if (route_.min_tls != 0)
            out_.notes.push_back(std::string("min_tls: the version of TLS must be ") +
                                 (route_.min_tls > 0x0303 ? "1.3" : "1.2 or 1.3"));
    }

    void finish() { out_.decision = decision_id(policy_, out_.place); }

  private:
    void known(dsl::Attribute attribute, size_t slot) {
        const dsl::Operand operand{dsl::Operand::From::attribute, attribute, static_cast<uint16_t>(slot), 0};
        out_.facts.push_back(words_.operand(operand) + " is " + dsl::shown(words_, operand, request_));
    }

    const dsl::Policy& policy_;
    const dsl::Route& route_;
    dsl::Words words_;
    const dsl::Request& request_;
    LimitTable& limits_;
    Now now_;
    Explanation& out_;
};

// Whether doing it draws from such a limit. To connect is asked about as what it would be now.
bool concerns(Meter meter, Action action) {
    switch (meter) {
        case Meter::connects:
        case Meter::connections: return action == Action::connect;
        case Meter::subscriptions: return action == Action::subscribe;
        default: return action != Action::connect;
    }
}

// One question about a connection that is open.
class Evaluator {
  public:
    Evaluator(const ConnectionView& view, const Question& question, LimitTable& limits, Now now, bool detail)
        : view_(view),
          question_(question),
          limits_(limits),
          now_(now),
          detail_(detail),
          request_(request_for(view)) {
        out_.explanation.action = dsl::to_string(question.action);
        out_.explanation.target = question.target;
        out_.explanation.route = view.route.name;
    }

    ExplainedDecision ask() {
        judged_.rejection = ask_in_order();
        conclude();
        return std::move(out_);
    }

  private:
    // The order of the gateway: what every message costs, its form, then the rules.
    std::optional<Rejection> ask_in_order() {
        if (question_.action == Action::connect) {  // would it be let in again?
            root_ = view_.route.connect;
            judged_ = authorize_connect(view_.route, request_);
            return std::move(judged_.rejection);
        }
        const std::string text = wire_text();
        request_.message_size = static_cast<int64_t>(text.size());
        if (text.size() > view_.route.max_message) return Rejection::of(Reason::too_big, "message too big");
        const auto parsed = parser_.parse(text, question_.action == Action::stream);
        if (parsed) {
            message_ = parsed.value();
            request_.message_type = message_->type;
        }
        if (!view_.route.api) {
            if (auto limited = draw_messages(view_, view_.route.limits, request_, limits_, now_))
                return limited;
        }
        if (!parsed) return bad_message(std::string(parsed.error()));
        if (question_.action == Action::stream) return ask_stream();
        return question_.action == Action::message ? ask_message() : ask_by_name();
    }

    std::optional<Rejection> ask_message() {
        const auto rules = [&](std::string_view channel) -> const dsl::ChannelRules& {
            return view_.policy.channel_rules(channel);
        };
        const auto keys = [&](std::string_view channel) { return keys_of(channel); };
        answer_ = authorize_message(view_, *message_, request_, rules, keys, limits_, now_);
        out_.entered = answer_.places.size();
        if (answer_.block) root_ = answer_.block->decision;
        judged_ = answer_;
        return std::move(judged_.rejection);
    }

    std::optional<Rejection> ask_stream() {
        const auto& streams = view_.route.streams;
        const auto it = std::find_if(streams.begin(), streams.end(),
                                     [&](const dsl::Stream& one) { return one.name == question_.target; });
        if (it == streams.end())
            return Rejection::of(Reason::unknown_message, "the route has no stream of this name");
        stream_ = &*it;
        if (!has_stream(view_, *stream_, request_))
            return Rejection::of(Reason::unknown_message, "you have no stream of this name", stream_->place);
        const auto said = read_stream_message(*message_);
        if (!said) return bad_message(said.error());
        request_.message_size = static_cast<int64_t>(said->payload.size());
        root_ = stream_->decision;
        judged_ = authorize_stream(view_, *stream_, request_, limits_, now_);
        return std::move(judged_.rejection);
    }

    // About a channel that the client names, or about one of its connections.
    std::optional<Rejection> ask_by_name() {
        if (question_.action == Action::publish) return ask_publish();
        if (question_.action != Action::disconnect) {
            channel_ = dsl::split_channel(question_.target);
            if (!channel_) return bad_message(no_channel(*message_));
            request_.channel = &*channel_;
        }
        if (question_.action == Action::subscribe && !question_.no_grant.empty())
            return Rejection::of(Reason::forbidden, question_.no_grant);
        if (question_.grant) grant_ = grant_facts(*question_.grant, view_.route);
        request_.grant = grant_;
        root_ = root_of(question_.action);
        judged_ = judge();
        if (judged_.asks) ask_backend();
        return std::move(judged_.rejection);
    }

    // By what it is said to answer.
    void ask_backend() {
        const auto question =
            ruling_question({view_.route, view_.facts, {}, view_.number}, request_, judged_.verdict);
        judged_.asks = false;
        if (!question) return void(judged_.rejection = question.error());
        const auto said = std::find_if(question_.rulings.begin(), question_.rulings.end(),
                                       [&](const auto& one) { return one.first == question->backend->name; });
        if (said == question_.rulings.end()) return void(asked_ = *question);
        if (said->second.kind != BackendRuling::Kind::yes)
            return void(judged_.rejection = ruled_out(*question, said->second));
        request_.vouched = judged_.verdict;
        judged_ = judge();
    }

    std::optional<Rejection> ask_publish() {
        const auto asked = parse_publication(*message_);
        if (!asked) return bad_message(asked.error().because);
        channel_ = asked->channel;
        request_.channel = &*channel_;
        request_.message_size = static_cast<int64_t>(asked->size);
        root_ = view_.route.publish;
        judged_ = authorize_publish(view_, *message_, *asked, request_, rules());
        return std::move(judged_.rejection);
    }

    Authorization judge() {
        switch (question_.action) {
            case Action::subscribe:
                if (view_.route.api) return authorize(view_, *root_, request_);  // others are counted
                return authorize_subscribe(view_, request_, rules(), keys_of(question_.target).has_value(),
                                           limits_);
            case Action::history: return authorize_history(view_, request_, rules());
            case Action::presence: return authorize_presence(view_, request_, rules());
            default: return authorize(view_, *root_, request_);
        }
    }

    std::optional<std::vector<std::string>> keys_of(std::string_view channel) const {
        return question_.keys_of ? question_.keys_of(channel) : std::nullopt;
    }
    const dsl::ChannelRules& rules() const { return view_.policy.channel_rules(question_.target); }
    std::string data() const { return question_.json.empty() ? "{}" : question_.json; }

    // What a client would send.
    std::string wire_text() const {
        JsonObject out;
        if (question_.action == Action::stream)
            return out.add("stream", question_.target).raw("payload", data()).text();
        if (question_.action != Action::message) {
            out.add("type", "$" + std::string(dsl::to_string(question_.action)));
            out.add("channel", question_.target);
            return question_.action == Action::publish ? out.raw("data", data()).text() : out.text();
        }
        out.add("type", question_.target);
        const std::string members = data();
        const size_t open = members.find('{');
        if (open == std::string::npos) return members;  // no object: told as what it is
        const size_t next = members.find_first_not_of(" \t\r\n", open + 1);
        const bool empty = next == std::string::npos || members[next] == '}';
        std::string text = out.text();
        text.pop_back();
        return text +
               (empty ? members.substr(std::min(next, members.size())) : "," + members.substr(open + 1));
    }

    dsl::RootId root_of(Action action) const {
        switch (action) {
            case Action::subscribe: return view_.route.subscribe;
            case Action::publish: return view_.route.publish;
            case Action::presence: return view_.route.presence;
            case Action::history: return view_.route.history;
            case Action::disconnect: return view_.route.disconnect;
            default: return view_.route.connect;
        }
    }

    void conclude() {
        ExplanationWriter note(view_.policy, view_.route, answer_.block, request_, limits_, now_,
                               out_.explanation);
        out_.verdict = judged_.verdict;
        if (asked_) {
            note.asked(*asked_);
        } else if (judged_.rejection) {
            note.refused(*judged_.rejection, dsl::Phase::session);
        } else {
            note.allowed(judged_.verdict, stream_ ? stream_->place : "");
            stream_ ? stream_effect() : effects();
        }
        note.finish();
        if (!detail_) return;
        const Rejection* rejection = judged_.rejection ? &*judged_.rejection : nullptr;
        // In its block the action is left out.
        const bool block = question_.action == Action::message || question_.action == Action::stream;
        if (root_ && judged_.judged)
            note.rules(block ? "" : dsl::to_string(question_.action), *root_, judged_.verdict);
        if (stream_ && !root_) note.stream_line(*stream_);
        const bool subscribes = !answer_.order.enter.empty();
        if (subscribes && (channel_ = dsl::split_channel(answer_.order.enter.front())))
            request_.channel = &*channel_;
        for (const dsl::Limit& limit : view_.route.limits) {
            const bool concerned = concerns(limit.meter, question_.action) ||
                                   (subscribes && limit.meter == Meter::subscriptions);
            if (!view_.route.api && concerned) note.limit(limit, rejection);
        }
        if (answer_.block && judged_.judged) {
            for (const dsl::Limit& limit : answer_.block->limits) note.limit(limit, rejection);
        }
        if (stream_ && root_) {
            for (const dsl::Limit& limit : stream_->limits) note.limit(limit, rejection);
        }
        if (message_ && rejection && rejection->reason == Reason::bad_message) note.field_line(*message_);
        note.facts();
    }

    void stream_effect() {
        std::string path;
        if (!dsl::build_path(view_.route.program, stream_->to, request_, path)) return;
        out_.explanation.effects.push_back("goes to " + view_.policy.backends[stream_->to.backend].name +
                                           " " + path);
    }

    void effects() {
        if (!answer_.block) return;
        auto& effects = out_.explanation.effects;
        for (size_t i = 0; i < answer_.drafts.size(); ++i) {
            const dsl::Publish& publish = *answer_.published_by[i];
            effects.push_back("publishes to " +
                              shown_channel(view_.route, publish.channel, answer_.drafts[i].channel) +
                              (publish.except_self ? " except self" : "") +
                              (publish.type.empty() ? "" : " as " + dsl::quoted(publish.type)) +
                              (publish.lane ? " with priority " + std::string(dsl::to_string(*publish.lane))
                                            : std::string()));
        }
        for (const auto& [name, text] : stamps_of(view_.route.program, *answer_.block, request_))
            effects.push_back("sets " + std::string(name) + " to " + text);
        subscription_effects();
        for (const dsl::Reply& reply : answer_.block->replies) {
            const dsl::Program& program = view_.route.program;
            const bool holds =
                dsl::decide(program, program.nodes, program.roots[reply.condition], request_) != dsl::never;
            const std::string_view type = reply.type.empty() ? request_.message_type : reply.type;
            if (holds) effects.push_back("replies with " + dsl::quoted(type));
        }
        if (answer_.forward)
            effects.push_back("forwards to " + view_.policy.backends[answer_.forward->to.backend].name + " " +
                              answer_.forward_path);
    }

    // Of all that are written, those that hold.
    void subscription_effects() {
        const dsl::Program& program = view_.route.program;
        const auto tell = [&](const std::vector<dsl::Join>& list, const std::string& does) {
            for (const dsl::Join& one : list) {
                std::string channel;
                const bool holds =
                    dsl::decide(program, program.nodes, program.roots[one.condition], request_) != dsl::never;
                if (!holds || !dsl::build_channel(program, one.channel, request_, channel)) continue;
                out_.explanation.effects.push_back(does + shown_channel(view_.route, one.channel, channel));
            }
        };
        tell(answer_.block->unsubscribes, "unsubscribes from ");
        tell(answer_.block->subscribes, "subscribes to ");
    }

    const ConnectionView& view_;
    const Question& question_;
    LimitTable& limits_;
    Now now_;
    bool detail_;
    dsl::Request request_;
    MessageParser parser_;
    const MessageParser::Message* message_ = nullptr;
    std::optional<dsl::ChannelName> channel_;
    std::vector<dsl::Value> grant_;
    MessageAuthorization answer_;  // of an application's message
    const dsl::Stream* stream_ = nullptr;
    std::optional<dsl::RootId> root_;
    std::optional<RulingQuestion> asked_;  // a backend that nobody has asked
    Authorization judged_;
    ExplainedDecision out_;
};

}  // namespace

std::optional<Action> action_from(std::string_view name) {
    for (const Action action : {Action::connect, Action::subscribe, Action::publish, Action::presence,
                                Action::history, Action::disconnect, Action::message, Action::stream}) {
        if (dsl::to_string(action) == name) return action;
    }
    return std::nullopt;
}

ConnectionView opened(const dsl::Policy& policy, const Admitted& admitted, const dsl::Residual& residual) {
    const dsl::Route& route = *admitted.route;
    ConnectionView view{policy, route, admitted.facts, residual, 1, 0, 0};
    const size_t joined = joined_channels(route, request_for(view)).size();
    view.subscriptions = static_cast<int64_t>(std::min<size_t>(joined, route.max_subscriptions));
    return view;
}

ExplainedDecision explain(const ConnectionView& view, const Question& question, LimitTable& limits, Now now,
                          bool detail) {
    return Evaluator(view, question, limits, now, detail).ask();
}

ExplainedDecision explain_admission(const dsl::Policy& policy, const Admission& admission,
                                    const std::string& target, LimitTable& limits, Now now, bool detail) {
    ExplainedDecision out;
    Explanation& text = out.explanation;
    text.action = "connect";
    text.target = target;
    const auto* admitted = std::get_if<Admitted>(&admission);
    const auto* turned = std::get_if<TurnedAway>(&admission);
    const dsl::Route* route = admitted ? admitted->route : turned->route;
    out.verdict = admitted ? admitted->verdict : turned->verdict;
    if (!route) {
        text.verdict = Verdict::deny;
        text.reason = to_string(turned->rejection.reason);
        text.because = turned->rejection.because;
        text.client = told(nullptr, turned->rejection, dsl::Phase::handshake);
        text.decision = decision_id(policy, "");
        return out;
    }
    text.route = route->name;
    const dsl::Request request = request_for(admitted ? admitted->facts : turned->facts, 0);
    ExplanationWriter note(policy, *route, nullptr, request, limits, now, text);
    const dsl::Proxy* proxy = admitted ? first_proxy(*route, request, false) : nullptr;
    const bool unproxied = admitted && !route->proxies.empty() && !proxy;
    if (turned) note.refused(turned->rejection, dsl::Phase::handshake);
    if (unproxied) note.refused(Rejection::of(Reason::forbidden, no_proxy), dsl::Phase::handshake);
    if (admitted && !unproxied) note.allowed(admitted->verdict);
    note.finish();
    if (proxy) {
        const std::string path = proxy->to.path.empty() ? "its own path" : dsl::Words{*route}.path(proxy->to);
        text.effects.push_back("is passed on to the backend " + policy.backends.at(proxy->to.backend).name +
                               " at " + path);
    }
    if (unproxied) out.verdict = dsl::never;
    if (admitted && !route->api) {
        const auto& program = route->program;
        for (const dsl::Join& join : route->joins) {
            std::string channel;
            if (dsl::decide(program, program.nodes, program.roots[join.condition], request) == dsl::never)
                continue;
            const bool named = dsl::build_channel(program, join.channel, request, channel);
            text.effects.push_back(named ? "joins " + shown_channel(*route, join.channel, channel)
                                         : "does not join " + dsl::Words{*route}.pattern(join.channel) +
                                               ": a value in it is empty, or the name is too long");
        }
    }
    if (detail) note.not_asked();
    const bool judged = admitted || turned->judged;
    // A deny that needs only the handshake has spoken before the claims were known.
    const bool early = turned && !turned->judged && turned->verdict != dsl::never;
    if (detail && early) note.rules("connect", route->connect, out.verdict, false);
    if (!detail) return out;
    note.setting("origins = " + dsl::origins_text(route->origins), route->origins_place,
                 dsl::Attribute::origin);
    note.setting(route->min_tls > 0x0303 ? "min_tls = \"1.3\"" : "min_tls = \"1.2\"", route->min_tls_place,
                 dsl::Attribute::tls);
    if (!judged) {
        note.facts();
        return out;
    }
    if (!route->api) note.rules("connect", route->connect, out.verdict);
    for (const dsl::Limit& limit : route->limits) {
        if (limit.meter == Meter::connects || limit.meter == Meter::connections)
            note.limit(limit, turned ? &turned->rejection : nullptr);
    }
    note.facts();
    return out;
}

}  // namespace wayleave
