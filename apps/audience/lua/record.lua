-- Put before every script that writes down, hands out or counts sessions that are over: what one record looks like.
-- Writer and reader share it: session|left_ms|reason|joined_ms|viewer, of which the last two are as live:sessions has
-- them. One field and no more, since a stream repeats the names of fields in every reply.
local FIELD = 'r'
-- Who takes records: a worker's share is what it was handed out and has not acknowledged.
local GROUP = 'database'

local function write_down(past, session, held, left, reason)
  local rest = string.match(held, '|(.*)$') or held
  redis.call('XADD', past, '*', FIELD, session .. '|' .. left .. '|' .. reason .. '|' .. rest)
end

-- {sessions that wait to be written into the database, epoch ms since when the oldest does, 0 if none waits}.
local function waiting(past, about, ended)
  local count, oldest = redis.call('XLEN', past), 0
  if count > 0 then
    oldest = tonumber(string.match(redis.call('XRANGE', past, '-', '+', 'COUNT', 1)[1][1], '^%d+'))
  end
  local left_over = redis.call('HLEN', ended)
  if left_over > 0 then
    local since = tonumber(redis.call('HGET', about, 'ended_ms') or 0)
    if oldest == 0 or since < oldest then oldest = since end
  end
  return {count + left_over, oldest}
end
