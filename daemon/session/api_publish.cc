#include "daemon/session/api_publish.h"

#include <algorithm>
#include <utility>

#include "daemon/base/json_writer.h"
#include "daemon/decision/authorize.h"
#include "daemon/message/api_body.h"
#include "daemon/session/native.h"

namespace wayleave {
namespace {

constexpr size_t most_drafted_bytes = 16 << 20;  // of all drafts: a small body may name many channels
constexpr size_t most_wrong = 100;               // that are told one by one

Rejection bad(BadMessage why) {
    return Rejection::of(why.too_big ? Reason::too_big : Reason::bad_message, std::move(why.because));
}

// Also of a request that came to nothing: then it says why.
std::string json_of(const Receipt& receipt, const Receivers* receivers) {
    JsonObject out;
    if (!receipt.because.empty())
        return out.add("error", "unavailable").add("detail", receipt.because).text();
    if (receipt.position.epoch != 0)
        out.add("epoch", epoch_text(receipt.position.epoch)).add("offset", receipt.position.offset);
    if (receipt.status == Receipt::Status::duplicate) out.add("duplicate", true);
    if (receivers) out.add("receivers", receivers->sessions);
    return out.text();
}

std::optional<uint64_t> except_of(const MessageParser::Message& item) {
    if (!item.find("except_session")) return 0;
    return parse_session(text_member(item, "except_session"));
}

}  // namespace

ApiPublish::ApiPublish(std::string name, const Bindings& bindings, LimitTable& limits, Broker& broker,
                       BrokerRequests& requests, ConnectionLog& log, Counters& counters)
    : name_(std::move(name)),
      bindings_(bindings),
      limits_(limits),
      broker_(broker),
      requests_(requests),
      log_(log),
      counters_(counters) {}

std::optional<ApiAnswer> ApiPublish::publish(Session& session, ApiRequest& request, std::string_view body,
                                             Now now) {
    auto split = split_body(body, request.lines);
    if (!split) {
        Rejection why = bad(split.error());
        log_.refused(&bindings_.policy(), request.binding->route, why);
        return ApiAnswer{default_status(why.reason), {}, std::move(why)};
    }
    Judging judging;
    if (split->items.size() > 1) judging.scratch = std::make_unique<LimitTable>(&limits_);
    for (size_t i = 0; i < split->items.size(); ++i) judge(request, split->items[i], i, now, judging);
    if (judging.wrong.empty() && judging.scratch) draw(request, now, judging);
    if (!judging.wrong.empty()) return refuse(request, std::move(judging.wrong), now);
    std::vector<Draft>& drafts = judging.drafts;
    request.list = split->list || drafts.size() > 1;
    request.receipts.resize(drafts.size());
    request.waiting = drafts.size();
    request.asked = true;
    // A repetition of the whole request is known by its key, and the channel knows it longer.
    if (drafts.size() == 1 && drafts[0].dedup.empty() && drafts[0].retention.dedup_ms > 0)
        drafts[0].dedup = request.key;
    for (size_t i = 0; i < drafts.size(); ++i) {
        Draft& draft = drafts[i];
        draft.id = name_ + "-api-" + std::to_string(++publications_);
        // No user's own ids begin so: see Publisher::publish.
        if (!draft.dedup.empty()) draft.dedup.insert(0, "\2" + request.admitted.user + '\0');
        draft.now = now;
        const Ticket ticket = requests_.next_ticket(session);
        if (auto receipt = broker_.publish(std::move(draft), ticket)) {
            if (auto answer = published(request, i, std::move(*receipt))) return answer;
        } else {
            requests_.expect(ticket,
                             {.id = session.id,
                              .kind = BrokerRequest::Kind::publish,
                              .api = session.handshaking->api,
                              .api_index = i},
                             now);
        }
    }
    return std::nullopt;
}

void ApiPublish::judge(ApiRequest& request, const std::string& item, size_t index, Now now,
                       Judging& judging) {
    std::vector<Wrong>& wrong = judging.wrong;
    const std::string text = as_message(item);
    const auto parsed = parser_.parse(text);
    if (!parsed) {
        wrong.push_back(
            {index, Rejection::of(Reason::bad_message, "this is no JSON object that can be read: " +
                                                           std::string(parsed.error()))});
        return;
    }
    const auto channels = channels_of(**parsed);
    if (!channels) {
        wrong.push_back({index, bad(channels.error())});
        return;
    }
    if (judging.drafts.size() + channels->size() > ApiBody::most_items) {
        wrong.push_back({index, Rejection::of(Reason::too_big, "a request publishes at most 1000 messages")});
        return;
    }
    if (channels->size() > 1) request.list = true;
    if (channels->size() > 1 && !judging.scratch) judging.scratch = std::make_unique<LimitTable>(&limits_);
    for (const std::string& channel : *channels) {
        auto rejection = judge_channel(request, channel, **parsed, index, now, judging);
        if (!rejection) continue;
        wrong.push_back({index, std::move(*rejection)});
        return;
    }
}

std::optional<Rejection> ApiPublish::judge_channel(ApiRequest& request, const std::string& channel,
                                                   const MessageParser::Message& item, size_t index, Now now,
                                                   Judging& judging) {
    auto asked = parse_publication(item, channel);
    if (!asked) return bad(asked.error());
    const auto except = except_of(item);
    if (!except) return Rejection::of(Reason::bad_message, "`except_session` is the session of a `$hello`");
    const auto receivers = wants_receivers(item);
    if (!receivers) return bad(receivers.error());
    const ConnectionView view = request.view();
    if (asked->size > view.route.max_message)
        return Rejection::of(Reason::too_big, "`data` is larger than a message may be here");
    dsl::Request about = request_for(view);
    about.channel = &asked->channel;
    about.message_size = static_cast<int64_t>(asked->size);
    if (auto limited =
            draw_messages(view, view.route.limits, about, judging.scratch ? *judging.scratch : limits_, now))
        return limited;
    PublishAuthorization judged =
        authorize_publish(view, item, *asked, about, bindings_.policy().channel_rules(channel));
    if (judged.rejection) return std::move(judged.rejection);
    request.draft_bytes += judged.draft.members.size();
    if (request.draft_bytes > most_drafted_bytes)
        return Rejection::of(Reason::too_big,
                             "a request publishes at most 16 MiB, to all of its channels together");
    judged.draft.except = *except;
    if (*receivers) request.receivers.push_back({judging.drafts.size(), channel, *except});
    judging.drafts.push_back(std::move(judged.draft));
    judging.costs.push_back({index, about.message_size});
    return std::nullopt;
}

// Others may have drawn meanwhile.
void ApiPublish::draw(const ApiRequest& request, Now now, Judging& judging) {
    const ConnectionView view = request.view();
    for (size_t i = 0; i < judging.drafts.size(); ++i) {
        const auto channel = dsl::split_channel(judging.drafts[i].channel);
        dsl::Request about = request_for(view);
        about.channel = channel ? &*channel : nullptr;
        about.message_size = judging.costs[i].bytes;
        auto limited = draw_messages(view, view.route.limits, about, limits_, now);
        if (limited) return judging.wrong.push_back({judging.costs[i].item, std::move(*limited)});
    }
}

// The status is that of the first; all are named.
ApiAnswer ApiPublish::refuse(const ApiRequest& request, std::vector<Wrong> wrong, Now now) {
    const dsl::Route& route = *request.binding->route;
    JsonArray errors;
    for (size_t i = 0; i < wrong.size(); ++i) {
        Rejection& rejection = wrong[i].rejection;
        log_.refused(&bindings_.policy(), &route, rejection);
        if (i == 0) log_.tell_of_request(request.client, route.name, request.path, rejection, now);
        if (i >= most_wrong) continue;
        errors.raw(JsonObject()
                       .add("index", wrong[i].index)
                       .add("error", to_string(rejection.reason))
                       .add_if_any("because", rejection.because)
                       .add_if_any("decision", rejection.decision)
                       .text());
    }
    Rejection& first = wrong.front().rejection;
    return ApiAnswer{default_status(first.reason), {}, std::move(first), errors.text()};
}

std::optional<ApiAnswer> ApiPublish::published(ApiRequest& request, size_t index, Receipt receipt) {
    const bool kept =
        receipt.status == Receipt::Status::accepted || receipt.status == Receipt::Status::duplicate;
    if (receipt.status == Receipt::Status::accepted) counters_.publications.add();
    if (!kept && receipt.because.empty()) receipt.because = "it could not be kept";
    request.receipts[index] = std::move(receipt);
    if (--request.waiting > 0) return std::nullopt;
    // What it has published before is nothing that anybody heard now.
    std::erase_if(request.receivers, [&](const Receivers& one) {
        return request.receipts[one.index].status != Receipt::Status::accepted;
    });
    return answer_of(request);
}

ApiAnswer ApiPublish::answer_of(const ApiRequest& request) {
    ApiAnswer answer;
    JsonArray results;
    const auto json = [&](size_t index) {
        const auto& all = request.receivers;
        const auto it =
            std::find_if(all.begin(), all.end(), [&](const Receivers& one) { return one.index == index; });
        return json_of(request.receipts[index], it == all.end() ? nullptr : &*it);
    };
    for (size_t i = 0; i < request.receipts.size(); ++i) {
        if (!request.receipts[i].because.empty()) answer.status = 503;
        if (request.list) results.raw(json(i));
    }
    if (request.list) {
        answer.body = JsonObject().add("results", results).text();
    } else if (answer.status == 200) {
        answer.body = json(0);
    } else {
        answer.rejection = Rejection::of(Reason::unavailable, request.receipts.front().because);
    }
    return answer;
}

}  // namespace wayleave
