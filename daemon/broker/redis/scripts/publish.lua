#!lua
-- Numbers, keeps and publishes a batch, in its order.
-- KEYS: the generation's, and of each publication its numbering, its history and its id of deduplication.
-- ARGV: what the first key must hold, the generation, and of each publication the channel of its subscribers, the body,
-- a fresh epoch, `history`, `keep` and `dedup` (both in ms; 0: none).
-- Answers with a text for each: A (accepted) or D (seen before) with EPOCH:OFFSET, or E with an error.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return redis.error_reply('FORK another generation has begun')
end
local generation = ARGV[2]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function whole(number) return string.format('%.0f', number) end

-- A key of another type, which is not ours, fails its publication and none beside it: the first command on each key may
-- fail, and nothing is written before all of them have been.
local function number_and_keep(h, l, body, fresh, history, keep)
  local found = redis.pcall('HMGET', h, 'e', 'g', 't', 'r')
  if found.err then return nil, found.err end
  local length = redis.pcall('LLEN', l)
  if type(length) == 'table' then return nil, length.err end
  local epoch = found[1]
  -- The numbering is lost, and what is left of the history with it.
  if not epoch and length > 0 then redis.call('DEL', l) end
  if not epoch or found[2] ~= generation then epoch = fresh end
  local top = whole((tonumber(found[3]) or 0) + 1)
  local entry = epoch .. top .. ':' .. whole(now) .. ':' .. body
  local kept = redis.call('RPUSH', l, entry)
  if kept > history then redis.call('LPOP', l, kept - history) end
  -- Renewed when an eighth of it has gone, and where another policy keeps for longer.
  local until_ms = tonumber(found[4]) or 0
  if kept == 1 or until_ms - now < keep * 0.875 then
    redis.call('HSET', h, 'e', epoch, 'g', generation, 't', top, 'r', whole(now + keep))
    redis.call('PEXPIRE', l, whole(keep * 1.25))
    -- An acknowledgement may have made it live for longer.
    if found[1] then
      redis.call('PEXPIRE', h, whole(keep * 1.25 + 3600000), 'GT')
    else
      redis.call('PEXPIRE', h, whole(keep * 1.25 + 3600000))
    end
  else
    redis.call('HSET', h, 'e', epoch, 'g', generation, 't', top)
  end
  return epoch .. ':' .. top, entry
end

local function publish(h, l, d, channel, body, fresh, history, keep, dedup)
  if dedup > 0 then
    local first = redis.pcall('GET', d)
    if type(first) == 'table' then return 'E' .. first.err end
    if first then
      -- Written once more, for who waits for replicas: Redis 7.2 waits for what a connection has written, and this may
      -- be the repetition of what was written by another one.
      redis.call('SET', d, first, 'KEEPTTL')
      return 'D' .. first
    end
  end
  local position, entry = 'AAAAAAAA:0', nil
  if history > 0 then
    position, entry = number_and_keep(h, l, body, fresh, history, keep)
    if not position then return 'E' .. entry end
  else
    entry = 'AAAAAAAA0:0:' .. body
  end
  redis.call('SPUBLISH', channel, entry)
  if dedup > 0 then redis.call('SET', d, position, 'PX', whole(dedup)) end
  return 'A' .. position
end

local answers = {}
for i = 1, (#KEYS - 1) / 3 do
  local k, a = 3 * i - 1, 6 * i - 3
  answers[i] = publish(KEYS[k], KEYS[k + 1], KEYS[k + 2], ARGV[a], ARGV[a + 1], ARGV[a + 2], tonumber(ARGV[a + 3]),
                       tonumber(ARGV[a + 4]), tonumber(ARGV[a + 5]))
end
return answers
