// What somebody asks to be published, and the message that a channel's rules make of it: the one way for
// clients, for the control socket, and for explain. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/message/broker.h"
#include "daemon/message/client_message.h"
#include "dsl/policy/pattern.h"
#include "dsl/policy/policy.h"
#include "dsl/text/result.h"

namespace wayleave {

// Why a message cannot be published, as a sentence.
struct BadMessage {
    std::string because;
    bool too_big = false;
};

// Of a `$publish`: it borrows from the message.
struct PublicationRequest {
    dsl::ChannelName channel;
    std::vector<MessageParser::Member> data;
    size_t size = 0;  // of the data as it was sent
};
[[nodiscard]] Result<PublicationRequest, BadMessage> parse_publication(const MessageParser::Message& message);
// To another channel than the message names, which must live as long.
[[nodiscard]] Result<PublicationRequest, BadMessage> parse_publication(const MessageParser::Message& message,
                                                                       std::string_view channel);

// What is published, and under which names the message says more about it.
struct Content {
    const MessageParser::Message& message;
    const std::vector<MessageParser::Member>& members;
    std::string_view key = "key";
    std::string_view dedup = "dedup";
    Stamps stamps = {};
};
// The draft as that channel takes it, or why it does not take it. The caller adds its id, whom to leave out,
// the time, and whose word `dedup` is. In place: a draft is large, and this is done for each message.
[[nodiscard]] std::optional<BadMessage> fill_draft(std::string_view channel, const dsl::ChannelRules& rules,
                                                   const Content& content, Draft& draft);

[[nodiscard]] Retention retention_of(const dsl::ChannelRules& rules);

}  // namespace wayleave
