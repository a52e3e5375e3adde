-- Purpose: the stream is over. Nobody is present any more, later arrivals are turned away, the figures stay for a day.
--          Its sessions are put aside in one piece, a million as fast as one; `take` writes them down bit by bit.
-- KEYS:    see presence.lua and leaving.lua, then 15 live:announced:{S}
-- ARGV:    1 seconds to keep the figures and the word that it ended  2 epoch ms when it ended
-- Returns: {peak, total, records that wait, epoch ms since when, records dropped}
-- Repeat:  gives the same figures again
local watched = redis.call('HLEN', SESSIONS)
if watched > 0 then
  if not has_room() then
    drop(watched)
  elseif redis.call('RENAMENX', SESSIONS, ENDED) == 1 then
    redis.call('HSET', ABOUT, 'ended_ms', ARGV[2])
  else
    -- It ended before, Redis forgot that after a day, somebody came back, and still the first are not written.
    local held = redis.call('HGETALL', SESSIONS)
    for i = 1, #held, 2 do note(held[i], held[i + 1], ARGV[2], 'ended') end
  end
end
for _, key in ipairs({HEARD, SESSIONS, TABS, USERS, RECENT, SERVERS, KEYS[15]}) do redis.call('UNLINK', key) end
redis.call('HDEL', ABOUT, 'room')
redis.call('SET', STATE, 'ended', 'EX', ARGV[1])
redis.call('SET', CURRENT, 0, 'EX', ARGV[1])
for _, key in ipairs({PEAK, TOTAL, UNIQUE}) do redis.call('EXPIRE', key, ARGV[1]) end
return {tonumber(redis.call('GET', PEAK) or 0), tonumber(redis.call('GET', TOTAL) or 0), told()}
