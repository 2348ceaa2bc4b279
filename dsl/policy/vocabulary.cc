#include "dsl/policy/vocabulary.h"

namespace wayleave::dsl {

std::string_view to_string(Action action) {
    switch (action) {
        case Action::connect: return "connect";
        case Action::subscribe: return "subscribe";
        case Action::publish: return "publish";
        case Action::presence: return "presence";
        case Action::history: return "history";
        case Action::disconnect: return "disconnect";
        case Action::message: return "message";
        case Action::stream: return "stream";
    }
    return "connect";
}

std::string_view to_string(Meter meter) {
    switch (meter) {
        case Meter::connects: return "connects";
        case Meter::connections: return "connections";
        case Meter::subscriptions: return "subscriptions";
        case Meter::messages: return "messages";
        case Meter::bytes: return "bytes";
    }
    return "connects";
}

}  // namespace wayleave::dsl
