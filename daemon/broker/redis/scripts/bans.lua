#!lua flags=allow-oom
-- The bans that are in force, some at a time, by their end.
-- KEYS: the generation's; the bans by their end; what they are.
-- ARGV: what the first key must hold, the generation, how many to pass over, and how many to give.
-- Answers with key, time left and what it is, of each.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return redis.error_reply('FORK another generation has begun')
end
local function whole(number) return string.format('%.0f', number) end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local out = {}
local found = redis.call('ZRANGEBYSCORE', KEYS[2], whole(now + 1), '+inf', 'WITHSCORES', 'LIMIT', ARGV[3], ARGV[4])
for i = 1, #found, 2 do
  out[#out + 1] = found[i]
  out[#out + 1] = whole(tonumber(found[i + 1]) - now)
  out[#out + 1] = redis.call('HGET', KEYS[3], found[i]) or ''
end
return out
