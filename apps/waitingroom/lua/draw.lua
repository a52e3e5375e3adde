-- Put after calling.lua before join.lua: the draw of the pre-queue, the formula of shuffle.py in doubles.
--
-- Everyone who comes before the opening gets the next index of the draw, and the place that it is shuffled to within its
-- block of 2^21. The draw begins at a whole block beyond everybody who stood there before it.
local BLOCK = 2097152
local WORD = 4294967296

local function xor(a, b)
  return bit.bxor(a, b) % WORD
end

local function mix(h)
  h = xor(h, floor(h / 32768)) * 0x9E379 % WORD
  h = xor(h, floor(h / 8192)) * 0xD35A5 % WORD
  h = xor(h, floor(h / 65536)) * 0xB4F4B % WORD
  return xor(h, floor(h / 32768))
end

local function round_constants(seed)
  local low, high, words = seed % 134217728, floor(seed / 134217728), {}
  for n = 1, 8 do words[n] = mix(xor(mix(n * 134217728 + low), high)) end
  return words
end

-- Append the places of the next `newcomers` to `places`, and move the line's end behind the blocks in use.
local function draw(newcomers, places)
  if head.draw_to ~= head.next or head.draw_to == 0 then
    head.draw_from, head.drawn = math.ceil(head.next / BLOCK) * BLOCK, 0
  end
  local words = round_constants(rules.seed)
  for i = 0, newcomers - 1 do
    local index = head.drawn + i
    local x = index % BLOCK
    local block = index - x
    for r = 1, 7, 2 do
      x = xor(x, words[r] % BLOCK) * (words[r + 1] % 1048576 * 2 + 1) % BLOCK
      x = xor(x, floor(x / 2048))
    end
    places[i + 1] = head.draw_from + block + x
  end
  head.drawn = head.drawn + newcomers
  head.draw_to = head.draw_from + math.ceil(head.drawn / BLOCK) * BLOCK
  head.next = head.draw_to
  -- Nobody is called before the opening: the front stands before the first block.
  head.front = min(head.front, head.draw_from)
end
