-- decide.lua for one policy, a GCRA, with nothing that others need: half of the time.
-- Same argument, same reply. The value also says until when the key lasts, so that the
-- TTL is set only when that is too soon, and how long a debt takes to drain is written
-- out each time: a function would be made anew in each call.
local call, unpack, floor, key = redis.call, struct.unpack, math.floor, KEYS[1]
local slack = 10000 -- milliseconds that the key lasts longer than it need
local n, mode, _, horizon, _, capacity, _, tick, unit, drain = unpack('<dddddddddd', ARGV[1])
local t = redis.call('TIME')
local real = t[1] * 1000000 + t[2]
local now, debt, lasts, moved = real, 0, 0, false
local value = call('GET', key)
if value and #value == 33 and string.byte(value) == 1 then
  local last, was
  last, debt, was, lasts = unpack('<dddd', value, 2)
  if was ~= unit then debt = math.ceil(debt / was * unit) end
  if last > now then
    if last - now > horizon then last, moved = now, true else now = last end
  end
  if tick == 1 then debt = debt - (now - last) * drain
  else debt = debt - (floor(now / tick) - floor(last / tick)) * drain end -- exact: ticks are 1000 and 1000000
  if debt < 0 then debt = 0 end
end
local room = capacity * unit
local left = debt < room and floor((room - debt) / unit) or 0
if left * unit > room - debt and left > 0 then left = left - 1 end -- what is just below a whole number may become it
if mode == 1 then
  if n > left then n = left end
  if n < 1 then n = 1 end
end
local base = (tick == 1 and now or floor(now / tick) * tick) - now
local allowed, passed, wait = 0, 0, 0
if n <= left then
  allowed = 1
  if mode ~= 2 then
    passed, left, debt = n, left - n, debt + n * unit
  end
elseif n > capacity then wait = -1
else
  local most = debt + n * unit - room + drain - 1
  wait = floor(most / drain)
  if wait * drain > most then wait = wait - 1 end
  wait = base + wait * tick
end
local reset, more = 0, 0
if debt > 0 then
  local most = debt + drain - 1
  reset = floor(most / drain)
  if reset * drain > most then reset = reset - 1 end
  reset = base + reset * tick
end
if left < capacity then
  local most = debt + (left + 1) * unit - room + drain - 1
  more = floor(most / drain)
  if more * drain > most then more = more - 1 end
  more = base + more * tick
end
if passed > 0 or moved then -- what was moved would be so for ever
  if reset == 0 then call('DEL', key)
  elseif lasts >= now + reset then call('SET', key, struct.pack('<bdddd', 1, now, debt, unit, lasts), 'KEEPTTL')
  else
    local ms = floor((now + reset - real) / 1000) + slack
    lasts = real + (ms - 1) * 1000
    call('SET', key, struct.pack('<bdddd', 1, now, debt, unit, lasts), 'PX', string.format('%d', ms))
  end
end
return struct.pack('<dddddddd', allowed, passed, 1, left, wait, reset, more, now)
