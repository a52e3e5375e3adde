-- Put after line.lua before scripts that call people, let them in or note that they were heard.
--
-- Living: waiting, and heard of within the current or the two slots before (20 to 30 s). Only the living are counted
-- when people are called; the silent before them are called along, in case they still come. While the line has not
-- been listened to for that long (Redis or the gates were away), silence says nothing: then all who wait count.
--
-- Who was called in an earlier window and is still outside asks every few seconds: they count only if they were heard of
-- in this window or the one before, so that somebody who left just before being called holds a turn for two windows at
-- most. `front_at` is the front before the first call of this window.
--
-- Some of those called never come. `called` and `shown` are how many were called and how many entered, in hundredths,
-- each window weighing nine tenths of the one after it; `calls` is how many are called for a thousand turns.
local LIVING = 20000
local HEARING = 30000
local CAME_KEPT = 20
local FEW = 2000 -- hundredths: of fewer than twenty called nothing is concluded
local PASSES = 512 -- places whose moments of entry share one string, six bytes each

local function seen_key(at)
  return HEAD .. ':seen:' .. floor(at / head.slot_ms) * head.slot_ms / 1000
end

local function seen_keep(key)
  redis.call('PEXPIRE', key, rules.idle_s * 1000 + 2 * head.slot_ms)
end

