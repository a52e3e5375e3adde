-- Purpose: these sessions have left, or (with a grace) will have unless they are heard of again.
-- KEYS:    see presence.lua and leaving.lua
-- ARGV:    1 now (epoch ms)  2 server  3 sessions of this stream that the server still holds
--          4 grace in ms: 0 takes them out now; else they fall silent that much later
--          5 after how many ms of silence a session no longer counts
--          6 '1' if current may raise the peak, '0' if more leaves of the same moment follow
--          then for each session: id, owner
-- Returns: {state, current, peak, total}
-- Repeat:  a session that is gone, or that a newer connection holds, is left alone: late and double leaves do nothing
if redis.call('GET', STATE) == 'ended' then return {'ended', 0, 0, 0} end

local now, grace, silence = tonumber(ARGV[1]), tonumber(ARGV[4]), tonumber(ARGV[5])
for i = 7, #ARGV, 2 do
  local record = redis.call('HGET', SESSIONS, ARGV[i])
  if record and string.match(record, '^([^|]*)') == ARGV[i + 1] then
    if grace > 0 then
      redis.call('ZADD', HEARD, 'XX', now - silence + grace + LEAVING, ARGV[i])
    else
      take_out(ARGV[i], record, now, now, 'left')
    end
  end
end
report(ARGV[2], ARGV[3], ARGV[1])
redis.call('PEXPIRE', RECENT, RECENT_MS)
return settle(ARGV[6] == '1')
