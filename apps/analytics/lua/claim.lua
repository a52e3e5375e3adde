-- Purpose: one at a time; who holds the claim is written in it, so that one whose claim lapsed cannot keep another's.
-- KEYS:    1 the claim
-- ARGV:    1 who asks  2 take, keep or drop  3 seconds for which it holds without being kept
-- Returns: 1, or 0 if it is not his (take: if it is another's); then nothing changed
-- Repeat:  taking and keeping twice is doing it once; what was dropped is not his any more
local holder = redis.call('GET', KEYS[1])
if holder ~= ARGV[1] and (holder or ARGV[2] ~= 'take') then return 0 end
if ARGV[2] == 'drop' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[3])
end
return 1
