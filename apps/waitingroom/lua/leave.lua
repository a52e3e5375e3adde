-- Purpose: these people leave the line of their own will.
-- KEYS:    1 line:{Z}  2 line:{Z}:whole, which never exists
-- ARGV:    1 now (epoch ms or empty)  2 epoch  then at most 1,000 places
-- Returns: {'ok', for each 1 if it was waiting, else 0}, or {'lost'}, or {'epoch', the line's}
-- Repeat:  who left is no longer there
local refused = line_open(ARGV[2])
if refused then return refused end
call_window()

local offsets, asked, answer = {}, {}, {}
for i = 3, #ARGV do
  answer[i - 2] = 0
  local place = tonumber(ARGV[i])
  if place >= head.base and place < head.next then
    offsets[#offsets + 1], asked[#asked + 1] = place - head.base, i - 2
  end
end
local bits = many_get(WAITING, offsets)
local left, once = {}, {}
for i, offset in ipairs(offsets) do
  if bits[i] == 1 and not once[offset] then
    left[#left + 1], once[offset], answer[asked[i]] = offset, true, 1
  end
end
if #left > 0 then
  many_set(WAITING, left, 0)
  head.waiting, line_changed = head.waiting - #left, true
  count('left', #left)
end
line_close()
return {'ok', answer}
