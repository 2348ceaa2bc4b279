#include "daemon/ops/control/control_publisher.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <utility>

#include "daemon/message/api_body.h"
#include "daemon/message/client_message.h"
#include "daemon/message/publication_request.h"
#include "dsl/policy/evaluate.h"

namespace wayleave {
namespace {

Failure<DeskError> bad(std::string detail) {
    return failure(DeskError{400, std::move(detail)});
}

Result<Cursor, DeskError> cursor_of(std::string_view json, const dsl::Policy& policy, Now now) {
    const std::string text = as_message(json);
    MessageParser parser;
    const auto message = parser.parse(text);
    if (!message) return bad("the body is no JSON object that can be read: " + std::string(message.error()));
    const auto channel = dsl::split_channel(text_member(**message, "channel"));
    if (!channel) return bad(no_channel(**message));
    const std::string_view user = text_member(**message, "user");
    if (user.empty()) return bad("`user` is the name of a user");
    const dsl::ChannelRules& rules = policy.channel_rules(channel->text);
    if (!rules.acks) return failure(DeskError{422, "this channel has no `acks`"});
    return Cursor{std::string(channel->text), std::string(user), {}, retention_of(rules), now};
}

}  // namespace

Result<Draft, DeskError> ControlPublisher::draft(std::string_view json, const dsl::Policy& policy, Now now) {
    const std::string text = as_message(json);
    MessageParser parser;
    const auto message = parser.parse(text);
    if (!message) return bad("the body is no JSON object that can be read: " + std::string(message.error()));
    const auto asked = parse_publication(**message);
    if (!asked) return bad(asked.error().because);
    const std::string_view channel = asked->channel.text;
    Draft draft;
    if (const auto wrong =
            fill_draft(channel, policy.channel_rules(channel), {**message, asked->data}, draft))
        return failure(DeskError{wrong->too_big ? 413 : 400, wrong->because});
    // No user's own ids begin so: see Publisher::publish.
    if (!draft.dedup.empty()) draft.dedup.insert(0, "\1");
    draft.id = fmt::format("server-{}-{}", now.wall_ms, ++published_);
    draft.now = now;
    return draft;
}

void ControlPublisher::publish(std::string_view json, const dsl::Policy& policy, Now now,
                               ThenPublished then) {
    auto made = draft(json, policy, now);
    if (!made) return then(failure(made.error()));
    Published out;
    out.heard = broker_.heard(made->channel);
    out.named = policy.channel(made->channel) != nullptr;
    const Ticket asked = ticket([out, then = std::move(then)](std::optional<BrokerAnswer> answer) mutable {
        auto* receipt = answer ? std::get_if<Receipt>(&*answer) : nullptr;
        if (!receipt)
            return then(failure(DeskError{503, "the storage does not answer; it may still be published"}));
        if (receipt->status == Receipt::Status::refused) return then(bad(receipt->because));
        if (receipt->status == Receipt::Status::unavailable)
            return then(failure(DeskError{503, receipt->because}));
        out.receipt = std::move(*receipt);
        then(std::move(out));
    });
    if (auto at_once = broker_.publish(std::move(*made), asked)) pending_.answer(asked.number, *at_once);
}

void ControlPublisher::progress(std::string_view json, const dsl::Policy& policy, Now now,
                                ThenProgress then) {
    auto cursor = cursor_of(json, policy, now);
    if (!cursor) return then(failure(cursor.error()));
    const Ticket asked = ticket([then = std::move(then)](std::optional<BrokerAnswer> answer) {
        auto* progress = answer ? std::get_if<Progress>(&*answer) : nullptr;
        if (!progress) return then(failure(DeskError{503, "the storage does not answer"}));
        if (!progress->because.empty()) return then(failure(DeskError{503, progress->because}));
        then(std::move(*progress));
    });
    if (auto at_once = broker_.progress(std::move(*cursor), asked)) pending_.answer(asked.number, *at_once);
}

Ticket ControlPublisher::ticket(PendingAnswers<BrokerAnswer>::Done done) {
    return {number_, pending_.add(timeout_ms_, std::move(done))};
}

void ControlPublisher::answered(uint64_t ticket, BrokerAnswer answer) {
    calls_.post([this, ticket, answer = std::move(answer)] { pending_.answer(ticket, answer); });
}

std::string json_of(const Published& published) {
    const Receipt& receipt = published.receipt;
    std::string out = "{";
    if (receipt.position.epoch != 0) {
        out += fmt::format("\"epoch\":\"{}\",\"offset\":{},", epoch_text(receipt.position.epoch),
                           receipt.position.offset);
    }
    out += fmt::format("\"duplicate\":{}", receipt.status == Receipt::Status::duplicate);
    if (!published.heard) out += ",\"receivers\":0";
    // A slip in the name would else look like a success.
    if (!published.heard && !published.named)
        out += ",\"note\":\"nobody is subscribed, and no channel block of the policy has this name\"";
    return out + "}\n";
}

std::string json_of(const Progress& progress) {
    if (progress.top.epoch == 0) return "{\"offset\":0,\"delivered\":0,\"acknowledged\":0}\n";
    return fmt::format("{{\"epoch\":\"{}\",\"offset\":{},\"delivered\":{},\"acknowledged\":{}}}\n",
                       epoch_text(progress.top.epoch), progress.top.offset, progress.delivered,
                       progress.acknowledged);
}

}  // namespace wayleave
