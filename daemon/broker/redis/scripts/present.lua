#!lua flags=allow-oom
-- Who is in a channel. KEYS: the generation's, the channel's users. ARGV: what the first key must hold, the generation,
-- most users. Answers with how many there are, how many connections have no name, and users with their connections; of
-- too many any.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return redis.error_reply('FORK another generation has begun')
end
local most = tonumber(ARGV[3])
local function whole(number) return string.format('%.0f', number) end
local function connections(value)
  local sum = 0
  for count in string.gmatch(value, '%x+=(%d+)') do
    if string.sub(value, 1, 1) ~= '@' then sum = sum + tonumber(count) end
  end
  return sum
end
local function rest(value) return string.match(value, '^.:%d+:(.*)$') or '' end

local total = redis.call('HLEN', KEYS[2])
local nameless = redis.call('HGET', KEYS[2], '')
if nameless then total = total - 1 end
local out = { whole(total), whole(nameless and connections(rest(nameless)) or 0) }
local function take(fields)
  for i = 1, #fields, 2 do
    if fields[i] ~= '' and #out < 2 + 2 * most then
      out[#out + 1] = fields[i]
      out[#out + 1] = whole(connections(rest(fields[i + 1])))
    end
  end
end
if total <= most then
  take(redis.call('HGETALL', KEYS[2]))
  return out
end
local cursor = '0'
repeat
  local page = redis.call('HSCAN', KEYS[2], cursor, 'COUNT', 200)
  cursor = page[1]
  take(page[2])
until cursor == '0' or #out >= 2 + 2 * most
return out
