#!lua
-- A ban begins, or is lifted, at all nodes.
-- KEYS: the generation's; the bans by their end; what they are.
-- ARGV: what the first key must hold, the generation, the channel of all nodes, the ban's key, how long it lasts in ms (0:
-- it is lifted), what it is, and what is told to all.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return redis.error_reply('FORK another generation has begun')
end
local key, lasts, what = ARGV[4], tonumber(ARGV[5]), ARGV[6]
local function whole(number) return string.format('%.0f', number) end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local most, a_year = 65536, 31536000000

for _, over in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', whole(now), 'LIMIT', 0, 100)) do
  redis.call('ZREM', KEYS[2], over)
  redis.call('HDEL', KEYS[3], over)
end
if lasts == 0 then
  redis.call('ZREM', KEYS[2], key)
  redis.call('HDEL', KEYS[3], key)
elseif redis.call('ZCARD', KEYS[2]) < most or redis.call('ZSCORE', KEYS[2], key) then
  redis.call('ZADD', KEYS[2], 'GT', whole(now + math.min(lasts, a_year)), key)
  redis.call('HSET', KEYS[3], key, what)
  redis.call('PEXPIRE', KEYS[2], whole(a_year))
  redis.call('PEXPIRE', KEYS[3], whole(a_year))
end
redis.call('SPUBLISH', ARGV[3], ARGV[7])
return 'done'
