// `wayleave channels`: which channels this daemon's connections are in, and how many of them. Main thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "daemon/ops/control/worker_questions.h"
#include "dsl/text/result.h"

namespace wayleave {

struct ChannelQuestion {
    std::string begins;  // with what the name begins; empty: all
    size_t most = 100;   // those with the most subscribers
};

// The body of POST /channels: an object with any of `begins` and `most`. Error: for the client.
[[nodiscard]] Result<ChannelQuestion> channel_question(std::string_view body);

// Calls back with JSON: {"channels":[{"channel","subscribers","offset","epoch"}],"count":1,"more":false};
// what is not numbered has no offset. `more`: a worker was late, or there are more than can be told apart.
void list_channels(WorkerQuestions& workers, const ChannelQuestion& question,
                   std::function<void(const std::string& json)> then);

}  // namespace wayleave
