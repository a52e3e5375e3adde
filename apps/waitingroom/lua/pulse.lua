-- Purpose: a gate says who was heard of, and reads the line. Calls people, and takes out the silent when that is due.
-- KEYS:    1 line:{Z}  2 line:{Z}:whole, which never exists
-- ARGV:    1 now (epoch ms or empty)  2 epoch  3 first place of the bits (a multiple of 8)  4 bits of those heard of, or
--          empty  5 the rev whose bits the gate has
-- Returns: {'ok', now, epoch, base, next, front, waiting, called and living, entries of the minute, epoch ms of the oldest
--          of them or 0, rev, version of the rules, restored at, {window, entries, ...}, bits or nil}, or {'lost'}, or
--          {'epoch', the line's}
-- Repeat:  who was heard of is only heard of again; calling and taking out are by the clock and not by the call
local refused = line_open(ARGV[2])
if refused then return refused end

if now - head.pulsed_at > DEAF then head.listening_since = now end
head.pulsed_at = now
local first = tonumber(ARGV[3])
local bits = bits_within(first, ARGV[4])
if bits ~= '' then
  local seen = seen_key(now)
  bits_or(seen, (first - head.base) / 8, bits)
  seen_keep(seen)
  local near = string.sub(bits, 1, max(0, floor(head.front / 8) + 1 - first / 8)) -- those called, to the end of a byte
  if near ~= '' then
    bits_or(came_key(window), (first - head.base) / 8, near)
    redis.call('EXPIRE', came_key(window), CAME_KEPT)
  end
  if now - head.restored_at < GRACE then put_back(first, bits) end
end
call_window()
if now - head.evicted_at >= 5000 then evict() end
local called = call_on()
line_close()

return {
  'ok', now, head.epoch, head.base, head.next, head.front, head.waiting, called, head.log_total, log_oldest(), head.rev,
  rules.version, head.restored_at, windows_flat(),
  head.rev ~= tonumber(ARGV[5]) and (redis.call('GET', WAITING) or '') or false,
}
