-- Purpose: Redis lost a line, and a gate tells what it knows of it: the line as it last read it, or tickets that were
--          presented since. Several gates may; what they know is added up.
-- KEYS:    1 line:{Z}  2 line:{Z}:whole, which never exists
-- ARGV:    1 now (epoch ms or empty)  2 to 11 the rules, see ruling.lua
--          12 epoch ms when the gate read the line, or empty if it never did: then 13 to 16 and the windows are empty, too
--          13 base  14 next  15 front  16 bits  17 first place presented (a multiple of 8)  18 bits presented, or empty
--          then the entries by window, as read: window, entries, ...
-- Returns: {'ok'}, or {'epoch', the line's}
-- Repeat:  what is there is there; a line that nobody lost, or long ago, is left alone
local YEAR_2025 = 1735689600000
local PLACES_A_SECOND = 1024 -- more than are given in the long run
local PLACES_A_MINUTE = 4096

rules_write(2)
rules = rules_read()
local epoch = tonumber(ARGV[3])
if rules.epoch > epoch then return {'epoch', rules.epoch} end

local read_at, presented_from = tonumber(ARGV[12]), tonumber(ARGV[17])
local refused = line_open(epoch)
if refused and refused[1] == 'epoch' then return refused end
if refused then
  head, now = head_new(epoch), clock()
  window = floor(now / WINDOW)
  redis.call('DEL', WAITING, ENTERED, LOG, WINDOWS)
  used = {}
  head.now, head.window, head.restored_at, head.listening_since = now, window, now, now
  head.pulsed_at, head.evicted_at, head.slot_ms = now, now, slot_length()
  if read_at then
    head.base, head.next, head.front = tonumber(ARGV[13]), tonumber(ARGV[14]) + LOST_TICKETS, tonumber(ARGV[15])
    local windows = {}
    for i = 19, #ARGV, 2 do windows[#windows + 1] = {tonumber(ARGV[i]), tonumber(ARGV[i + 1])} end
    table.sort(windows, function(a, b) return a[1] < b[1] end)
    for _, each in ipairs(windows) do
      -- As late in its window as it may have been.
      if each[1] >= window - 10 and each[1] <= window and each[2] > 0 then
        used_add(each[2], each[1], min((each[1] + 1) * WINDOW / BUCKET - 1, floor(now / BUCKET)))
      end
    end
  elseif ARGV[18] ~= '' then
    -- Places below may turn up yet: room for eight million of them. The end depends on the minute of the day, lest
    -- another loss of the same tickets deal the places of this one again.
    head.base = max(0, floor(presented_from / TRIM) * TRIM - 8388608)
    head.front = head.base
    head.next = presented_from + #ARGV[18] * 8 + LOST_TICKETS + floor(now / MINUTE) % 1440 * PLACES_A_MINUTE
  else
    -- Nothing is known at all: begin where no line that began lower and gave fewer places a second has come yet.
    head.next = max(0, floor((now - YEAR_2025) / 1000)) * PLACES_A_SECOND
    head.base, head.front = floor(head.next / TRIM) * TRIM, head.next
  end
elseif now - head.restored_at >= GRACE then
  line_close()
  return {'ok'}
elseif read_at then
  head.next = max(head.next, tonumber(ARGV[14]) + LOST_TICKETS)
  head.front = max(head.front, tonumber(ARGV[15]))
end

if read_at then put_back(tonumber(ARGV[13]), ARGV[16]) end
put_back(presented_from, bits_within(presented_from, ARGV[18]))
if refused then
  line_changed = true
  fill_since(read_at and floor(read_at / WINDOW) or 0)
end
line_close()
return {'ok'}
