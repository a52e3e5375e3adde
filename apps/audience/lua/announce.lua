-- Purpose: these sessions are here. An arrival counts a visit; a heartbeat does not, but puts back whatever Redis lost.
-- KEYS:    see presence.lua
-- ARGV:    1 now (epoch ms)  2 server  3 sessions of this stream that the server holds
--          4 peak and 5 total that the server last saw (they come back after Redis lost them)
--          6 '1' for arrivals, '0' for heartbeats
--          7 '1' if current may raise the peak, '0' if leaves of the same moment follow
--          then for each session: id, owner (13 digits of connect time, then who holds it), viewer, and 13 digits of
--          when it first came, '' if that was with this connection
-- Returns: {state, current, peak, total, {sessions that a newer connection holds},
--          {session, when it came if that was before what the server said, ...}}; an ended stream changes nothing
-- Repeat:  a session already here with the same owner is only heard of again
if redis.call('GET', STATE) == 'ended' then return {'ended', 0, 0, 0, {}, {}} end

local now, is_arrival = ARGV[1], ARGV[6] == '1'
local ids, count = {}, 0
for i = 8, #ARGV, 4 do
  count = count + 1
  ids[count] = ARGV[i]
end

-- Tables grow by counters and the time stays a string: at 500 sessions a call, lengths and number formats are felt.
local heard, h, written, w, fresh, f, lost, earlier, e = {}, 0, {}, 0, {}, 0, {}, {}, 0
if count > 0 then
  local known = redis.call('HMGET', SESSIONS, unpack(ids))
  for i = 1, count do
    local id, owner, viewer, joined, record = ids[i], ARGV[i * 4 + 5], ARGV[i * 4 + 6], ARGV[i * 4 + 7], known[i]
    if joined == '' then joined = string.sub(owner, 1, 13) end
    local said = owner .. '|' .. joined .. '|' .. viewer
    if record == said then
      heard[h + 1], heard[h + 2], h = now, id, h + 2
    elseif not record then
      written[w + 1], written[w + 2], w, f = id, said, w + 2, f + 1
      fresh[f] = viewer
      heard[h + 1], heard[h + 2], h = now, id, h + 2
    else
      local before, since, whose = string.match(record, '^([^|]*)|([^|]*)(.*)$')
      if before > owner then
        lost[#lost + 1] = id  -- the newest connection of a session holds it
      else
        heard[h + 1], heard[h + 2], h = now, id, h + 2
        -- It came when it first came. Whoever holds it is told, and says so from now on: were it forgotten here, by a
        -- loss or because its server was silent for a minute, it would go on as another session from this connection.
        if since < joined then
          earlier[e + 1], earlier[e + 2], e = id, since, e + 2
        else
          since = joined
        end
        written[w + 1], written[w + 2], w = id, owner .. '|' .. since .. whose, w + 2
      end
    end
  end
end

if h > 0 then redis.call('ZADD', HEARD, unpack(heard)) end
if w > 0 then redis.call('HSET', SESSIONS, unpack(written)) end

-- Open tabs of the viewers of new sessions: read and written at once, and counted here, where one may come up twice.
local come, c = {}, 0
if f > 0 then
  local before, tabs, counted, t = redis.call('HMGET', TABS, unpack(fresh)), {}, {}, 0
  for i = 1, f do
    local viewer = fresh[i]
    local open_tabs = tabs[viewer]
    if not open_tabs then
      open_tabs = tonumber(before[i] or 0)
      if open_tabs == 0 then
        c = c + 1
        come[c] = viewer
      end
    end
    tabs[viewer] = open_tabs + 1
  end
  for viewer, open_tabs in pairs(tabs) do
    counted[t + 1], counted[t + 2], t = viewer, open_tabs, t + 2
  end
  redis.call('HSET', TABS, unpack(counted))
end

-- What the server saw before is a floor: both only ever grow while a stream is live.
local total = tonumber(redis.call('GET', TOTAL) or 0)
local total_before = total
if tonumber(ARGV[5]) > total then total = tonumber(ARGV[5]) end
if tonumber(ARGV[4]) > tonumber(redis.call('GET', PEAK) or 0) then redis.call('SET', PEAK, ARGV[4]) end

if c > 0 then
  redis.call('SADD', USERS, unpack(come))
  redis.call('PFADD', UNIQUE, unpack(come))
  redis.call('EXPIRE', UNIQUE, 172800)
  if is_arrival then
    -- Who was here within two minutes comes back to the same visit: a flapping phone is not a crowd.
    redis.call('ZREMRANGEBYSCORE', RECENT, '-inf', tonumber(now) - RECENT_MS)
    local seen = redis.call('ZMSCORE', RECENT, unpack(come))
    for i = 1, c do
      if not seen[i] then total = total + 1 end
    end
  end
  local recent = {}
  for i = 1, c do
    recent[i * 2 - 1], recent[i * 2] = now, come[i]
  end
  redis.call('ZADD', RECENT, unpack(recent))
  redis.call('PEXPIRE', RECENT, RECENT_MS)
end
if total ~= total_before then redis.call('SET', TOTAL, total) end

report(ARGV[2], ARGV[3], ARGV[1])
local answer = settle(ARGV[7] == '1')
answer[5], answer[6] = lost, earlier
return answer
