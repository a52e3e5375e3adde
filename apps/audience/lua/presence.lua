-- Put before every script of this folder that touches one stream: names for its KEYS, and the two steps that keep them
-- in agreement with each other. All keys share the stream's hash tag, so they live in one slot.
--
-- KEYS  1 hb:{S}              session -> epoch ms when it was last heard of        (sorted set)
--       2 live:sessions:{S}   session -> owner|joined_ms|viewer                    (hash)
--       3 live:tabs:{S}       viewer -> open sessions                              (hash)
--       4 live:users:{S}      viewers present                                      (set)
--       5 view:{S}:current    6 view:{S}:peak    7 view:{S}:total                  (numbers)
--       8 view:{S}:recent_users  viewer -> epoch ms of last coming or going        (sorted set)
--       9 view:{S}:unique:<day>  everyone seen that day                            (HyperLogLog)
--      10 view:{S}:state      live | ended, absent if nobody told Redis            (string)
--      11 live:servers:{S}    server process -> sessions it holds|epoch ms          (hash)
local HEARD, SESSIONS, TABS, USERS = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local CURRENT, PEAK, TOTAL, RECENT = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local UNIQUE, STATE, SERVERS = KEYS[9], KEYS[10], KEYS[11]
local RECENT_MS = 120000
-- Added to when a session in its grace was heard of: no server announces it, and yet it is to be left alone till then.
local LEAVING = 0.5

-- A server process says how many sessions of this stream it holds; none takes it off the list.
local function report(server, held, now)
  if tonumber(held) > 0 then
    redis.call('HSET', SERVERS, server, held .. '|' .. now)
  else
    redis.call('HDEL', SERVERS, server)
  end
end

-- Current follows the set of users, so it can't drift from it; peak follows current unless more of the same moment is to
-- come. Returns state and the three.
local function settle(raises_peak)
  local current = redis.call('SCARD', USERS)
  local peak = tonumber(redis.call('GET', PEAK) or 0)
  redis.call('SET', CURRENT, current, 'KEEPTTL')  -- a sweep that comes after the end must not keep it for ever
  if raises_peak and current > peak then
    peak = current
    redis.call('SET', PEAK, peak)
  end
  return {redis.call('GET', STATE) or '', current, peak, tonumber(redis.call('GET', TOTAL) or 0)}
end