-- The bitmaps of everybody heard of since this moment.
local function seen_since(moment)
  local keys = {}
  for at = floor(moment / head.slot_ms) * head.slot_ms, now, head.slot_ms do keys[#keys + 1] = seen_key(at) end
  return keys
end

local function came_key(w)
  return HEAD .. ':came:' .. w
end

local function is_heard()
  return now - head.listening_since >= HEARING
end

-- Put those who wait from `from` up to but not including `to`, and of whom one of these bitmaps tells, into SCRATCH, the
-- first byte being that of `from`; returns how many.
local function living_put(from, to, keys)
  local first, last = floor((from - head.base) / 8), floor((to - 1 - head.base) / 8)
  redis.call('SET', SCRATCH, redis.call('GETRANGE', WAITING, first, last))
  if is_heard() then
    local parts = {}
    for i, key in ipairs(keys) do
      parts[i] = OTHER .. i
      redis.call('SET', parts[i], redis.call('GETRANGE', key, first, last))
    end
    redis.call('BITOP', 'OR', OTHER, unpack(parts))
    redis.call('BITOP', 'AND', SCRATCH, SCRATCH, OTHER)
    redis.call('DEL', OTHER, unpack(parts))
  end
  local length = redis.call('STRLEN', SCRATCH)
  local skip, over = (from - head.base) % 8, (to - head.base) % 8
  if skip > 0 and length > 0 then
    local byte = string.byte(redis.call('GETRANGE', SCRATCH, 0, 0))
    redis.call('SETRANGE', SCRATCH, 0, string.char(bit.band(byte, 2 ^ (8 - skip) - 1)))
  end
  if over > 0 and length == last - first + 1 then
    local byte = string.byte(redis.call('GETRANGE', SCRATCH, -1, -1))
    redis.call('SETRANGE', SCRATCH, length - 1, string.char(bit.band(byte, 256 - 2 ^ (8 - over))))
  end
  return redis.call('BITCOUNT', SCRATCH)
end

-- Move the front past so many more living places; past everybody if there are fewer. Looks at ever longer stretches, so
-- that the cost follows how far the front moves. Returns how many are called.
local function call_more(places)
  local asked, at, bytes = places, head.front, 64 + floor(places / 4)
  local heard = seen_since(now - LIVING)
  while at < head.next and head.waiting > 0 do
    local first = floor((at - head.base) / 8)
    local stop = min(head.next, head.base + (first + bytes) * 8)
    local found = living_put(at, stop, heard)
    if found >= places then
      head.front = head.base + first * 8 + scratch_kth(places, redis.call('STRLEN', SCRATCH)) + 1
      redis.call('DEL', SCRATCH)
      return asked
    end
    places, at, bytes = places - found, stop, bytes * 2
  end
  redis.call('DEL', SCRATCH)
  head.front = head.next
  return asked - places
end

-- Places that are called, have not entered, and are still there.
local function called_living()
  local lowest = head.waiting > 0 and redis.call('BITPOS', WAITING, 1) or -1
  if lowest < 0 then return 0 end
  local at, living = head.base + lowest, 0
  local before = min(head.front_at, head.front)
  if at < before then
    living = living_put(at, before, {came_key(window - 1), came_key(window)})
    at = before
  end
  if at < head.front then living = living + living_put(at, head.front, seen_since(now - LIVING)) end
  redis.call('DEL', SCRATCH)
  return living
end

-- Call as many as the window has room for, less those who are called already and are still there: the longer they take,
-- the fewer come after them, so nobody is overtaken by more than a window. Some more, if some of those called did not come
-- lately. Returns how many are called; it may be given how many are by now, if that is known.
local function call_on(called)
  called = called or called_living()
  if is_calling() and head.waiting > 0 then
    local short = window_room() - called
    if short > 0 and head.front < head.next then
      local found = call_more(math.ceil(short * max(1000, head.calls) / 1000))
      if is_heard() then head.called = head.called + 100 * found end
      called = called_living()
    end
  end
  return called
end

-- Weigh anew how many of those called come. Those who are outside and still speak may yet: returns how many they are, if
-- that had to be counted.
local function window_begin()
  for _ = 1, min(window - head.window, 100) do
    head.called, head.shown = floor(head.called * 9 / 10), floor(head.shown * 9 / 10)
  end
  head.front_at, head.calls = head.front, 1000
  if head.called >= FEW then
    local called = called_living()
    local due = head.called - 100 * called
    if due > head.shown then head.calls = min(2000, floor(1000 * due / max(1, head.shown))) end
    return called
  end
end

-- The first step of a new window calls, and the first after N fell. Windows in which nobody spoke call nothing. While
-- everybody may enter nobody is called: those who wait keep their order for when that ends.
local function call_window()
  local is_new = window > head.window
  local called = is_new and window_begin() or nil
  head.window = window
  if head.waiting == 0 and (is_free() or is_calling()) then
    head.front = head.next
  elseif is_new or is_uncalled then
    call_on(called)
  end
end

-- How many may enter at this moment while a line stands; a newcomer needs only the minute (see join.lua).
local function minute_room()
  return max(0, rules.per_minute - head.log_total)
end

local function entry_room()
  if is_free() then return math.huge end
  if not is_calling() then return 0 end
  return min(window_room(), minute_room())
end

-- --- entries -----------------------------------------------------------------------------------------------------------

-- By epoch: a line that was cleared gives the same places again, to others.
local function pass_slot(place)
  return HEAD .. ':passes:' .. head.epoch .. ':' .. floor(place / PASSES), place % PASSES * 6
end

-- When this place entered, or 0 if that is forgotten.
local function pass_of(place)
  local key, at = pass_slot(place)
  local packed = redis.call('GETRANGE', key, at, at + 5)
  return #packed == 6 and struct.unpack('>I6', packed) or 0
end

-- Count entries of this moment, of ascending places, and note each place's, so that a repeated claim is given the same
-- answer. Neighbours are written at once.
local function enter(places)
  if #places == 0 then return end
  used_add(#places, window, floor(now / BUCKET))
  count('entries', #places)
  local packed, touched, i = struct.pack('>I6', now), {}, 1
  while i <= #places do
    local key, at = pass_slot(places[i])
    local run = 1
    while places[i + run] == places[i] + run and at / 6 + run < PASSES do run = run + 1 end
    redis.call('SETRANGE', key, at, string.rep(packed, run))
    touched[key], i = true, i + run
  end
  for key in pairs(touched) do redis.call('EXPIRE', key, rules.pass_s + 120) end
end

-- Eight buckets to each doubling of the time waited.
local function count_wait(waited_ms)
  local fraction, power = math.frexp(1 + max(0, waited_ms) / 1000)
  count('wait:' .. floor(8 * (power + math.log(fraction) / math.log(2))), 1)
end
