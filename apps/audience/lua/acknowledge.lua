-- Purpose: these records are in the database; nobody needs them here any more.
-- KEYS:    1 live:past:{S}  2 live:past:{S}:about  3 live:past:{S}:ended
-- ARGV:    ids, or none to ask how much waits
-- Returns: {records that wait, epoch ms since when}
-- Repeat:  an id that is gone is passed over
if #ARGV > 0 then
  redis.call('XACK', KEYS[1], GROUP, unpack(ARGV))
  redis.call('XDEL', KEYS[1], unpack(ARGV))
end
if redis.call('XLEN', KEYS[1]) == 0 then redis.call('DEL', KEYS[1]) end  -- and with it the group and who was in it
return waiting(KEYS[1], KEYS[2], KEYS[3])
