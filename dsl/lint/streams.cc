// Streams: whether the backend can know whose each of them is.
#include <algorithm>

#include "dsl/lint/parts.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

bool tells_who(const BackendDecl& backend) {
    const auto cookies = backend.settings.find("pass_cookies");
    const bool passes =
        cookies != backend.settings.end() && !std::get<std::vector<Scalar>>(cookies->second.held).empty();
    return passes || !backend.sign_path.empty();
}

// A path can say it, too.
bool inserts(const ast::Stream& stream) {
    return stream.path.text.find('{') != std::string::npos;
}

}  // namespace

void lint_streams(LintContext& context) {
    for (const LintRoute& route : context.routes) {
        if (!route.compiled || route.compiled->auth.empty()) continue;
        route.each<ast::Stream>([&](const ast::Stream& stream) {
            const auto& backends = context.policy.backends;
            const auto backend = std::find_if(backends.begin(), backends.end(), [&](const BackendDecl& one) {
                return one.name == stream.backend.text;
            });
            if (backend == backends.end() || tells_who(*backend) || inserts(stream)) return;
            context.diagnostics.warning(
                "W319", stream.name.span,
                "nobody tells the backend whose the stream " + quoted(stream.name.text) + " is",
                "the client was known at the door, and the backend is sent neither a cookie nor an identity",
                "in `backend " + backend->name +
                    "` write pass_cookies = { \"sessionid\" }, or sign = file \"keys/app.whsec\"");
        });
    }
}

}  // namespace wayleave::dsl
