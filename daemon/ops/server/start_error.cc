#include "daemon/ops/server/start_error.h"

#include <sysexits.h>

#include <cerrno>
#include <utility>

namespace wayleave {

namespace {

int exit_code_of(const ListenError& error) {
    switch (error.code) {
        case EADDRINUSE:
        case EADDRNOTAVAIL: return EX_UNAVAILABLE;
        case EACCES:
        case EPERM: return EX_NOPERM;
        case ENOENT:
        case EINVAL:  // a group that there is not
        case EEXIST:
        case ENAMETOOLONG: return EX_CONFIG;
        default: return EX_OSERR;
    }
}

}  // namespace

Failure<StartError> refuse_start(int exit_code, std::string text) {
    return failure(StartError{exit_code, std::move(text)});
}

Failure<StartError> refuse_start(const ListenError& error) {
    return refuse_start(exit_code_of(error), error.text);
}

}  // namespace wayleave
