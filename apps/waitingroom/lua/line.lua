-- Put after bits.lua before every script that touches a line: its head, its rules, its clock and what the last minute
-- used. A script opens the line, does its step, and closes the line, which writes all that changed: what opens it must
-- close it, for the log is written at once and its total only then.
--
-- Time: ARGV[1] is now (epoch ms), or empty for Redis's own clock, so that gates whose clocks differ agree. The line's
-- time never runs backwards: a step back of up to a minute is waited out; a larger one is believed, and the line is in
-- doubt (below).
--
-- Entries are counted twice. By window of six seconds, aligned to the epoch, for the shares; and in a log of 10 ms
-- buckets for the sliding minute: a bucket leaves when its end is 60,000 ms old, so no 60 seconds ever hold more than N.
--
-- Doubt: another Redis process than the last one speaks (failover, restart), or the clock was set back: moments may be
-- lost. They are supposed to have used all their room, and tickets they gave are not given again.
local HEAD = KEYS[1]
local RULES, WAITING, ENTERED = HEAD .. ':rules', HEAD .. ':waiting', HEAD .. ':entered'
local LOG, WINDOWS = HEAD .. ':log', HEAD .. ':windows'

local WINDOW, MINUTE, BUCKET = 6000, 60000, 10
local WINDOWS_KEPT = 12
local CLOCK_BACK = 60000 -- a step back by more than this is believed
local GRACE = 60000      -- after doubt or loss, tickets that turn up are put back for so long
local LOST_TICKETS = 1048576 -- more than were given in moments that may be lost
local DEAF = 15000       -- no pulse for longer: nobody could be heard
local STATS_KEPT = 7200

local NUMBERS = {
  'epoch', 'base', 'next', 'front', 'waiting', 'now', 'window', 'log_total', 'listening_since', 'pulsed_at',
  'evicted_at', 'restored_at', 'rev', 'slot_ms', 'draw_from', 'draw_to', 'drawn', 'front_at', 'called', 'shown',
  'calls', 'per_minute',
}
local RULE_NUMBERS = {
  'version', 'epoch', 'per_minute', 'idle_s', 'prequeue_from', 'opens_at', 'seed', 'pass_s', 'slowed_at',
}

local head, rules, now, window
local used, used_new, tally, line_changed = {}, {}, {}, false
local is_uncalled = false -- N fell: whoever is called is to be called anew

local function share(w)
  local i = w % 10
  return floor((i + 1) * rules.per_minute / 10) - floor(i * rules.per_minute / 10)
end

local function used_between(first, last)
  local sum = 0
  for w = first, last do sum = sum + (used[w] or 0) end
  return sum
end

-- What may still enter in this window by the windows alone; the sliding minute may be narrower.
local function window_room()
  return max(0, min(share(window) - (used[window] or 0), rules.per_minute - used_between(window - 9, window)))
end

local function count(name, by)
  if by ~= 0 then tally[name] = (tally[name] or 0) + by end
end

-- --- reading and writing ---------------------------------------------------------------------------------------------

local function server_id()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
end

local function clock()
  if ARGV[1] ~= '' then return tonumber(ARGV[1]) end
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + floor(tonumber(time[2]) / 1000)
end

local function head_read()
  local values = redis.call('HMGET', HEAD, 'run_id', unpack(NUMBERS))
  if not values[1] then return nil end
  local found = {run_id = values[1]}
  for i, name in ipairs(NUMBERS) do found[name] = tonumber(values[i + 1]) or 0 end
  return found
end

-- A line in which nobody has ever stood.
local function head_new(epoch)
  local made = {run_id = server_id()}
  for _, name in ipairs(NUMBERS) do made[name] = 0 end
  made.epoch, made.rev = epoch, 1
  return made
end

