-- Purpose: read how lines stand for those who run them, at one moment: a handful of commands, however many zones.
-- KEYS:    1 gate:{zones}:version  2 gate:{zones}:roles  3 gate:{zones}:lines  4 gate:{zones}:servers
--          5 gate:{zones}:gates
-- ARGV:    1 now (epoch ms or empty for Redis's own clock)  2 a zone, or empty for all  3 '1' to read the gates, too
--          4 ms of silence after which a gate is left out
-- Returns: {now, version of the zones, version of the roles, {zone, JSON, ...}, {gate, epoch ms, ...} or nil, {gate, JSON,
--          ...} or nil}
-- Repeat:  changes nothing
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
local versions = redis.call('MGET', KEYS[1], KEYS[2])
local lines
if ARGV[2] == '' then
  lines = redis.call('HGETALL', KEYS[3])
else
  local told = redis.call('HGET', KEYS[3], ARGV[2])
  lines = told and {ARGV[2], told} or {}
end
local servers, gates = false, false
if ARGV[3] == '1' then
  servers = redis.call('ZRANGEBYSCORE', KEYS[4], now - tonumber(ARGV[4]), '+inf', 'WITHSCORES')
  gates = redis.call('HGETALL', KEYS[5])
end
return {now, tonumber(versions[1] or '0'), tonumber(versions[2] or '0'), lines, servers, gates}
