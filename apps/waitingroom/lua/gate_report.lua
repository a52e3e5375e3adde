-- Purpose: a gate process says that it is alive and which zones it keeps up with. What the silent told is forgotten, and
--          after long they are: until then somebody wants to know of their silence.
-- KEYS:    1 gate:{zones}:servers  2 gate:{zones}:gates
-- ARGV:    1 now (epoch ms or empty for Redis's own clock)  2 the gate  3 what it tells, as JSON  4 ms of silence after
--          which what a gate told is forgotten  5 ms after which it is
-- Returns: how many were forgotten
-- Repeat:  the same report is written again
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
redis.call('ZADD', KEYS[1], now, ARGV[2])
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
local silent = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. (now - tonumber(ARGV[4])))
for _, gate in ipairs(silent) do
  redis.call('HDEL', KEYS[2], gate)
end
return redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. (now - tonumber(ARGV[5])))
