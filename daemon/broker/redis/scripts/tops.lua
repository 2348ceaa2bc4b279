#!lua flags=allow-oom
-- Where the numberings of channels stand that are listened to, and that they live on.
-- KEYS: the generation's, then the numberings. ARGV: what the first key must hold, the generation, then for each channel
-- a fresh epoch and how long its messages are kept. Answers with EPOCH:OFFSET for each.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return redis.error_reply('FORK another generation has begun')
end
local function whole(number) return string.format('%.0f', number) end
local tops = {}
for i = 2, #KEYS do
  local fresh, keep = ARGV[2 * i - 1], tonumber(ARGV[2 * i])
  local found = redis.pcall('HMGET', KEYS[i], 'e', 'g', 't')
  if found.err then
    tops[i - 1] = ''
  else
    local epoch, top = found[1], whole(tonumber(found[3]) or 0)
    if not epoch or found[2] ~= ARGV[2] then
      redis.call('HSET', KEYS[i], 'e', fresh, 'g', ARGV[2], 't', top)
    end
    local lives = whole(keep * 1.25 + 3600000)
    if epoch then redis.call('PEXPIRE', KEYS[i], lives, 'GT') else redis.call('PEXPIRE', KEYS[i], lives) end
    if not epoch or found[2] ~= ARGV[2] then epoch = fresh end
    tops[i - 1] = epoch .. ':' .. top
  end
end
return tops
