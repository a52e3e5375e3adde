-- Purpose: a gate reads which zones there are, if that has changed. A script, because both keys must be of one moment,
--          and of the master: a replica that lags would hide a change whose number the gate has seen.
-- KEYS:    1 gate:{zones}:catalog  2 gate:{zones}:version
-- ARGV:    1 the number that the gate has seen, or empty to read in any case
-- Returns: {the number, 0 if there is none, {zone, rules as JSON, ...} or nil if it is the same}
-- Repeat:  changes nothing
local version = redis.call('GET', KEYS[2]) or '0'
return {tonumber(version), version ~= ARGV[1] and redis.call('HGETALL', KEYS[1]) or false}
