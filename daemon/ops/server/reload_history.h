// The last reloads, for who asks what has changed when. Bounded. Main thread.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace wayleave {

struct ReloadEntry {
    int64_t wall_ms = 0;
    bool done = false;
    bool same = false;        // the policy means what it did
    uint64_t generation = 0;  // in force behind it
    std::string policy;       // its hash
    std::string text;         // diagnostics and warnings
    std::vector<std::string> changes;
    std::string difference = {};  // of the policy, line by line
};

class ReloadHistory {
  public:
    void add(ReloadEntry entry);
    // {"reloads":[{"time","done","same","generation","policy","changes","difference","text"}]}, the newest
    // first.
    [[nodiscard]] std::string json() const;

  private:
    std::deque<ReloadEntry> entries_;
};

}  // namespace wayleave
