-- Put after presence.lua and record.lua, before every script in which sessions end: the step that takes one out of the
-- living also writes it down for the past, so that none can be lost or written twice in between.
--
-- KEYS 12 live:past:{S}        records of sessions that are over and not in the database yet  (stream)
--      13 live:past:{S}:about  room, dropped, ended_ms, cursor                                (hash)
--      14 live:past:{S}:ended  the sessions that the stream's end cut off                     (hash)
local PAST, ABOUT, ENDED = KEYS[12], KEYS[13], KEYS[14]
-- How many records of one stream may wait, unless the last sweep said something else.
local ROOM = 2000000

local room  -- how many more fit: looked up when the first session of a call ends
local function has_room()
  if not room then
    room = tonumber(redis.call('HGET', ABOUT, 'room') or ROOM) - redis.call('XLEN', PAST)
  end
  return room > 0
end

local function drop(count)
  redis.call('HINCRBY', ABOUT, 'dropped', count)
end

local function note(session, held, left, reason)
  if has_room() then
    room = room - 1
    write_down(PAST, session, held, left, reason)
  else
    drop(1)
  end
end

-- How much waits, and how many records had to be dropped since this was last asked.
local function told()
  local figures = waiting(PAST, ABOUT, ENDED)
  local dropped = tonumber(redis.call('HGET', ABOUT, 'dropped') or 0)
  if dropped > 0 then redis.call('HDEL', ABOUT, 'dropped') end
  return figures[1], figures[2], dropped
end

-- A session goes; its viewer goes with the last one. `held` is what live:sessions has of it, `left` the moment until which
-- it is taken to have watched.
local function take_out(session, held, now, left, reason)
  redis.call('ZREM', HEARD, session)
  redis.call('HDEL', SESSIONS, session)
  note(session, held, left, reason)
  local viewer = string.match(held, '|([^|]*)$')
  if redis.call('HINCRBY', TABS, viewer, -1) <= 0 then
    redis.call('HDEL', TABS, viewer)
    redis.call('SREM', USERS, viewer)
    redis.call('ZADD', RECENT, now, viewer)
  end
end
