#!lua
-- Takes a place among so many, or says that it is still taken. Who has taken his first goes first.
-- KEYS: the generation's; the places, by when they were taken (us).
-- ARGV: what the first key must hold, the generation, how many there are, who takes one as NODE:…, when he took it
-- (empty: now), and the dead nodes, with commas around and between, whose places are free.
-- Answers with when he took it, and with those that have none any more, perhaps he himself.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return redis.error_reply('FORK another generation has begun')
end
local most, who, since, dead = tonumber(ARGV[3]), ARGV[4], ARGV[5], ARGV[6]
local clock = redis.call('TIME')
local now = string.format('%.0f', clock[1] * 1000000 + clock[2])
if since == '' then since = now end
redis.call('ZADD', KEYS[2], 'NX', since, who)
local places = redis.call('ZRANGE', KEYS[2], 0, -1)
local left = {}
for i = 1, #places do
  local node = string.match(places[i], '^(%x+):')
  if not node or string.find(dead, ',' .. node .. ',', 1, true) then
    redis.call('ZREM', KEYS[2], places[i])
  else
    left[#left + 1] = places[i]
  end
end
local out = { redis.call('ZSCORE', KEYS[2], who) or since }
for i = 1, #left - most do
  redis.call('ZREM', KEYS[2], left[i])
  out[#out + 1] = left[i]
end
redis.call('PEXPIRE', KEYS[2], '3600000')
return out
