#!lua
-- Takes a dead node out of a channel, some users at a time.
-- KEYS: the generation's, the channel's users, the channels of the dead node, those of the node that sweeps.
-- ARGV: what the first key must hold, the generation, the channel of its subscribers, the channel, the dead node, the
-- node that sweeps, and where to go on (`0` at the beginning). What a field holds: see presence.lua.
-- Answers with where to go on (`0`: it is done), and for each user whose grace this node sees to now: name, time left.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return redis.error_reply('FORK another generation has begun')
end
local channel, dead, node = ARGV[3], ARGV[5], ARGV[6]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function whole(number) return string.format('%.0f', number) end
local hour = '3600000'

local out = {}
local function wait_for(user, head, ends)
  redis.call('HSET', KEYS[2], user, head .. '@' .. whole(ends) .. '=' .. node)
  out[#out + 1] = user
  out[#out + 1] = whole(math.max(0, ends - now))
end
local page = redis.pcall('HSCAN', KEYS[2], ARGV[7], 'COUNT', 200)
if page.err then page = { '0', {} } end
local fields = page[2]
for i = 1, #fields, 2 do
  local user = fields[i]
  local head, flag, grace, rest = string.match(fields[i + 1], '^((.):(%d+):)(.*)$')
  local ends, by = string.match(rest or '', '^@(%d+)=(%x+)$')
  if by == dead then
    wait_for(user, head, tonumber(ends))
  elseif head and not by then
    local left, found = {}, false
    for name, count in string.gmatch(rest, '(%x+)=(%d+)') do
      if name == dead then found = true else left[#left + 1] = name .. '=' .. count end
    end
    if found and #left > 0 then
      redis.call('HSET', KEYS[2], user, head .. table.concat(left, ','))
    elseif found and tonumber(grace) > 0 and user ~= '' then
      wait_for(user, head, now + tonumber(grace))
    elseif found then
      redis.call('HDEL', KEYS[2], user)
      if flag == 'a' and user ~= '' then redis.call('SPUBLISH', channel, 'L:' .. user) end
    end
  end
end
if #out > 0 then
  redis.call('SADD', KEYS[4], ARGV[4])
  redis.call('PEXPIRE', KEYS[4], hour)
  redis.call('PEXPIRE', KEYS[2], hour)
end
if page[1] == '0' then redis.call('SREM', KEYS[3], ARGV[4]) end
table.insert(out, 1, page[1])
return out
