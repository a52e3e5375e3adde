-- Purpose: these were made again of what was there at a moment; what changed later than that is to be made once more.
-- KEYS:    1 history:days
-- ARGV:    1 the moment, epoch ms  2... members
-- Returns: how many were taken out
-- Repeat:  a member that is gone is passed over
local gone = 0
for i = 2, #ARGV do
  local at = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if at and tonumber(at) < tonumber(ARGV[1]) then gone = gone + redis.call('ZREM', KEYS[1], ARGV[i]) end
end
return gone
