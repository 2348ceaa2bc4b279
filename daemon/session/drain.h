// How all connections of a worker end.
#pragma once

namespace wayleave {

struct Drain {
    bool at_once = false;    // they are few: in one turn, else spread over drain_ms
    bool successor = false;  // another daemon serves already: they may come again at once
};

}  // namespace wayleave
