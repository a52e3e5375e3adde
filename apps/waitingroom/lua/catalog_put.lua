-- Purpose: gates are told of a new or changed zone, unless they were told of a newer version of it.
-- KEYS:    1 gate:{zones}:catalog  2 gate:{zones}:version
-- ARGV:    1 zone  2 version of its rules  3 the rules as JSON
-- Returns: 1 if that was news, else 0
-- Repeat:  the same rules again are no news
local listed = redis.call('HGET', KEYS[1], ARGV[1])
if listed == ARGV[3] then return 0 end
if listed then
  local is_json, known = pcall(cjson.decode, listed) -- what cannot be read is written over
  if is_json and type(known) == 'table' and (tonumber(known.version) or 0) > tonumber(ARGV[2]) then return 0 end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('INCR', KEYS[2])
return 1
