#!lua
-- Begins a generation, unless somebody else was faster.
-- KEYS: the generation's. ARGV: what it held (empty: nothing), and what it shall hold. Answers with what it holds then.
local held = redis.call('GET', KEYS[1])
if (held or '') ~= ARGV[1] then return held or '' end
redis.call('SET', KEYS[1], ARGV[2])
return ARGV[2]
