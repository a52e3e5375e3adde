-- Purpose: the stream is over. Nobody is present any more, later arrivals are turned away, the figures stay for a day.
-- KEYS:    see presence.lua, then 12 live:announced:{S}
-- ARGV:    1 seconds to keep the figures and the word that it ended
-- Returns: {peak, total}
-- Repeat:  gives the same figures again
for _, key in ipairs({HEARD, SESSIONS, TABS, USERS, RECENT, SERVERS, KEYS[12]}) do redis.call('UNLINK', key) end
redis.call('SET', STATE, 'ended', 'EX', ARGV[1])
redis.call('SET', CURRENT, 0, 'EX', ARGV[1])
for _, key in ipairs({PEAK, TOTAL, UNIQUE}) do redis.call('EXPIRE', key, ARGV[1]) end
return {tonumber(redis.call('GET', PEAK) or 0), tonumber(redis.call('GET', TOTAL) or 0)}
