-- Purpose: hand out records of sessions that are over; nobody else gets them unless they are not acknowledged for long.
-- KEYS:    1 live:past:{S}  2 live:past:{S}:about  3 live:past:{S}:ended
-- ARGV:    1 who asks  2 at most so many
--          3 ms after which records handed out and not acknowledged are handed out again; '' to look at new ones only
-- Returns: {id, record, id, record, ...}
-- Repeat:  the next records come; those of a call whose answer got lost come again after the time of ARGV[3]
local PAST, ABOUT, ENDED = KEYS[1], KEYS[2], KEYS[3]
local wanted = tonumber(ARGV[2])

-- Write down some of those whom the stream's end cut off.
local function put_down(count)
  local about = redis.call('HMGET', ABOUT, 'ended_ms', 'cursor')
  local scanned = redis.call('HSCAN', ENDED, about[2] or '0', 'COUNT', count)
  for i = 1, #scanned[2], 2 do
    if redis.call('HDEL', ENDED, scanned[2][i]) == 1 then  -- a scan may come to one twice
      write_down(PAST, scanned[2][i], scanned[2][i + 1], about[1] or '', 'ended')
    end
  end
  if redis.call('EXISTS', ENDED) == 1 then
    redis.call('HSET', ABOUT, 'cursor', scanned[1])
  else
    redis.call('HDEL', ABOUT, 'ended_ms', 'cursor')
  end
end

local answer, n = {}, 0
local function hand_out(records)
  for _, record in ipairs(records) do
    if record then  -- Redis 6 also lists what was deleted meanwhile
      local fields = record[2]
      answer[2 * n + 1] = record[1]
      answer[2 * n + 2] = #fields == 2 and fields[1] == FIELD and fields[2] or table.concat(fields, '|')
      n = n + 1
    end
  end
end

local function read_new()
  return redis.pcall('XREADGROUP', 'GROUP', GROUP, ARGV[1], 'COUNT', wanted - n, 'STREAMS', PAST, '>')
end

local function hand_out_new()
  local new = read_new()
  if new and new.err then
    redis.call('XGROUP', 'CREATE', PAST, GROUP, '0')  -- the first to ask since the key was made
    new = read_new()
  end
  if new then hand_out(new[1][2]) end
end

if redis.call('EXISTS', PAST) == 1 then
  if ARGV[3] ~= '' then
    local old = redis.pcall('XAUTOCLAIM', PAST, GROUP, ARGV[1], ARGV[3], '0-0', 'COUNT', wanted)
    if not old.err then hand_out(old[2]) end
  end
  if n < wanted then hand_out_new() end
end
if n < wanted and redis.call('EXISTS', ENDED) == 1 then
  put_down(wanted - n)
  hand_out_new()
end
return answer
