#!lua
-- A node says that it is there, and learns who else is.
-- KEYS: the generation's; the nodes by the end of their leases; what they say of themselves; the dead that are to be
-- swept, by when; and the dead.
-- ARGV: what the first key must hold, the generation, the node, its lease in ms, what it says of itself, whether it has
-- been registered (1), and whether it may judge others (1): one that was away itself does not.
-- Answers `buried`; or `here`, the time, a dead node that the asker is to sweep (empty: none), the nodes as node, end of
-- lease and what it says, and the dead.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return redis.error_reply('FORK another generation has begun')
end
local node, judges = ARGV[3], ARGV[7] == '1'
local function whole(number) return string.format('%.0f', number) end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local hour, sweep_again, most = 3600000, 30000, 1000

if ARGV[6] == '1' and not redis.call('ZSCORE', KEYS[2], node) then return { 'buried' } end
redis.call('ZADD', KEYS[2], whole(now + tonumber(ARGV[4])), node)
redis.call('HSET', KEYS[3], node, ARGV[5])

local sweeps = ''
if judges then
  for _, dead in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', whole(now), 'LIMIT', 0, most)) do
    redis.call('ZREM', KEYS[2], dead)
    redis.call('HDEL', KEYS[3], dead)
    redis.call('ZADD', KEYS[4], whole(now), dead)
    redis.call('ZADD', KEYS[5], whole(now), dead)
  end
  redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', whole(now - hour))
  -- Who sweeps may die, too: then it is another's turn.
  local due = redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', whole(now), 'LIMIT', 0, 1)
  if due[1] then
    sweeps = due[1]
    redis.call('ZADD', KEYS[4], whole(now + sweep_again), sweeps)
  end
end
for i = 2, 5 do redis.call('PEXPIRE', KEYS[i], whole(2 * hour)) end

local ends = redis.call('ZRANGE', KEYS[2], 0, most - 1, 'WITHSCORES')
local names = {}
for i = 1, #ends, 2 do names[#names + 1] = ends[i] end
local said = redis.call('HMGET', KEYS[3], unpack(names))
local nodes = {}
for i = 1, #names do
  nodes[#nodes + 1] = names[i]
  nodes[#nodes + 1] = ends[2 * i]
  nodes[#nodes + 1] = said[i] or ''
end
return { 'here', whole(now), sweeps, nodes, redis.call('ZRANGE', KEYS[5], 0, most - 1) }
