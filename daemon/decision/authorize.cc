#include "daemon/decision/authorize.h"

#include <algorithm>
#include <utility>

#include "daemon/decision/admission.h"

namespace wayleave {
namespace {

Authorization by_verdict(const dsl::Route& route, dsl::NodeId verdict, const dsl::Request& request) {
    Authorization out;
    out.judged = true;
    out.verdict = verdict;
    if (const dsl::AskedBackend* backend = asked_backend(route, verdict)) {
        out.vouched = request.vouched == verdict;
        out.asks = !out.vouched;
        if (out.asks)
            out.rejection =
                Rejection::of(Reason::unavailable, "the backend " + backend->name + " decides this",
                              rejected_by(route, verdict).rule);
    } else if (!allows(route, verdict)) {
        out.rejection = rejected_by(route, verdict);
    }
    return out;
}

bool chosen(const ConnectionView& view, dsl::RootId condition, const dsl::Request& request) {
    return dsl::decide(view.route.program, view.residual.nodes, view.residual.roots[condition], request) !=
           dsl::never;
}

constexpr std::string_view no_segment = "a field cannot be part of a channel's name";

// The channels that an allowed message names for its sender, each once.
std::optional<Rejection> name_channels(const ConnectionView& view, const std::vector<dsl::Join>& list,
                                       const dsl::Request& request, const dsl::Message& block,
                                       std::vector<std::string>& out) {
    std::string channel;
    for (const dsl::Join& one : list) {
        if (!chosen(view, one.condition, request)) continue;
        if (!dsl::build_channel(view.route.program, one.channel, request, channel))
            return Rejection::of(Reason::bad_message, std::string(no_segment), block.place);
        if (std::find(out.begin(), out.end(), channel) == out.end()) out.push_back(channel);
    }
    return std::nullopt;
}

// What becomes of its sender's subscriptions. Last, since places are taken.
std::optional<Rejection> order(const ConnectionView& view, const dsl::Request& request, RulesOf rules_of,
                               KeysOf keys_of, LimitTable& limits, MessageAuthorization& out) {
    const dsl::Message& block = *out.block;
    if (block.subscribes.empty() && block.unsubscribes.empty()) return std::nullopt;
    if (auto wrong = name_channels(view, block.unsubscribes, request, block, out.order.leave)) return wrong;
    if (auto wrong = name_channels(view, block.subscribes, request, block, out.order.enter)) return wrong;
    auto places = take_places(view, request, out.order, rules_of, keys_of, limits);
    if (!places) {
        Rejection why = places.error();
        if (why.rule.empty()) why.rule = block.place;
        return why;
    }
    out.places = std::move(*places);
    return std::nullopt;
}

Content renamed(const Content& content, std::string_view type) {
    return {content.message, content.members, content.key, content.dedup, with_type(content.stamps, type)};
}

// The channels that an allowed message goes to, each with what is published there.
std::optional<Rejection> plan(const ConnectionView& view, const MessageParser::Message& message,
                              const dsl::Request& request, RulesOf rules_of, MessageAuthorization& out) {
    const Content content{message, message.members, "$key", "$dedup",
                          stamps_of(view.route.program, *out.block, request)};
    std::string channel;
    for (const dsl::Publish& publish : out.block->publish) {
        if (!chosen(view, publish.condition, request)) continue;
        if (!dsl::build_channel(view.route.program, publish.channel, request, channel))
            return Rejection::of(Reason::bad_message, std::string(no_segment), out.block->place);
        Draft& draft = out.drafts.emplace_back();
        auto wrong = publish.type.empty()
                         ? fill_draft(channel, rules_of(channel), content, draft)
                         : fill_draft(channel, rules_of(channel), renamed(content, publish.type), draft);
        if (wrong) return bad_message(std::move(wrong->because));
        if (publish.except_self) draft.except = view.number;
        draft.lane = publish.lane;
        out.published_by.push_back(&publish);
    }
    for (const dsl::Reply& reply : out.block->replies) {
        if (!chosen(view, reply.condition, request)) continue;
        out.replies.push_back(reply_members(message.members, with_type(content.stamps, reply.type)));
    }
    const auto forward =
        std::find_if(out.block->forwards.begin(), out.block->forwards.end(),
                     [&](const dsl::Forward& one) { return chosen(view, one.condition, request); });
    if (forward == out.block->forwards.end()) return std::nullopt;
    out.forward = &*forward;
    if (!dsl::build_path(view.route.program, forward->to, request, out.forward_path))
        return Rejection::of(Reason::bad_message, "a field cannot be part of the path of a request",
                             forward->place);
    return std::nullopt;
}

// Block, fields, limits, rules: in this order.
std::optional<Rejection> ask(const ConnectionView& view, const MessageParser::Message& message,
                             dsl::Request& request, LimitTable& limits, Now now, MessageAuthorization& out) {
    out.block = view.route.message(message.type);
    if (!out.block) return Rejection::of(Reason::unknown_message, "no route names this type of message");
    auto fields = read_fields(*out.block, message);
    if (!fields) return Rejection::of(Reason::bad_message, fields.error().text, fields.error().place);
    out.fields = std::move(*fields);
    request.fields = out.fields;
    if (auto limited = draw_messages(view, out.block->limits, request, limits, now)) return limited;
    Authorization judged = authorize(view, out.block->decision, request);
    out.judged = true;
    out.verdict = judged.verdict;
    if (judged.rejection && judged.rejection->rule.empty()) judged.rejection->rule = out.block->place;
    return std::move(judged.rejection);
}

}  // namespace

Authorization authorize(const ConnectionView& view, dsl::RootId decision, const dsl::Request& request) {
    return by_verdict(
        view.route,
        dsl::decide(view.route.program, view.residual.nodes, view.residual.roots[decision], request),
        request);
}

Authorization authorize_connect(const dsl::Route& route, const dsl::Request& request) {
    const dsl::Program& program = route.program;
    return by_verdict(route, dsl::decide(program, program.nodes, program.roots[route.connect], request),
                      request);
}

std::optional<Rejection> draw_messages(const ConnectionView& view, const std::vector<dsl::Limit>& list,
                                       const dsl::Request& request, LimitTable& limits, Now now) {
    for (const dsl::Limit& limit : list) {
        const bool bytes = limit.meter == dsl::Meter::bytes;
        if (!bytes && limit.meter != dsl::Meter::messages) continue;
        const int64_t cost = bytes ? request.message_size : 1;
        if (auto rejection = draw(view.route.program, limit, request, limits, now, cost)) return rejection;
    }
    return std::nullopt;
}

SubscribeAuthorization authorize_subscribe(const ConnectionView& view, const dsl::Request& request,
                                           const dsl::ChannelRules& rules, bool subscribed,
                                           LimitTable& limits) {
    SubscribeAuthorization out{authorize(view, view.route.subscribe, request), {}};
    if ((out.rejection && !out.asks) || subscribed) return out;
    if (view.subscriptions >= view.route.max_subscriptions) {
        out.rejection = Rejection::of(Reason::limited, "too many subscriptions");
        out.asks = false;
    }
    if (out.rejection) return out;
    out.rejection = count_subscription(view, request, rules, limits, out.entered);
    return out;
}

Authorization authorize_history(const ConnectionView& view, const dsl::Request& request,
                                const dsl::ChannelRules& rules) {
    Authorization out = authorize(view, view.route.history, request);
    if (out.allowed() && rules.history == 0) out.rejection = bad_message("this channel keeps no history");
    return out;
}

Authorization authorize_presence(const ConnectionView& view, const dsl::Request& request,
                                 const dsl::ChannelRules& rules) {
    Authorization out = authorize(view, view.route.presence, request);
    if (out.allowed() && !rules.presence)
        out.rejection = bad_message("nobody keeps presence of this channel");
    return out;
}

PublishAuthorization authorize_publish(const ConnectionView& view, const MessageParser::Message& message,
                                       const PublicationRequest& asked, const dsl::Request& request,
                                       const dsl::ChannelRules& rules) {
    PublishAuthorization out{authorize(view, view.route.publish, request), {}};
    if (out.rejection) return out;
    if (auto wrong = fill_draft(asked.channel.text, rules, {message, asked.data}, out.draft))
        out.rejection = bad_message(std::move(wrong->because));
    return out;
}

MessageAuthorization authorize_message(const ConnectionView& view, const MessageParser::Message& message,
                                       dsl::Request& request, RulesOf rules_of, KeysOf keys_of,
                                       LimitTable& limits, Now now) {
    MessageAuthorization out;
    out.rejection = ask(view, message, request, limits, now, out);
    if (!out.rejection) out.rejection = plan(view, message, request, rules_of, out);
    if (!out.rejection) out.rejection = order(view, request, rules_of, keys_of, limits, out);
    return out;
}

bool has_stream(const ConnectionView& view, const dsl::Stream& stream, const dsl::Request& request) {
    return dsl::decide(view.route.program, view.residual.nodes, view.residual.roots[stream.condition],
                       request) != dsl::never;
}

Authorization authorize_stream(const ConnectionView& view, const dsl::Stream& stream,
                               const dsl::Request& request, LimitTable& limits, Now now) {
    Authorization out;
    if (stream.max_message > 0 && request.message_size > static_cast<int64_t>(stream.max_message)) {
        out.rejection = Rejection::of(Reason::too_big, "this is too large for the stream", stream.place);
    } else if (auto limited = draw_messages(view, stream.limits, request, limits, now)) {
        out.rejection = std::move(*limited);
    } else {
        out = authorize(view, stream.decision, request);
    }
    return out;
}

std::vector<std::string> joined_channels(const dsl::Route& route, const dsl::Request& request) {
    const dsl::Program& program = route.program;
    std::vector<std::string> out;
    std::string name;
    for (const dsl::Join& join : route.joins) {
        if (dsl::decide(program, program.nodes, program.roots[join.condition], request) == dsl::never)
            continue;
        if (!dsl::build_channel(program, join.channel, request, name)) continue;
        if (std::find(out.begin(), out.end(), name) == out.end()) out.push_back(name);
    }
    return out;
}

}  // namespace wayleave
