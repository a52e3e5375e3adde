-- Purpose: everything about one stream that must agree, read in one moment.
-- KEYS:    see presence.lua, then 12 live:announced:{S} (server -> epoch ms of its last whole announcement)
-- ARGV:    1 count tabs one by one up to so many viewers (a larger stream would hold Redis up)
-- Returns: {sessions heard of, sessions recorded, users, viewers with tabs, tabs or -1, current, {server, held|at, ...},
--          {server, announced at, ...}}
-- Repeat:  reads only
local viewers, open_tabs = redis.call('HLEN', TABS), -1
if viewers <= tonumber(ARGV[1]) then
  open_tabs = 0
  for _, count in ipairs(redis.call('HVALS', TABS)) do open_tabs = open_tabs + tonumber(count) end
end
return {
  redis.call('ZCARD', HEARD), redis.call('HLEN', SESSIONS), redis.call('SCARD', USERS), viewers, open_tabs,
  tonumber(redis.call('GET', CURRENT) or 0), redis.call('HGETALL', SERVERS),
  redis.call('HGETALL', KEYS[12]),
}
