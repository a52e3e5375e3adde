-- Put after the other preludes before scripts that are given a zone's rules: ten arguments from `at` on, in the order
-- of store.py. Older rules than those that are known change nothing. Returns whether they were written.
local GIVEN = {
  'version', 'epoch', 'per_minute', 'mode', 'idle_s', 'prequeue_from', 'opens_at', 'seed', 'pass_s', 'slowed_at',
}

local function rules_write(at)
  local known = tonumber(redis.call('HGET', RULES, 'version') or 0)
  if known > tonumber(ARGV[at]) then return false end
  local flat = {}
  for i, name in ipairs(GIVEN) do flat[#flat + 1], flat[#flat + 2] = name, ARGV[at + i - 1] end
  redis.call('HSET', RULES, unpack(flat))
  return true
end
