// The control socket: its file, and what its commands do. Main thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/decision/bans.h"
#include "daemon/decision/limits.h"
#include "daemon/edge/loop.h"
#include "daemon/edge/loop_calls.h"
#include "daemon/edge/mailbox.h"
#include "daemon/message/broker.h"
#include "daemon/message/commons.h"
#include "daemon/ops/control/control.h"
#include "daemon/ops/control/control_publisher.h"
#include "daemon/ops/control/event_books.h"
#include "daemon/ops/control/everywhere.h"
#include "daemon/ops/control/unix_listener.h"
#include "daemon/ops/control/worker_questions.h"
#include "daemon/ops/server/drainer.h"
#include "daemon/ops/server/given_sockets.h"
#include "daemon/ops/server/http_server.h"
#include "daemon/ops/server/reloader.h"
#include "daemon/ops/server/snapshot.h"
#include "daemon/ops/server/start_error.h"
#include "daemon/ops/settings/settings.h"

namespace wayleave {

class ControlPlane {
  public:
    struct Parts {  // borrowed
        Loop& loop;
        LoopCalls& calls;
        const StartSettings& settings;
        Reloader& reloader;
        WorkerQuestions& questions;
        const Exchange& exchange;
        const LimitTable& limits;
        BanTable& bans;
        EventBooks& books;
        Drainer& drainer;
        std::function<Snapshot()> snapshot;
        std::function<Result<OpsAnswer, DeskError>()> take_over;
    };
    explicit ControlPlane(Parts parts)
        : parts_(std::move(parts)),
          tracing_(parts_.loop, parts_.questions, parts_.books.traces,
                   [this]() -> const dsl::Policy& { return *parts_.reloader.now().runtime->policy; }) {}

    // Without a socket in the settings there is none. Nothing is answered before the loop runs; connect() is
    // called until then.
    [[nodiscard]] Started open(GivenSockets& given);
    void connect(Broker& broker);
    // As at the socket, for those who have shown elsewhere that they may ask.
    void answer(const OpsRequest& request, const Responder& respond) {
        if (is_for_all(request)) return ask_everywhere(request, actions(), commons_, parts_.calls, respond);
        answer_control(request, actions(), respond);
    }
    // What another node asks.
    void answer_other(std::string_view question, const std::function<void(std::string)>& answer) {
        answer_node(question, actions(), answer);
    }
    void set_broker_timeout(int64_t ms) { publisher_->set_timeout(ms); }

    // The file of the daemon before is ours from now on; and another daemon has the socket and its file.
    void own_file();
    void leave();
    // For it; without sockets: there is none.
    [[nodiscard]] GivenListener to_hand_on() const;

    // Somebody may have emptied the directory of a daemon that runs; without the socket he could not even ask
    // it. Every second.
    void keep();
    // The process ends without going through its destructors.
    void remove_file() { file_.reset(); }

  private:
    [[nodiscard]] UnixListener::Options file_options() const;
    void serve(UnixListener listener, FileDescriptor socket);
    [[nodiscard]] ControlActions actions();
    void kick(const Kick& order, Then<Kicked> then);
    void drain(const DrainOrder& order);
    [[nodiscard]] size_t lift_ban(const std::string& name);
    void publish(std::string_view json, ControlPublisher::ThenPublished then);

    const Parts parts_;
    Tracing tracing_;
    Commons* commons_ = nullptr;  // null: the daemon is alone
    std::optional<ControlPublisher> publisher_;
    std::optional<UnixListener> file_;
    std::optional<HttpServer> server_;
    bool told_ = false;  // that it cannot be made anew
};

}  // namespace wayleave
