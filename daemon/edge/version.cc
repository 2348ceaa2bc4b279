#include "daemon/edge/version.h"

#include <ev.h>
#include <libwebsockets.h>
#include <openssl/crypto.h>

namespace wayleave {

std::vector<std::pair<std::string, std::string>> edge_library_versions() {
    std::string lws = lws_get_library_version();  // version-commit, and Debian's has no commit
    if (lws.ends_with('-')) lws.pop_back();
    return {{"libwebsockets", std::move(lws)},
            {"libev", std::to_string(ev_version_major()) + "." + std::to_string(ev_version_minor())},
            {"OpenSSL", OpenSSL_version(OPENSSL_VERSION_STRING)}};
}

}  // namespace wayleave
