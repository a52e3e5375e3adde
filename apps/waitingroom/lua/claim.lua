-- Purpose: these people ask to enter. Who is called does, in order of places, while the window and the minute have room.
-- KEYS:    1 line:{Z}  2 line:{Z}:whole, which never exists
-- ARGV:    1 now (epoch ms or empty)  2 epoch  then for each, at most 500: place, ms waited
-- Returns: {'ok', a result each, in the order asked, when to ask again}, or {'lost'}, or {'epoch', the line's}. A result is
--          the epoch ms of the entry, or 0 wait, -1 gone (evicted, left or never here), -2 spent (entered, and the pass is
--          long over). When to ask again: the epoch ms at which the minute has room for one who was called, whom the
--          window would let in; 0 if nobody waits for that
-- Repeat:  who entered is given the same moment again
local refused = line_open(ARGV[2])
if refused then return refused end
call_window()

local places, waited, inside, offsets = {}, {}, {}, {}
for i = 3, #ARGV, 2 do
  local place = tonumber(ARGV[i])
  if not waited[place] then
    places[#places + 1], waited[place] = place, tonumber(ARGV[i + 1])
  end
end
table.sort(places)
for _, place in ipairs(places) do
  if place >= head.base and place < head.next + LOST_TICKETS then
    inside[#inside + 1], offsets[#offsets + 1] = place, place - head.base
  end
end
local is_waiting, has_entered = {}, {}
local waiting_bits, entered_bits = many_get(WAITING, offsets), many_get(ENTERED, offsets)
for i, place in ipairs(inside) do
  is_waiting[place], has_entered[place] = waiting_bits[i] == 1, entered_bits[i] == 1
end

-- Tickets that Redis lost and that turn up soon after.
if now - head.restored_at < GRACE then
  local back = {}
  for _, place in ipairs(inside) do
    if not is_waiting[place] and not has_entered[place] then
      back[#back + 1], is_waiting[place] = place - head.base, true
      given_to(place)
    end
  end
  if #back > 0 then
    many_set(WAITING, back, 1)
    many_set(seen_key(now), back, 1)
    seen_keep(seen_key(now))
    head.waiting, line_changed = head.waiting + #back, true
  end
end

local results, entering, off, refused_off, room = {}, {}, {}, {}, entry_room()
for _, place in ipairs(places) do
  if is_waiting[place] then
    if #entering < room and (place < head.front or is_free()) then
      entering[#entering + 1], off[#off + 1] = place, place - head.base
      results[place] = now
      count_wait(waited[place])
    else
      results[place] = 0
      refused_off[#refused_off + 1] = place - head.base
    end
  else
    local entered = pass_of(place)
    if entered > 0 and now < (floor(entered / 1000) + rules.pass_s) * 1000 then -- as its pass says, in whole seconds
      results[place] = entered
    else
      results[place] = (has_entered[place] or entered > 0) and -2 or -1
    end
  end
end
if #entering > 0 then
  many_set(WAITING, off, 0)
  many_set(ENTERED, off, 1)
  enter(entering)
  head.shown = head.shown + 100 * #entering
  head.waiting, line_changed = head.waiting - #entering, true
end
if #refused_off > 0 then
  many_set(came_key(window), refused_off, 1)
  redis.call('EXPIRE', came_key(window), CAME_KEPT)
end
line_close()

local answer, room_at = {}, 0
local lacks_minute = is_calling() and window_room() > 0 and minute_room() == 0
for i = 3, #ARGV, 2 do
  local place = tonumber(ARGV[i])
  answer[#answer + 1] = results[place]
  if results[place] == 0 and lacks_minute and place < head.front then room_at = log_oldest() + BUCKET + MINUTE end
end
return {'ok', answer, room_at}
