-- Purpose: sessions not heard of for too long no longer count; and a point of the trail that the live chart starts from.
-- KEYS:    see presence.lua and leaving.lua, then 15 view:{S}:trail (list of epoch_s:current, newest first)
-- ARGV:    1 now (epoch ms)  2 silent: last heard before this epoch ms  3 at most so many sessions
--          4 ms between two points of the trail  5 points to keep
--          6 ms by which a session that a draining server gave up left after it seems to have been heard of
--          7 how many records of sessions may wait from now on
-- Returns: {state, current, peak, total, sessions taken out, records that wait, epoch ms since when, records dropped}
-- Repeat:  a second run finds nobody silent, and no point is due
local now = tonumber(ARGV[1])
if tonumber(ARGV[7]) ~= tonumber(redis.call('HGET', ABOUT, 'room') or ROOM) and redis.call('GET', STATE) ~= 'ended' then
  redis.call('HSET', ABOUT, 'room', ARGV[7])
end

local silent = redis.call('ZRANGEBYSCORE', HEARD, '-inf', '(' .. ARGV[2], 'WITHSCORES', 'LIMIT', 0, ARGV[3])
for i = 1, #silent, 2 do
  local held = redis.call('HGET', SESSIONS, silent[i])
  if held then
    -- Nobody knows when they left: they are taken to have watched for as long as they were heard of.
    local left = tonumber(silent[i + 1])
    if left % 1 == LEAVING then left = left - LEAVING + tonumber(ARGV[6]) end
    take_out(silent[i], held, now, left, 'expired')
  else
    redis.call('ZREM', HEARD, silent[i])
  end
end
if #silent > 0 then redis.call('PEXPIRE', RECENT, RECENT_MS) end

local answer = settle(true)
if answer[1] == 'live' then
  local newest = redis.call('LINDEX', KEYS[15], 0)
  local last = newest and tonumber(string.match(newest, '^(%d+)')) or 0
  if now - last * 1000 >= tonumber(ARGV[4]) then
    redis.call('LPUSH', KEYS[15], math.floor(now / 1000) .. ':' .. answer[2])
    redis.call('LTRIM', KEYS[15], 0, tonumber(ARGV[5]) - 1)
    redis.call('EXPIRE', KEYS[15], 86400)
  end
end
answer[5] = #silent / 2
answer[6], answer[7], answer[8] = told()
return answer
