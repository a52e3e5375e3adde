-- Put after calling.lua before scripts that hear who is still there, put lost tickets back, or take out the silent.
local TRIM = 65536 -- bitmaps begin at a multiple of this

-- OR a string of bits into a bitmap; `at` is the byte, counted from the base, where it begins.
local function bits_or(key, at, bits)
  scratch_put(at, bits)
  redis.call('BITOP', 'OR', key, key, SCRATCH)
  redis.call('DEL', SCRATCH)
end

-- Bits that stand too far beyond the line are no tickets of ours: cut them off, lest memory follow them.
local function bits_within(first, bits)
  return string.sub(bits, 1, max(0, floor((head.next + LOST_TICKETS - first) / 8)))
end

-- Put tickets back into the line, except those that entered.
local function put_back(first, bits)
  if bits == '' then return end
  scratch_put((first - head.base) / 8, bits)
  redis.call('BITOP', 'AND', OTHER, SCRATCH, ENTERED)
  redis.call('BITOP', 'XOR', SCRATCH, SCRATCH, OTHER)
  redis.call('BITOP', 'OR', WAITING, WAITING, SCRATCH)
  redis.call('DEL', SCRATCH, OTHER)
  local waiting = redis.call('BITCOUNT', WAITING)
  if waiting == head.waiting then return end
  head.waiting, line_changed = waiting, true
  for at = #bits, max(1, floor((head.next - first) / 8) + 1), -1 do
    local byte = string.byte(bits, at)
    if byte > 0 then
      local place = first + at * 8 - 1
      while byte % 2 == 0 do byte, place = byte / 2, place - 1 end
      return given_to(place)
    end
  end
end

-- Cut off whatever lies below the lowest place that may still wait, so that memory follows the living and not history.
local function trim()
  local lowest = head.front
  if head.waiting > 0 then lowest = min(lowest, head.base + redis.call('BITPOS', WAITING, 1)) end
  local base = floor(lowest / TRIM) * TRIM
  if base <= head.base then return end
  local cut = (base - head.base) / 8
  local keys = seen_since(now - rules.idle_s * 1000 - head.slot_ms)
  for _, key in ipairs({WAITING, ENTERED, came_key(window), came_key(window - 1)}) do keys[#keys + 1] = key end
  for _, key in ipairs(keys) do
    local rest = redis.call('GETRANGE', key, cut, -1)
    if rest == '' then redis.call('DEL', key) else redis.call('SET', key, rest, 'KEEPTTL') end
  end
  head.base, line_changed = base, true
end

-- Take out everybody not heard of for the idle limit. Nobody, unless the line was listened to all that while: silence
-- that nobody could have broken says nothing. Also counts the line anew, and trims it. Returns how many went.
local function evict()
  local evicted, idle = 0, rules.idle_s * 1000
  head.evicted_at, head.waiting = now, redis.call('BITCOUNT', WAITING)
  local stood = head.waiting
  if head.waiting > 0 and now - head.pulsed_at <= DEAF and now - head.listening_since >= idle then
    redis.call('BITOP', 'OR', SCRATCH, unpack(seen_since(now - idle)))
    redis.call('BITOP', 'AND', SCRATCH, SCRATCH, WAITING)
    local staying = redis.call('BITCOUNT', SCRATCH)
    if staying < head.waiting then
      redis.call('BITOP', 'OR', WAITING, SCRATCH)
      evicted = head.waiting - staying
      head.waiting, line_changed = staying, true
      count('evicted', evicted)
    end
    redis.call('DEL', SCRATCH)
  end
  if now - head.restored_at >= GRACE then trim() end
  -- A minute in which nobody waits and nothing happens is not told of, unless the one before ended with a line.
  local stats = HEAD .. ':stats:' .. floor(now / MINUTE)
  local before = HEAD .. ':stats:' .. floor(now / MINUTE) - 1
  if stood > 0 or redis.call('EXISTS', stats) == 1
    or tonumber(redis.call('HGET', before, 'waiting') or 0) > 0 then
    local peak = max(stood, tonumber(redis.call('HGET', stats, 'peak') or 0))
    redis.call('HSET', stats, 'waiting', head.waiting, 'peak', peak)
    redis.call('EXPIRE', stats, STATS_KEPT)
  end
  return evicted
end
