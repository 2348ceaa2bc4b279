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
-- The places of the dead are looked for only where one is missing.
if dead ~= ',' and redis.call('ZCARD', KEYS[2]) > most then
  for _, place in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
    local node = string.match(place, '^(%x+):')
    if not node or string.find(dead, ',' .. node .. ',', 1, true) then redis.call('ZREM', KEYS[2], place) end
  end
end
local out = { redis.call('ZSCORE', KEYS[2], who) or since }
local over = redis.call('ZCARD', KEYS[2]) - most
if over > 0 then
  for _, place in ipairs(redis.call('ZRANGE', KEYS[2], 0, over - 1)) do
    redis.call('ZREM', KEYS[2], place)
    out[#out + 1] = place
  end
end
redis.call('PEXPIRE', KEYS[2], '3600000')
return out
