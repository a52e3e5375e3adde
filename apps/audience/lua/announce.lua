-- Purpose: these sessions are here. An arrival counts a visit; a heartbeat does not, but puts back whatever Redis lost.
-- KEYS:    see presence.lua
-- ARGV:    1 now (epoch ms)  2 server  3 sessions of this stream that the server holds
--          4 peak and 5 total that the server last saw (they come back after Redis lost them)
--          6 '1' for arrivals, '0' for heartbeats
--          then for each session: id, owner (13 digits of connect time, then who holds it), viewer
-- Returns: {state, current, peak, total, {sessions that a newer connection holds}}; an ended stream changes nothing
-- Repeat:  a session already here with the same owner is only heard of again
if redis.call('GET', STATE) == 'ended' then return {'ended', 0, 0, 0, {}} end

local now, is_arrival = tonumber(ARGV[1]), ARGV[6] == '1'
local ids, owners, viewers = {}, {}, {}
for i = 7, #ARGV, 3 do
  ids[#ids + 1], owners[#owners + 1], viewers[#viewers + 1] = ARGV[i], ARGV[i + 1], ARGV[i + 2]
end

local heard, written, come, lost = {}, {}, {}, {}
if #ids > 0 then
  local known = redis.call('HMGET', SESSIONS, unpack(ids))
  for i, id in ipairs(ids) do
    local record = known[i]
    local owner = record and string.match(record, '^([^|]*)')
    if owner and owner > owners[i] then
      lost[#lost + 1] = id  -- the newest connection of a session holds it
    else
      heard[#heard + 1], heard[#heard + 2] = now, id
      if not record then
        written[#written + 1] = id
        written[#written + 1] = owners[i] .. '|' .. string.sub(owners[i], 1, 13) .. '|' .. viewers[i]
        if redis.call('HINCRBY', TABS, viewers[i], 1) == 1 then come[#come + 1] = viewers[i] end
      elseif owner ~= owners[i] then
        written[#written + 1] = id
        written[#written + 1] = owners[i] .. string.sub(record, #owner + 1)
      end
    end
  end
end

if #heard > 0 then redis.call('ZADD', HEARD, unpack(heard)) end
if #written > 0 then redis.call('HSET', SESSIONS, unpack(written)) end

-- What the server saw before is a floor: both only ever grow while a stream is live.
local total = tonumber(redis.call('GET', TOTAL) or 0)
local total_before = total
if tonumber(ARGV[5]) > total then total = tonumber(ARGV[5]) end
if tonumber(ARGV[4]) > tonumber(redis.call('GET', PEAK) or 0) then redis.call('SET', PEAK, ARGV[4]) end

if #come > 0 then
  redis.call('SADD', USERS, unpack(come))
  redis.call('PFADD', UNIQUE, unpack(come))
  redis.call('EXPIRE', UNIQUE, 172800)
  if is_arrival then
    -- Who was here within two minutes comes back to the same visit: a flapping phone is not a crowd.
    redis.call('ZREMRANGEBYSCORE', RECENT, '-inf', now - RECENT_MS)
    local seen = redis.call('ZMSCORE', RECENT, unpack(come))
    for i = 1, #come do
      if not seen[i] then total = total + 1 end
    end
  end
  local recent = {}
  for _, viewer in ipairs(come) do
    recent[#recent + 1], recent[#recent + 2] = now, viewer
  end
  redis.call('ZADD', RECENT, unpack(recent))
  redis.call('PEXPIRE', RECENT, RECENT_MS)
end
if total ~= total_before then redis.call('SET', TOTAL, total) end

report(ARGV[2], ARGV[3], ARGV[1])
local answer = settle()
answer[5] = lost
return answer
