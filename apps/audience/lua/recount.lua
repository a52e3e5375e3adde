-- Purpose: rebuild who is present from the sessions that servers announced, and let go of those that nobody did.
-- KEYS:    see presence.lua and leaving.lua
-- ARGV:    1 now (epoch ms)  2 announced since (epoch ms); sessions last heard of before it go,
--          but not those of a server that drains: their grace is theirs
-- Returns: {state, current, peak, total, sessions let go}
-- Repeat:  a second run finds everything in agreement
local out = 0
local unheard = redis.call('ZRANGEBYSCORE', HEARD, '-inf', '(' .. ARGV[2], 'WITHSCORES')
for i = 1, #unheard, 2 do
  if tonumber(unheard[i + 1]) % 1 ~= LEAVING then
    redis.call('ZREM', HEARD, unheard[i])
    local held = redis.call('HGET', SESSIONS, unheard[i])
    if held then
      redis.call('HDEL', SESSIONS, unheard[i])
      note(unheard[i], held, unheard[i + 1], 'expired')
    end
    out = out + 1
  end
end
redis.call('DEL', TABS, USERS)
local records = redis.call('HGETALL', SESSIONS)
for i = 1, #records, 2 do
  if redis.call('ZSCORE', HEARD, records[i]) then
    local viewer = string.match(records[i + 1], '|([^|]*)$')
    if redis.call('HINCRBY', TABS, viewer, 1) == 1 then redis.call('SADD', USERS, viewer) end
  else
    redis.call('HDEL', SESSIONS, records[i])
    note(records[i], records[i + 1], ARGV[2], 'expired')  -- its last sign of life is lost, but it came before that
    out = out + 1
  end
end
for _, session in ipairs(redis.call('ZRANGE', HEARD, 0, -1)) do
  if redis.call('HEXISTS', SESSIONS, session) == 0 then
    redis.call('ZREM', HEARD, session)
    out = out + 1
  end
end
local answer = settle(true)
answer[5] = out
return answer
