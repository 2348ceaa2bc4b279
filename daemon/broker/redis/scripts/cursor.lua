#!lua
-- Moves a user's cursor, or only looks at it.
-- KEYS: the generation's, the numbering, the cursor.
-- ARGV: what the first key must hold, the generation, `acknowledge`, `delivered` or `look`, epoch, offset, `keep`.
-- Answers with R (refused) or the top as EPOCH:OFFSET, and how far the user has acknowledged and been given.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return redis.error_reply('FORK another generation has begun')
end
local what, epoch, offset, keep = ARGV[3], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local found = redis.call('HMGET', KEYS[2], 'e', 'g', 't')
local top = tonumber(found[3]) or 0
local text = redis.call('GET', KEYS[3])
local acknowledged, delivered = string.match(text or '', '^(%d+):(%d+)$')
acknowledged, delivered = tonumber(acknowledged) or 0, tonumber(delivered) or 0
local function whole(number) return string.format('%.0f', number) end
-- Of a numbering that is gone: what it says is about other messages.
if acknowledged > top or delivered > top then acknowledged, delivered = 0, 0 end

if what ~= 'look' then
  if found[1] ~= epoch or found[2] ~= ARGV[2] or offset > top then return { 'R', '0', '0' } end
  if what == 'acknowledge' then acknowledged = math.max(acknowledged, offset) end
  delivered = math.max(delivered, offset)
  redis.call('SET', KEYS[3], whole(acknowledged) .. ':' .. whole(delivered), 'PX', whole(keep))
  -- The numbering outlives the cursors into it.
  redis.call('PEXPIRE', KEYS[2], whole(keep * 1.25 + 3600000), 'GT')
end
return { (found[1] or 'AAAAAAAA') .. ':' .. (found[1] and whole(top) or '0'), whole(acknowledged), whole(delivered) }
