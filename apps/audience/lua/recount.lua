-- Purpose: rebuild who is present from the sessions that servers announced, and let go of those that nobody did.
-- KEYS:    see presence.lua
-- ARGV:    1 now (epoch ms)  2 announced since (epoch ms); sessions last heard of before it go
-- Returns: {state, current, peak, total, sessions let go}
-- Repeat:  a second run finds everything in agreement
local out = 0
for _, session in ipairs(redis.call('ZRANGEBYSCORE', HEARD, '-inf', '(' .. ARGV[2])) do
  redis.call('ZREM', HEARD, session)
  redis.call('HDEL', SESSIONS, session)
  out = out + 1
end
redis.call('DEL', TABS, USERS)
local records = redis.call('HGETALL', SESSIONS)
for i = 1, #records, 2 do
  if redis.call('ZSCORE', HEARD, records[i]) then
    local viewer = string.match(records[i + 1], '|([^|]*)$')
    if redis.call('HINCRBY', TABS, viewer, 1) == 1 then redis.call('SADD', USERS, viewer) end
  else
    redis.call('HDEL', SESSIONS, records[i])
    out = out + 1
  end
end
for _, session in ipairs(redis.call('ZRANGE', HEARD, 0, -1)) do
  if redis.call('HEXISTS', SESSIONS, session) == 0 then
    redis.call('ZREM', HEARD, session)
    out = out + 1
  end
end
local answer = settle()
answer[5] = out
return answer
