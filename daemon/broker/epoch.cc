#include "daemon/broker/epoch.h"

#include <openssl/rand.h>

#include <stdexcept>

namespace wayleave {

uint64_t random_seed() {
    uint64_t seed = 0;
    if (RAND_bytes(reinterpret_cast<unsigned char*>(&seed), sizeof seed) != 1)
        throw std::runtime_error("OpenSSL has no random numbers");
    return seed;
}

// FNV-1a, then the finisher of splitmix64: nobody gains from a collision, and the seed is not known.
uint64_t epoch_of(uint64_t seed, std::string_view channel) {
    uint64_t hash = 0xcbf29ce484222325U ^ seed;
    for (const char c : channel) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    hash = (hash ^ hash >> 30U) * 0xbf58476d1ce4e5b9U;
    hash = (hash ^ hash >> 27U) * 0x94d049bb133111ebU;
    hash = (hash ^ hash >> 31U) & ((uint64_t{1} << 48U) - 1);
    return hash == 0 ? 1 : hash;
}

}  // namespace wayleave
