-- Purpose: take everybody out of the line who has been silent for the idle limit; count and trim the line.
-- KEYS:    1 line:{Z}  2 line:{Z}:whole, which never exists
-- ARGV:    1 now (epoch ms or empty)
-- Returns: {'ok', how many went, waiting}, or {'lost'}
-- Repeat:  a second run finds nobody silent
local refused = line_open(nil)
if refused then return refused end
call_window()
local evicted = evict()
line_close()
return {'ok', evicted, head.waiting}
