#include "daemon/ops/control/control_publisher.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <utility>

#include "daemon/base/json_writer.h"
#include "daemon/message/api_body.h"
#include "daemon/message/client_message.h"
#include "daemon/message/publication_request.h"
#include "daemon/session/native.h"
#include "dsl/policy/evaluate.h"
#include "dsl/policy/settings.h"

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
    for (const MessageParser::Member& member : (*message)->members) {
        if (!dsl::has_word("type channel user", member.key))
            return bad("there is no member `" + std::string(member.key) + "`");
    }
    const auto channel = dsl::split_channel(text_member(**message, "channel"));
    if (!channel) return bad(no_channel(**message));
    const std::string_view user = text_member(**message, "user");
    if (user.empty()) return bad("`user` is the name of a user");
    const dsl::ChannelRules& rules = policy.channel_rules(channel->text);
    if (!rules.acks) return failure(DeskError{422, "this channel has no `acks`"});
    return Cursor{std::string(channel->text), std::string(user), {}, retention_of(rules), now};
}

}  // namespace

struct ControlPublisher::Batch {
    PublishedAll out;
    std::vector<Draft> drafts;
    size_t waiting = 0;
    ThenPublished then;
};

bool PublishedAll::whole() const {
    return std::all_of(each.begin(), each.end(),
                       [](const Published& one) { return one.receipt.because.empty(); });
}

// The drafts of one item, one for each channel.
Result<Nothing, DeskError> ControlPublisher::add_drafts(std::string_view item, const dsl::Policy& policy,
                                                        Now now, Batch& batch) {
    const std::string text = as_message(item);
    MessageParser parser;
    const auto message = parser.parse(text);
    if (!message) return bad("the body is no JSON object that can be read: " + std::string(message.error()));
    const auto channels = channels_of(**message);
    if (!channels) return failure(DeskError{channels.error().too_big ? 413 : 400, channels.error().because});
    const auto except = (*message)->find("except_session")
                            ? parse_session(text_member(**message, "except_session"))
                            : std::optional<uint64_t>(0);
    if (!except) return bad("`except_session` is the session of a `$hello`");
    const auto receivers = wants_receivers(**message);
    if (!receivers) return bad(receivers.error().because);
    if (batch.drafts.size() + channels->size() > ApiBody::most_items)
        return failure(DeskError{413, "a request publishes at most 1000 messages"});
    for (const std::string& channel : *channels) {
        const auto asked = parse_publication(**message, channel);
        if (!asked) return bad(asked.error().because);
        Draft draft;
        if (const auto wrong =
                fill_draft(channel, policy.channel_rules(channel), {**message, asked->data}, draft))
            return failure(DeskError{wrong->too_big ? 413 : 400, wrong->because});
        // No user's own ids begin so: see Publisher::publish.
        if (!draft.dedup.empty()) draft.dedup.insert(0, "\1");
        draft.id = fmt::format("server-{}-{}", now.wall_ms, ++published_);
        draft.now = now;
        draft.except = *except;
        Published out;
        out.heard = broker_.heard(channel);
        out.named = policy.channel(channel) != nullptr;
        if (*receivers) out.receivers = Receivers{batch.drafts.size(), channel, *except};
        batch.out.each.push_back(std::move(out));
        batch.drafts.push_back(std::move(draft));
    }
    if (channels->size() > 1) batch.out.list = true;
    return Nothing{};
}

// All are looked at first: one that is wrong, and none is published.
void ControlPublisher::publish(std::string_view json, const dsl::Policy& policy, Now now,
                               ThenPublished then) {
    const auto split = split_body(json, false);
    if (!split) return then(failure(DeskError{split.error().too_big ? 413 : 400, split.error().because}));
    const auto batch = std::make_shared<Batch>();
    batch->out.list = split->list;
    for (size_t i = 0; i < split->items.size(); ++i) {
        auto added = add_drafts(split->items[i], policy, now, *batch);
        if (added) continue;
        DeskError wrong = added.error();
        if (split->list) wrong.detail = fmt::format("the item {}: {}", i, wrong.detail);
        return then(failure(std::move(wrong)));
    }
    batch->waiting = batch->drafts.size();
    batch->then = std::move(then);
    std::vector<Draft> drafts = std::move(batch->drafts);
    for (size_t i = 0; i < drafts.size(); ++i) {
        const Ticket asked = ticket(
            [this, batch, i](std::optional<BrokerAnswer> answer) { published(batch, i, std::move(answer)); });
        if (auto at_once = broker_.publish(std::move(drafts[i]), asked))
            pending_.answer(asked.number, *at_once);
    }
}

void ControlPublisher::published(const std::shared_ptr<Batch>& batch, size_t index,
                                 std::optional<BrokerAnswer> answer) {
    Receipt& receipt = batch->out.each[index].receipt;
    auto* told = answer ? std::get_if<Receipt>(&*answer) : nullptr;
    receipt = told ? std::move(*told)
                   : Receipt{Receipt::Status::unavailable,
                             {},
                             "the storage does not answer; it may still be published"};
    const bool kept =
        receipt.status == Receipt::Status::accepted || receipt.status == Receipt::Status::duplicate;
    if (!kept && receipt.because.empty()) receipt.because = "it could not be kept";
    if (--batch->waiting == 0) finish(batch);
}

void ControlPublisher::finish(const std::shared_ptr<Batch>& batch) {
    std::vector<Published>& each = batch->out.each;
    if (!batch->out.list && !batch->out.whole()) {
        const Receipt& receipt = each.front().receipt;
        const int status = receipt.status == Receipt::Status::refused ? 400 : 503;
        return batch->then(failure(DeskError{status, receipt.because}));
    }
    std::vector<Receivers> wanted;
    for (const Published& one : each) {
        if (one.receivers && one.receipt.status == Receipt::Status::accepted)
            wanted.push_back(*one.receivers);
    }
    if (wanted.empty() || !count_) return batch->then(std::move(batch->out));
    count_(std::move(wanted), [batch](const std::vector<Receivers>& counted) {
        for (const Receivers& one : counted) batch->out.each[one.index].receivers = one;
        batch->then(std::move(batch->out));
    });
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

namespace {

std::string json_of(const Published& published) {
    const Receipt& receipt = published.receipt;
    JsonObject out;
    if (!receipt.because.empty())
        return out.add("error", "unavailable").add("detail", receipt.because).text();
    if (receipt.position.epoch != 0)
        out.add("epoch", epoch_text(receipt.position.epoch)).add("offset", receipt.position.offset);
    out.add("duplicate", receipt.status == Receipt::Status::duplicate);
    if (published.receivers) {
        out.add("receivers", published.receivers->sessions);
    } else if (!published.heard) {
        out.add("receivers", 0);
    }
    // A slip in the name would else look like a success.
    if (!published.heard && !published.named)
        out.add("note", "nobody is subscribed, and no channel block of the policy has this name");
    return out.text();
}

}  // namespace

std::string json_of(const PublishedAll& published) {
    if (!published.list) return json_of(published.each.front()) + "\n";
    JsonArray results;
    for (const Published& one : published.each) results.raw(json_of(one));
    return JsonObject().add("results", results).text() + "\n";
}

std::string json_of(const Progress& progress) {
    if (progress.top.epoch == 0) return "{\"offset\":0,\"delivered\":0,\"acknowledged\":0}\n";
    return fmt::format("{{\"epoch\":\"{}\",\"offset\":{},\"delivered\":{},\"acknowledged\":{}}}\n",
                       epoch_text(progress.top.epoch), progress.top.offset, progress.delivered,
                       progress.acknowledged);
}

}  // namespace wayleave
