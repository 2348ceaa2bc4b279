#!lua
-- Who is in a channel, as one node sees it. What a user's field holds: FLAG `:` GRACE `:` and NODE=CONNECTIONS with commas
-- between, or `@` END `=` NODE of one without connections who may come back until END; NODE sees to it then. FLAG is `a`
-- where `$join` was told and `$leave` is owed, else `-`. The field of those without a name is empty.
-- KEYS: the generation's, the channel's users, the channels of the node.
-- ARGV: what the first key must hold, the generation, the channel of its subscribers, the channel, the node, whether it
-- has nobody there any more (1), then for each user: name, connections (`?`: only look whether the grace is over), grace
-- in ms, flags: a (tell), q (it was told before Redis lost it), o (likewise: `$leave` is owed).
-- Answers for each with the time until the grace ends, where this node sees to it; else with nothing.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return redis.error_reply('FORK another generation has begun')
end
local channel, node = ARGV[3], ARGV[5]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function whole(number) return string.format('%.0f', number) end
local least_grace_owed, hour = 5000, '3600000'

local function tell(what, user)
  if user ~= '' then redis.call('SPUBLISH', channel, what .. ':' .. user) end
end

local function read(value)
  local flag, grace, rest = string.match(value, '^(.):(%d+):(.*)$')
  if not flag then return { nodes = {}, grace = 0 } end
  local out = { told = flag == 'a', grace = tonumber(grace), nodes = {} }
  local ends, by = string.match(rest, '^@(%d+)=(%x+)$')
  if ends then
    out.ends, out.by = tonumber(ends), by
    return out
  end
  for name, count in string.gmatch(rest, '(%x+)=(%d+)') do out.nodes[name] = count end
  return out
end

local function write(user, found)
  local parts = {}
  for name, count in pairs(found.nodes) do parts[#parts + 1] = name .. '=' .. count end
  table.sort(parts)
  local rest = table.concat(parts, ',')
  if found.ends then rest = '@' .. whole(found.ends) .. '=' .. found.by end
  redis.call('HSET', KEYS[2], user, (found.told and 'a' or '-') .. ':' .. whole(found.grace) .. ':' .. rest)
end

local function leave(user, found)
  redis.call('HDEL', KEYS[2], user)
  if found.told then tell('L', user) end
end

local function come(user, count, grace, flags)
  local value = redis.call('HGET', KEYS[2], user)
  local found = read(value or '')
  local fresh = not value or found.ends
  if fresh and not found.told and string.find(flags, 'a', 1, true) then
    found.told = true
    if not string.find(flags, 'q', 1, true) then tell('J', user) end
  end
  found.ends, found.by = nil, nil
  found.grace = grace
  found.nodes[node] = count
  write(user, found)
  return ''
end

local function go(user, count, grace, flags)
  local value = redis.call('HGET', KEYS[2], user)
  local found = read(value or '')
  local owed = not value and string.find(flags, 'o', 1, true)
  if owed then
    found = { told = string.find(flags, 'a', 1, true) ~= nil, grace = math.max(grace, least_grace_owed), nodes = {} }
  elseif not value then
    return ''
  end
  if found.ends then
    if found.by ~= node then return '' end
    if found.ends > now then return whole(found.ends - now) end
    leave(user, found)
    return ''
  end
  if count == '?' then return '' end
  if not found.nodes[node] and not owed then return '' end
  found.nodes[node] = nil
  if not owed then found.grace = grace end
  if next(found.nodes) then
    write(user, found)
    return ''
  end
  if found.grace == 0 or user == '' then
    leave(user, found)
    return ''
  end
  found.ends, found.by = now + found.grace, node
  write(user, found)
  return whole(found.grace)
end

local answers = {}
local kept = redis.pcall('HLEN', KEYS[2])
if type(kept) == 'table' then return redis.error_reply(kept.err) end
for i = 7, #ARGV, 4 do
  local user, count, grace, flags = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), ARGV[i + 3]
  if count == '0' or count == '?' then
    answers[#answers + 1] = go(user, count, grace, flags)
  else
    answers[#answers + 1] = come(user, count, grace, flags)
  end
end
if ARGV[6] == '1' then
  redis.call('SREM', KEYS[3], ARGV[4])
else
  redis.call('SADD', KEYS[3], ARGV[4])
  redis.call('PEXPIRE', KEYS[3], hour)
end
redis.call('PEXPIRE', KEYS[2], hour)
return answers
