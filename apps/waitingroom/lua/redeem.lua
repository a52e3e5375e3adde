-- Purpose: a pass that is good for one use is used.
-- KEYS:    1 line:{Z}  2 line:{Z}:whole, which never exists
-- ARGV:    1 now (epoch ms or empty)  2 place  3 issued at (epoch ms)  4 whose it is  5 seconds that the pass lasts
--          6 mark of this call
-- Returns: 1 the first time, 0 ever after; 0 also two minutes after its end, when nobody remembers it
-- Repeat:  a call that is sent again carries the same mark, and is told again that it was the first
local now = tonumber(ARGV[1])
if not now then now = tonumber(redis.call('TIME')[1]) * 1000 end
local kept = tonumber(ARGV[5]) + 120
if now >= ARGV[3] + kept * 1000 then return 0 end

local key = KEYS[1] .. ':spent:' .. math.floor(ARGV[3] / 60000) .. ':' .. math.floor(ARGV[2] / 128)
local pass = ARGV[2] .. ':' .. ARGV[3] .. ':' .. ARGV[4]
redis.call('HSETNX', key, pass, ARGV[6])
redis.call('EXPIRE', key, kept)
return redis.call('HGET', key, pass) == ARGV[6] and 1 or 0
