// The names that Redis knows things by. All of one channel have the same tag, so that a Cluster keeps them on
// one server. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace wayleave {

// A Cluster spreads 16,384 slots over its servers; each of our partitions stands for 64 of them. To change
// the number moves everything.
constexpr uint32_t redis_partitions = 256;

[[nodiscard]] uint16_t crc16(std::string_view bytes);  // as Redis counts slots
[[nodiscard]] uint32_t partition_of(std::string_view name);
// What stands in braces: the smallest number whose slot is one of the partition's.
[[nodiscard]] std::string_view tag_of(uint32_t partition);

class RedisKeys {
  public:
    // Nothing in it is a brace: see valid_prefix().
    explicit RedisKeys(std::string prefix);
    [[nodiscard]] static bool valid_prefix(std::string_view prefix);

    // --- keys ---
    [[nodiscard]] std::string generation() const { return key(0, "g", {}); }
    [[nodiscard]] std::string schema() const { return key(0, "schema", {}); }
    [[nodiscard]] std::string numbering(std::string_view channel) const;  // a hash
    [[nodiscard]] std::string history(std::string_view channel) const;    // a list
    // In the channel's partition, whatever the id is.
    [[nodiscard]] std::string dedup(std::string_view channel, std::string_view id) const;
    [[nodiscard]] std::string cursor(std::string_view channel, std::string_view user) const;

    [[nodiscard]] std::string users(std::string_view channel) const;  // a hash
    // In which channels of the partition, or of the channel's, a node has users.
    [[nodiscard]] std::string node_channels(uint32_t partition, std::string_view node) const {
        return key(partition, "pn", node);
    }
    [[nodiscard]] std::string node_channels(std::string_view channel, std::string_view node) const {
        return node_channels(partition_of(channel), node);
    }
    [[nodiscard]] std::string used_token(std::string_view block, std::string_view id) const;
    [[nodiscard]] std::string seats(std::string_view counted) const;   // a sorted set
    [[nodiscard]] std::string places(std::string_view counted) const;  // a hash
    // Of all nodes, in one partition.
    [[nodiscard]] std::string bans() const { return key(0, "b", {}); }
    [[nodiscard]] std::string ban_texts() const { return key(0, "bt", {}); }
    [[nodiscard]] std::string nodes() const { return key(0, "nodes", {}); }
    [[nodiscard]] std::string node_reports() const { return key(0, "node", {}); }
    [[nodiscard]] std::string sweeps() const { return key(0, "sweeps", {}); }
    [[nodiscard]] std::string buried() const { return key(0, "buried", {}); }

    // --- channels of publish and subscribe ---
    [[nodiscard]] std::string messages(std::string_view channel) const;
    [[nodiscard]] std::string control() const { return key(0, "ctl", {}); }  // to all nodes
    [[nodiscard]] std::string control(std::string_view node) const;
    [[nodiscard]] std::string probe(std::string_view node) const;
    // Of such a name: the channel whose messages these are. Empty: none of ours.
    [[nodiscard]] std::string_view channel_of(std::string_view messages) const;

  private:
    [[nodiscard]] std::string key(uint32_t partition, std::string_view kind, std::string_view name) const;

    std::string start_;  // prefix and schema
};

}  // namespace wayleave
