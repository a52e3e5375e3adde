-- Purpose: note when a job last succeeded or failed, also long afterwards: a later moment that is known already stays.
-- KEYS:    1 house:{jobs}
-- ARGV:    1 the field, <task>:ok or <task>:failed  2 when it was (epoch ms)  3 now (epoch ms)
-- Returns: 1 if it was noted
-- Repeat:  the same is written again, or nothing
local known = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '')
-- What lies ahead of now was written by a clock that has been set back since.
if known and known > tonumber(ARGV[2]) and known <= tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
