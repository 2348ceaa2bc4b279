#include "daemon/session/gateway_parts.h"

#include <openssl/rand.h>

#include <algorithm>
#include <stdexcept>

namespace wayleave {
namespace {

uint64_t random_seed() {
    uint64_t seed = 0;
    if (RAND_bytes(reinterpret_cast<unsigned char*>(&seed), sizeof seed) != 1) {
        throw std::runtime_error("OpenSSL has no random numbers");
    }
    return seed;
}

}  // namespace

GatewayParts::GatewayParts(uint32_t worker_in, const GatewayShared& shared, Counters& counters_in,
                           std::shared_ptr<const Runtime> runtime)
    : worker(worker_in),
      workers(std::max<size_t>(shared.workers, 1)),
      broker(shared.broker),
      presence(shared.presence),
      slots(shared.slots),
      limits(shared.limits),
      bans(shared.bans),
      notices(shared.notices),
      counters(counters_in),
      random(random_seed()),
      numbers(worker_in),
      bindings(std::move(runtime), counters.messages),
      hub(worker_in, shared.broker) {}

UpstreamUser& GatewayParts::upstream_user(uint64_t number) {
    switch (kind_of(number)) {
        case UpstreamKind::request: return proxied;
        case UpstreamKind::tunnel: return tunnels;
        default: return streams;
    }
}

}  // namespace wayleave