local function head_write()
  local flat = {'run_id', head.run_id}
  for _, name in ipairs(NUMBERS) do flat[#flat + 1], flat[#flat + 2] = name, head[name] end
  redis.call('HSET', HEAD, unpack(flat))
end

local function rules_read()
  local values = redis.call('HMGET', RULES, 'mode', unpack(RULE_NUMBERS))
  if not values[1] then return nil end
  local found = {mode = values[1]}
  for i, name in ipairs(RULE_NUMBERS) do found[name] = tonumber(values[i + 1]) end
  return found
end

local function windows_read()
  local flat = redis.call('HGETALL', WINDOWS)
  for i = 1, #flat, 2 do used[tonumber(flat[i])] = tonumber(flat[i + 1]) end
end

local function line_close()
  if line_changed then head.rev = max(head.rev + 1, now) end
  head_write()
  local fresh, stale = {}, {}
  for w in pairs(used_new) do fresh[#fresh + 1], fresh[#fresh + 2] = w, used[w] end
  for w in pairs(used) do
    if w <= window - WINDOWS_KEPT then stale[#stale + 1] = w end
  end
  if #fresh > 0 then redis.call('HSET', WINDOWS, unpack(fresh)) end
  if #stale > 0 then redis.call('HDEL', WINDOWS, unpack(stale)) end
  if next(tally) then
    local stats = HEAD .. ':stats:' .. floor(now / MINUTE)
    for name, by in pairs(tally) do redis.call('HINCRBY', stats, name, by) end
    redis.call('EXPIRE', stats, STATS_KEPT)
  end
end

-- --- the minute ------------------------------------------------------------------------------------------------------

-- Let go of what entered more than a minute ago. Each bucket is looked at once.
local function log_trim()
  local limit = now - MINUTE
  local oldest = redis.call('LINDEX', LOG, 0)
  if not oldest then
    head.log_total = 0
    return
  end
  if (tonumber(string.match(oldest, '^%d+')) + 1) * BUCKET > limit then return end
  repeat
    local buckets, gone = redis.call('LRANGE', LOG, 0, 63), 0
    for i, entry in ipairs(buckets) do
      local bucket, entries = string.match(entry, '^(%d+):(%d+)$')
      if (tonumber(bucket) + 1) * BUCKET > limit then break end
      head.log_total, gone = head.log_total - tonumber(entries), i
    end
    redis.call('LTRIM', LOG, gone, -1)
  until gone < 64
end

-- Count entries into the log, in this bucket or, if that is older than the newest, into the newest.
local function log_add(entries, bucket)
  local newest = redis.call('LINDEX', LOG, -1)
  if newest then
    local last, before = string.match(newest, '^(%d+):(%d+)$')
    if tonumber(last) >= bucket then
      redis.call('LSET', LOG, -1, last .. ':' .. (tonumber(before) + entries))
      head.log_total = head.log_total + entries
      return
    end
  end
  redis.call('RPUSH', LOG, bucket .. ':' .. entries)
  head.log_total = head.log_total + entries
end

local function used_add(entries, w, bucket)
  used[w] = (used[w] or 0) + entries
  used_new[w] = true
  log_add(entries, bucket)
end

-- Suppose that every moment since the beginning of this window used all its room. If a line stood all the while, that
-- is the windows' shares; if entries alone may have ended it, a burst may have followed: then it is the whole minute.
local function fill_since(first)
  first = max(first, window - 9)
  local most = 0
  for w = first, window do most = most + share(w) end
  if head.waiting <= most then
    local missing = rules.per_minute - head.log_total
    if missing > 0 then used_add(missing, window, floor(now / BUCKET)) end
    return
  end
  for w = first, window do
    local missing = share(w) - (used[w] or 0)
    if missing > 0 then used_add(missing, w, min((w + 1) * WINDOW / BUCKET - 1, floor(now / BUCKET))) end
  end
end

-- Entries by window: window, entries, ...
local function windows_flat()
  local flat = {}
  for w, n in pairs(used) do flat[#flat + 1], flat[#flat + 2] = w, n end
  return flat
end

-- When the oldest entry of the minute was (epoch ms), 0 if there is none.
local function log_oldest()
  local oldest = redis.call('LINDEX', LOG, 0)
  return oldest and tonumber(string.match(oldest, '^%d+')) * BUCKET or 0
end

-- A ticket from behind the line's end: more were given than is known, and perhaps more than this one. New places begin
-- far behind it.
local function given_to(place)
  if place >= head.next then head.next = place + 1 + LOST_TICKETS end
end

-- --- opening ---------------------------------------------------------------------------------------------------------

local function has_opened()
  return not rules.opens_at or now >= rules.opens_at
end

local function is_prequeue()
  return not has_opened() and rules.prequeue_from and now >= rules.prequeue_from
end

-- Everybody may enter, whatever the figures say.
local function is_free()
  return rules.mode == 'bypass' or rules.mode == 'observe'
end

-- People are called and enter N a minute.
local function is_calling()
  return (rules.mode == 'open' or rules.mode == 'queue-all') and has_opened()
end

-- How long one bitmap of who was heard lasts: 10 s, longer where people may be silent for long, so that few are read.
local function slot_length()
  if rules.idle_s <= 120 then return 10000 end
  return math.ceil(rules.idle_s / 120) * 10000
end

-- Read the line and set its clock. Returns nil, or the answer to give when there is no such line; then nothing is
-- touched. `epoch` may be nil for any.
local function line_open(epoch)
  head, rules = head_read(), rules_read()
  if not head or not rules then return {'lost'} end
  if epoch and head.epoch ~= tonumber(epoch) then return {'epoch', head.epoch} end
  windows_read()
  local given, before = clock(), head.now
  local was_set_back = before - given > CLOCK_BACK
  now = was_set_back and given or max(given, before)
  window = floor(now / WINDOW)
  if was_set_back then
    redis.call('DEL', LOG, WINDOWS)
    used, before = {}, 0
  end
  head.now = now
  log_trim()
  local speaks = server_id()
  if was_set_back or speaks ~= head.run_id then
    fill_since(floor(before / WINDOW))
    if is_prequeue() and head.draw_to == head.next then
      head.drawn = head.drawn + LOST_TICKETS
      head.draw_to = head.draw_from + math.ceil(head.drawn / 2097152) * 2097152
      head.next = head.draw_to
    else
      head.next = head.next + LOST_TICKETS
    end
    head.run_id, head.restored_at, head.listening_since = speaks, now, now
    line_changed = true
    -- A clock that was set back must not keep windows, evictions and pulses waiting for it to catch up.
    for _, moment in ipairs({'pulsed_at', 'evicted_at'}) do head[moment] = min(head[moment], now) end
    head.window = min(head.window, window)
  end
  local slot_ms = slot_length()
  if slot_ms ~= head.slot_ms then head.slot_ms, head.listening_since = slot_ms, now end
  -- As many may stand before the front as N had room for, which was too large or is too large now: begin anew with the
  -- first who waits, or those called would enter by luck and not in their order.
  if rules.per_minute < head.per_minute and head.waiting > 0 then
    local lowest = head.base + redis.call('BITPOS', WAITING, 1)
    if lowest >= head.base and lowest < head.front then
      head.front, head.front_at, head.called, head.shown, head.calls = lowest, lowest, 0, 0, 1000
      is_uncalled = true
    end
  end
  head.per_minute = rules.per_minute
end
