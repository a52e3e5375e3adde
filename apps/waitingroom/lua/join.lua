-- Purpose: so many newcomers get a place each; the first of them enter at once if nobody waits and the minute has room.
-- KEYS:    1 line:{Z}  2 line:{Z}:whole, which never exists
-- ARGV:    1 now (epoch ms or empty)  2 epoch  3 server  4 number of this batch  5 newcomers, 1 to 1,000
-- Returns: {'ok', first place, newcomers, how many of them entered, now, '1' if places were drawn by lot, waiting,
--          {places, if drawn}, first place not yet called, entries of the minute, epoch ms of the oldest of them or 0,
--          {window, entries, ...}}, or {'closed'}, or {'lost'}, or {'epoch', the line's}
-- Repeat:  the same batch of the same server is given the same answer; a server sends one batch at a time
local refused = line_open(ARGV[2])
if refused then return refused end
call_window()

local batch_key, batch = HEAD .. ':batch:' .. ARGV[3], ARGV[2] .. ':' .. ARGV[4]
local packed = redis.call('GET', batch_key)
if packed then
  local known = cmsgpack.unpack(packed)
  if known[1] == batch then
    line_close()
    return known[2]
  end
end

local newcomers = tonumber(ARGV[5])
if rules.mode == 'blocked' or not (has_opened() or is_prequeue() or is_free()) then
  count('refused', newcomers)
  line_close()
  return {'closed'}
end

local first, entering, drawn = head.next, 0, {}
if is_free() then
  entering = newcomers
  if rules.mode == 'observe' then count('would_wait', max(0, newcomers - minute_room())) end
elseif is_prequeue() then
  draw(newcomers, drawn)
  first = drawn[1]
elseif rules.mode == 'open' and head.waiting == 0 then
  entering = min(newcomers, minute_room())
end

local seen = seen_key(now)
if drawn[1] then
  local offsets = {}
  for i, place in ipairs(drawn) do offsets[i] = place - head.base end
  many_set(WAITING, offsets, 1)
  many_set(seen, offsets, 1)
else
  head.next = first + newcomers
  local from = first - head.base
  range_set(ENTERED, from, from + entering)
  range_set(WAITING, from + entering, from + newcomers)
  range_set(seen, from + entering, from + newcomers)
  if entering > 0 then
    local places = {}
    for i = 1, entering do places[i] = first + i - 1 end
    enter(places)
    count('wait:0', entering)
    if head.waiting == 0 then head.front = first + entering end
  end
end
if entering < newcomers then
  seen_keep(seen)
  head.waiting, line_changed = head.waiting + newcomers - entering, true
end
count('joins', newcomers)
line_close()
local answer = {
  'ok', first, newcomers, entering, now, drawn[1] and 1 or 0, head.waiting, drawn, head.front, head.log_total,
  log_oldest(), windows_flat(),
}
redis.call('SET', batch_key, cmsgpack.pack({batch, answer}), 'EX', 600)
return answer
