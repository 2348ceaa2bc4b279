#!lua
-- Writes down how many of a node have a place among so many, and gives it more of them while there is room.
-- KEYS: the generation's; how many each node has.
-- ARGV: what the first key must hold, the generation, the node, how many it has, how many more it asks for, how many
-- there are for all nodes, and the dead nodes, with commas around and between, whose places are free.
-- Answers with how many more it has now.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return redis.error_reply('FORK another generation has begun')
end
local node, has, asks, most, dead = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7]
local function whole(number) return string.format('%.0f', number) end

local counts = redis.call('HGETALL', KEYS[2])
local taken = has
for i = 1, #counts, 2 do
  if string.find(dead, ',' .. counts[i] .. ',', 1, true) then
    redis.call('HDEL', KEYS[2], counts[i])
  elseif counts[i] ~= node then
    taken = taken + (tonumber(counts[i + 1]) or 0)
  end
end
local more = math.max(0, math.min(asks, most - taken))
if has + more > 0 then
  redis.call('HSET', KEYS[2], node, whole(has + more))
  redis.call('PEXPIRE', KEYS[2], '3600000')
else
  redis.call('HDEL', KEYS[2], node)
end
return more
