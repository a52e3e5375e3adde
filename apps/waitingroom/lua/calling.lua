-- Put after line.lua before scripts that call people, let them in or note that they were heard.
--
-- Living: waiting, and heard of within the current or the two slots before (20 to 30 s). Only the living are counted
-- when people are called; the silent before them are called along, in case they still come. While the line has not
-- been listened to for that long (Redis or the gates were away), silence says nothing: then all who wait count.
local LIVING = 20000
local HEARING = 30000
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

-- Put the living places from `from` up to but not including `to` into SCRATCH, the first byte being that of `from`.
local function living_put(from, to)
  local first, last = floor((from - head.base) / 8), floor((to - 1 - head.base) / 8)
  redis.call('SET', SCRATCH, redis.call('GETRANGE', WAITING, first, last))
  if now - head.listening_since >= HEARING then
    local parts = {}
    for i, key in ipairs(seen_since(now - LIVING)) do
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
-- that the cost follows how far the front moves.
local function call_more(places)
  if places <= 0 then return end
  local at, bytes = head.front, 64 + floor(places / 4)
  while at < head.next and head.waiting > 0 do
    local first = floor((at - head.base) / 8)
    local stop = min(head.next, head.base + (first + bytes) * 8)
    local found = living_put(at, stop)
    if found >= places then
      head.front = head.base + first * 8 + scratch_kth(places, redis.call('STRLEN', SCRATCH)) + 1
      redis.call('DEL', SCRATCH)
      return
    end
    places, at, bytes = places - found, stop, bytes * 2
  end
  redis.call('DEL', SCRATCH)
  head.front = head.next
end

-- Living places that are called and have not entered.
local function called_living()
  local lowest = head.waiting > 0 and redis.call('BITPOS', WAITING, 1) or -1
  if lowest < 0 or head.base + lowest >= head.front then return 0 end
  local living = living_put(head.base + lowest, head.front)
  redis.call('DEL', SCRATCH)
  return living
end

-- Call as many as the window has room for, less those who are called already and still speak: the longer they take, the
-- fewer come after them, so nobody is overtaken by more than a window. Returns how many are called.
local function call_on()
  local called = called_living()
  if is_calling() and head.waiting > 0 then
    local short = window_room() - called
    if short > 0 and head.front < head.next then
      call_more(short)
      called = called_living()
    end
  end
  return called
end

-- The first step of a new window calls. Windows in which nobody spoke call nothing.
local function call_window()
  local is_new = window > head.window
  head.window = window
  if is_free() or (is_calling() and head.waiting == 0) then
    head.front = head.next
  elseif is_new then
    call_on()
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

local function pass_slot(place)
  return HEAD .. ':passes:' .. floor(place / PASSES), place % PASSES * 6
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
