// What an operator asks of all nodes at once: `wayleave status --all` and its like. Each node answers as at
// its own control socket. Main thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "daemon/edge/loop_calls.h"
#include "daemon/message/commons.h"
#include "daemon/ops/control/control.h"

namespace wayleave {

// GET /all/status, GET /all/bans, POST /all/sessions and POST /all/kick.
[[nodiscard]] bool is_for_all(const OpsRequest& request);

// Answers {"nodes":[{"id","name","self","status":200,"answer":{…}}],"all":true}; a node without `answer` has
// not given one, and `because` says why. `commons` is null where the daemon is alone: it is the only node.
void ask_everywhere(const OpsRequest& request, const ControlActions& actions, Commons* commons,
                    LoopCalls& calls, const Responder& respond);

// A question of another node, which has come as ask_everywhere() sends it. What may not be asked is answered
// as well.
void answer_node(std::string_view question, const ControlActions& actions,
                 const std::function<void(std::string)>& answer);

}  // namespace wayleave
