// A place among so many, over all nodes, as `limit connections` counts them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

namespace wayleave {

struct PlaceWish {
    std::string key;  // what is counted, and for whom
    int64_t most = 1;

    friend bool operator==(const PlaceWish&, const PlaceWish&) = default;
};

// Whoever lets go of the last copy gives it back, wherever that is: at the end of a connection, where a
// handshake was refused for something else, or where nobody waits for the answer any more.
class HeldPlace {
  public:
    explicit HeldPlace(std::function<void()> give_back) : give_back_(std::move(give_back)) {}
    ~HeldPlace() { give_back_(); }
    HeldPlace(const HeldPlace&) = delete;
    HeldPlace& operator=(const HeldPlace&) = delete;

  private:
    const std::function<void()> give_back_;
};

}  // namespace wayleave
