-- Purpose: sessions not heard of for too long no longer count; and a point of the trail that the live chart starts from.
-- KEYS:    see presence.lua, then 12 view:{S}:trail (list of epoch_s:current, newest first)
-- ARGV:    1 now (epoch ms)  2 silent: last heard before this epoch ms  3 at most so many sessions
--          4 ms between two points of the trail  5 points to keep
-- Returns: {state, current, peak, total, sessions taken out}
-- Repeat:  a second run finds nobody silent, and no point is due
local now = tonumber(ARGV[1])
local out = 0
for _, session in ipairs(redis.call('ZRANGEBYSCORE', HEARD, '-inf', '(' .. ARGV[2], 'LIMIT', 0, ARGV[3])) do
  take_out(session, now)
  out = out + 1
end
if out > 0 then redis.call('PEXPIRE', RECENT, RECENT_MS) end

local answer = settle(true)
if answer[1] == 'live' then
  local newest = redis.call('LINDEX', KEYS[12], 0)
  local last = newest and tonumber(string.match(newest, '^(%d+)')) or 0
  if now - last * 1000 >= tonumber(ARGV[4]) then
    redis.call('LPUSH', KEYS[12], math.floor(now / 1000) .. ':' .. answer[2])
    redis.call('LTRIM', KEYS[12], 0, tonumber(ARGV[5]) - 1)
    redis.call('EXPIRE', KEYS[12], 86400)
  end
end
answer[5] = out
return answer
