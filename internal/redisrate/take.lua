-- Counts one call of a caller against all its limits, or against none when one of them is used up.
-- KEYS[1]: a hash with, by the limit's name, when it is free again: microseconds of the epoch, a space, nanoseconds beyond them.
-- ARGV: for each limit its name, its interval and its tolerance in nanoseconds.
-- Answers which limit refuses (0: none), how many nanoseconds to wait, the server's time in microseconds, and of each limit how many
-- nanoseconds it is ahead of that time, this call included when it passes.
-- Numbers are doubles here: microseconds of the epoch are exact until 2255, differences in nanoseconds for 104 days.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local ahead, refused, wait = {}, 0, 0
for i = 1, #ARGV / 3 do
  local name, interval, tolerance = ARGV[i * 3 - 2], tonumber(ARGV[i * 3 - 1]), tonumber(ARGV[i * 3])
  ahead[i] = 0
  local free = redis.call('HGET', KEYS[1], name)
  if free then
    local us, ns = string.match(free, '^(%d+) (%d+)$')
    -- At most as far as the limit itself can bring it: a server whose clock is behind another's, as after a failover, shuts nobody out.
    ahead[i] = math.min(math.max((us - now) * 1000 + ns, 0), tolerance + interval)
  end
  if ahead[i] - tolerance > wait then
    refused, wait = i, ahead[i] - tolerance
  end
end
if refused == 0 then
  local fields, last = {}, 0
  for i = 1, #ahead do
    ahead[i] = ahead[i] + tonumber(ARGV[i * 3 - 1])
    last = math.max(last, ahead[i])
    local ns = ahead[i] % 1000
    fields[#fields + 1] = ARGV[i * 3 - 2]
    fields[#fields + 1] = string.format('%.0f %.0f', now + (ahead[i] - ns) / 1000, ns)
  end
  redis.call('HSET', KEYS[1], unpack(fields))
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil(last / 1000000)))
end
return {refused, wait, now, unpack(ahead)}
