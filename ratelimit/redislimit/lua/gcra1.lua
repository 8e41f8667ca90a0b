-- decide.lua for one policy, a GCRA, with nothing that others need: two thirds of the
-- time. Same arguments, same value, same reply.
local unpack, floor = struct.unpack, math.floor
local horizon, _, capacity, _, tick, unit, drain = unpack('<ddddddd', ARGV[1])
local n, mode = tonumber(ARGV[2]), ARGV[3]
local t = redis.call('TIME')
local real = t[1] * 1000000 + t[2]
local now, debt, moved = real, 0, false
local value = redis.call('GET', KEYS[1])
if value and #value == 25 and string.byte(value) == 1 then
  local last, was
  last, debt, was = unpack('<ddd', value, 2)
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
local base = tick == 1 and now or floor(now / tick) * tick
-- How long until a debt is drained.
local function after(over)
  if over <= 0 then return 0 end
  local ticks = floor((over + drain - 1) / drain)
  if ticks * drain > over + drain - 1 then ticks = ticks - 1 end
  return base + ticks * tick - now
end
if mode == '1' then
  if n > left then n = left end
  if n < 1 then n = 1 end
end
local allowed, passed, wait = 0, 0, 0
if n <= left then
  allowed = 1
  if mode ~= '2' then
    passed, left, debt = n, left - n, debt + n * unit
  end
elseif n > capacity then wait = -1
else wait = after(debt + n * unit - room) end
local reset = after(debt)
if passed > 0 or moved then -- what was moved would be so for ever
  if reset == 0 then redis.call('DEL', KEYS[1])
  else
    redis.call('SET', KEYS[1], struct.pack('<bddd', 1, now, debt, unit), 'PX', floor((reset + now - real + 999) / 1000))
  end
end
local more = left < capacity and after(debt + (left + 1) * unit - room) or 0
return struct.pack('<dddddddd', allowed, passed, 1, left, wait, reset, more, now)
