#include "daemon/edge/version.h"

#include <ev.h>
#include <libwebsockets.h>
#include <openssl/crypto.h>

namespace wayleave {

std::vector<std::pair<std::string, std::string>> edge_library_versions() {
    return {{"libwebsockets", lws_get_library_version()},
            {"libev", std::to_string(ev_version_major()) + "." + std::to_string(ev_version_minor())},
            {"OpenSSL", OpenSSL_version(OPENSSL_VERSION_STRING)}};
}

}  // namespace wayleave
