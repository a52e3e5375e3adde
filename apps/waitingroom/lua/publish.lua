-- Purpose: a zone's rules as people saved them. A raised epoch clears the line; the minute still counts what entered.
-- KEYS:    1 line:{Z}  2 line:{Z}:whole, which never exists
-- ARGV:    1 now (epoch ms or empty)  2 '1' to open the line if there is none: the zone is new, Redis lost nothing
--          then the rules, see ruling.lua
-- Returns: 1 if written, 0 if newer rules were there
-- Repeat:  the same rules find everything done
if not rules_write(3) then return 0 end
rules = rules_read()
head = head_read()
if not head and ARGV[2] ~= '1' then return 1 end
if head and head.epoch >= rules.epoch then return 1 end

local before = head
head = head_new(rules.epoch)
if before then
  -- Time, what entered and whose memory this is go on; a doubt that is due is found by the next step.
  for _, name in ipairs({'now', 'window', 'log_total', 'pulsed_at', 'rev', 'run_id'}) do head[name] = before[name] end
  head.slot_ms, now = before.slot_ms, before.now
  head.rev = max(head.rev + 1, now)
  redis.call('DEL', WAITING, ENTERED)
  if head.slot_ms > 0 then redis.call('DEL', unpack(seen_since(now - 2 * rules.idle_s * 1000))) end
  for w = floor(now / WINDOW) - 1, floor(now / WINDOW) do redis.call('DEL', came_key(w)) end
else
  redis.call('DEL', WAITING, ENTERED)
  for _, entry in ipairs(redis.call('LRANGE', LOG, 0, -1)) do
    head.log_total = head.log_total + tonumber(string.match(entry, ':(%d+)$'))
  end
end
head.listening_since = max(head.now, clock())
head_write()
return 1
