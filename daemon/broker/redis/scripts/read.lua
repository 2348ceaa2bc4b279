#!lua flags=allow-oom
-- A page of a channel. plan_page() of the broker says what it must hold; this finds it.
-- KEYS: the generation's, the numbering, the history, the user's cursor (or the numbering again: none).
-- ARGV: what the first key must hold, the generation, a fresh epoch, `history`, `keep`, most messages, most bytes, then
-- `since` as epoch and offset (empty: none), `above` likewise, and flags: o (oldest), u (user), s (rest), r (reverse).
-- Answers with epoch, top, the oldest offset, the cursor (empty: none), the first entry's offset, and the entries.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return redis.error_reply('FORK another generation has begun')
end
local generation, fresh, history, keep = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local limit, bytes = tonumber(ARGV[6]), tonumber(ARGV[7])
local function position(epoch, offset)
  if epoch ~= '' then return { epoch = epoch, offset = tonumber(offset) } end
end
local since, above = position(ARGV[8], ARGV[9]), position(ARGV[10], ARGV[11])
local function flag(name) return string.find(ARGV[12], name, 1, true) end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function whole(number) return string.format('%.0f', number) end

local found = redis.call('HMGET', KEYS[2], 'e', 'g', 't')
local epoch, top = found[1], tonumber(found[3]) or 0
-- The position that is told now must hold when the first message comes: so it is kept.
if not epoch or found[2] ~= generation then
  if not epoch then redis.call('DEL', KEYS[3]) end
  redis.call('HSET', KEYS[2], 'e', fresh, 'g', generation, 't', whole(top))
  if not epoch then redis.call('PEXPIRE', KEYS[2], whole(keep * 1.25 + 3600000)) end
  epoch = fresh
end

-- The oldest that the retention leaves. The list is dense and its last entry is the top; entries age in its order.
local length = redis.call('LLEN', KEYS[3])
if length > top then length = top end
local first = top - length + 1
local function index_of(offset) return offset - top - 1 end
local oldest = math.max(first, top - history + 1)
local function too_old(offset)
  local entry = redis.call('LINDEX', KEYS[3], index_of(offset))
  local at = entry and string.match(entry, ':(%d+):')
  return not at or tonumber(at) <= now - keep
end
if oldest <= top and too_old(oldest) then
  local low, high = oldest, top + 1
  while high - low > 1 do
    local middle = math.floor((low + high) / 2)
    if too_old(middle) then low = middle else high = middle end
  end
  oldest = high
end

local cursor
if flag('u') then
  local text = redis.call('GET', KEYS[4])
  cursor = text and tonumber(string.match(text, '^(%d+):'))
  if cursor and (cursor == 0 or cursor > top) then cursor = nil end
end

local function after(position, rest)
  local known = position.epoch == epoch and position.offset <= top
  if known and position.offset >= oldest - 1 then return position.offset end
  return rest and oldest - 1 or top
end
local from, to
if flag('r') then
  local before = since and since.epoch == epoch and math.min(since.offset, top + 1) or top + 1
  local floor = above and after(above, true) or oldest - 1
  from, to = math.max(floor + 1, before - limit), before - 1
else
  local start
  if since then start = after(since, flag('s'))
  elseif flag('o') then start = oldest - 1
  elseif not flag('u') then start = top
  else start = math.max(cursor or 0, oldest - 1) end
  from, to = start + 1, math.min(top, start + limit)
end

-- In pieces, since a few large messages may be as many as `bytes` allows. Downwards the last come first.
local entries, size, piece = {}, 0, 32
local function full(some, one, last, step)
  for i = one, last, step do
    entries[#entries + 1] = some[i]
    size = size + #some[i]
    if size > bytes then return true end
  end
end
local begins = from
if flag('r') then
  begins = to
  while to >= from do
    local low = math.max(from, to - piece + 1)
    local some = redis.call('LRANGE', KEYS[3], index_of(low), index_of(to))
    if full(some, #some, 1, -1) then break end
    to = low - 1
  end
else
  while from <= to do
    local high = math.min(to, from + piece - 1)
    local some = redis.call('LRANGE', KEYS[3], index_of(from), index_of(high))
    if full(some, 1, #some, 1) then break end
    from = high + 1
  end
end
return { epoch, whole(top), whole(oldest), cursor and whole(cursor) or '', whole(begins), entries }
