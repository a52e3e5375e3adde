-- Put first before every script that touches a line: bitmaps. Bit 0 is the most significant bit of the first byte, as
-- SETBIT has it. Cost follows the bytes that are touched; the number of Redis calls never follows the number waiting.
local floor, min, max = math.floor, math.min, math.max
-- Two scratch keys in the line's own slot; each is gone when its step ends.
local SCRATCH, OTHER = KEYS[1] .. ':scratch:a', KEYS[1] .. ':scratch:b'

local function byte_or(key, at, mask)
  local byte = redis.call('GETRANGE', key, at, at)
  redis.call('SETRANGE', key, at, string.char(bit.bor(byte == '' and 0 or string.byte(byte), mask)))
end

-- Set the bits from `from` up to but not including `to`.
local function range_set(key, from, to)
  if from >= to then return end
  local first, last = floor(from / 8), floor((to - 1) / 8)
  local after, before = 2 ^ (8 - from % 8) - 1, 256 - 2 ^ (7 - (to - 1) % 8)
  if first == last then return byte_or(key, first, bit.band(after, before)) end
  byte_or(key, first, after)
  byte_or(key, last, before)
  if last - first > 1 then redis.call('SETRANGE', key, first + 1, string.rep('\255', last - first - 1)) end
end

-- Read many bits at once: a list of 0 and 1 for a list of at most 1,000 offsets.
local function many_get(key, offsets)
  if #offsets == 0 then return {} end
  local args = {}
  for i, offset in ipairs(offsets) do args[i * 3 - 2], args[i * 3 - 1], args[i * 3] = 'GET', 'u1', offset end
  return redis.call('BITFIELD', key, unpack(args))
end

-- Write many bits at once, each to `value`.
local function many_set(key, offsets, value)
  if #offsets == 0 then return end
  local args = {}
  for i, offset in ipairs(offsets) do
    args[i * 4 - 3], args[i * 4 - 2], args[i * 4 - 1], args[i * 4] = 'SET', 'u1', offset, value
  end
  redis.call('BITFIELD', key, unpack(args))
end

-- Put a string of bits, which begins at this byte, into SCRATCH; what it covers before the first byte is cut off.
local function scratch_put(at, bits)
  redis.call('DEL', SCRATCH)
  if at < 0 then bits, at = string.sub(bits, 1 - at), 0 end
  if bits ~= '' then redis.call('SETRANGE', SCRATCH, at, bits) end
end

-- The offset, within SCRATCH, of its k-th set bit; it has at least so many. Halves the bytes until one is left.
local function scratch_kth(k, bytes)
  local low, high, before = 0, bytes - 1, 0
  while low < high do
    local middle = floor((low + high) / 2)
    local count = redis.call('BITCOUNT', SCRATCH, low, middle)
    if before + count >= k then
      high = middle
    else
      low, before = middle + 1, before + count
    end
  end
  local byte = string.byte(redis.call('GETRANGE', SCRATCH, low, low))
  for place = 0, 7 do
    if bit.band(byte, 2 ^ (7 - place)) ~= 0 then
      before = before + 1
      if before == k then return low * 8 + place end
    end
  end
end
