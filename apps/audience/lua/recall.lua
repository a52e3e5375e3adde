-- Purpose: how many watched at a moment of the last minutes, from the points that sweeps put down.
-- KEYS:    1 view:{S}:trail (list of epoch_s:current, newest first)
-- ARGV:    1 the moment (epoch s)  2 how many seconds before it a point may be
-- Returns: {viewers at the moment, most viewers from the beginning of the trail until then}; {} if no point is so near
-- Repeat:  it only reads
local at, within = tonumber(ARGV[1]), tonumber(ARGV[2])
local then_, most
for _, point in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  local second, viewers = string.match(point, '^(%d+):(%d+)$')
  second, viewers = tonumber(second), tonumber(viewers)
  if second and second <= at then
    if not then_ then
      if second < at - within then return {} end
      then_, most = viewers, viewers
    elseif viewers > most then
      most = viewers
    end
  end
end
if not then_ then return {} end
return {then_, most}
