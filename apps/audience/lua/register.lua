-- Purpose: keep the register of streams of which records of sessions wait.
-- KEYS:    1 live:{streams}:past  2 live:{streams}:past:waiting  3 live:{streams}:catalog
-- ARGV:    for each stream: id, records that wait, epoch ms since when,
--          '' from who writes records; from who took some: '1' if the catalogue had it before the look, else '0'
-- Returns: how many were taken off the register
-- Repeat:  changes nothing
--
-- When is a stream that has no records left taken off? One that is in the catalogue now is put back by the next sweep if
-- something came meanwhile, and by its end, which puts it here before it leaves the catalogue. One that had left before
-- the look is over: nothing comes any more. But one that left in between may have put down its last sessions after the
-- look: it stays for another one.
local off = 0
for i = 1, #ARGV, 4 do
  local stream, records, since, was_listed = ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2], ARGV[i + 3]
  if records > 0 then
    if was_listed == '' then
      redis.call('ZADD', KEYS[1], 'NX', since, stream)
    else
      redis.call('ZADD', KEYS[1], since, stream)
    end
    redis.call('HSET', KEYS[2], stream, records)
  elseif was_listed == '0' or (was_listed == '1' and redis.call('HEXISTS', KEYS[3], stream) == 1) then
    off = off + redis.call('ZREM', KEYS[1], stream)
    redis.call('HDEL', KEYS[2], stream)
  end
end
return off
