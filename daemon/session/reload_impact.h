// What a candidate policy would do to the connections that are open.
#pragma once

#include <cstddef>

namespace wayleave {

struct Reevaluation;

// What a candidate policy would do to this worker's connections, counted.
struct ReloadImpact {
    size_t next = 0;  // how far it has come
    size_t connections = 0;
    size_t untouched = 0;  // on routes that do not change
    size_t staying = 0;    // judged anew, or kept, with all their channels
    size_t losing = 0;     // stay, and lose channels
    size_t ending = 0;     // may not connect any more
    size_t returning = 0;  // end, and are invited to come again
    size_t subscriptions_lost = 0;
    size_t channels_joined = 0;
    size_t keys_gone = 0;  // the key of whose token was taken away

    void add(const ReloadImpact& other);
    void count(const Reevaluation& reevaluation);
};

}  // namespace wayleave
