-- ARGV[1]: the horizon, then eight numbers a rule. The value: a byte that tells the
-- format, the time when it was true, and the cells. Afterwards rules and cells are
-- those of now.
local t = redis.call('TIME')
local real = t[1] * 1000000 + t[2]
local now, last, moved = real, real, 0
local value = redis.call('GET', key)
if value and string.byte(value) ~= 1 then value = nil end
if value then
  last = unpack('<d', value, 2)
  if last > now then
    -- The clock was set back, or this is another server's. By a little: time stands
    -- still until it has caught up. By so much that nobody could wait for it: what was
    -- true then is taken for true now.
    if last - now > unpack('<d', argv[1]) then last, moved = now, last - now else now = last end
  end
end
local rules, cells, pos = {}, {}, 10
for p = 9, #argv[1], 64 do
  local r = {}
  r.kind, r.capacity, r.window, r.tick, r.unit, r.drain, r.full, r.grain = unpack('<dddddddd', argv[1], p)
  r.k = kinds[r.kind]
  local c
  if value then c, pos = r.k.read(r, value, pos) else c = r.k.new() end
  r.k.advance(r, c, last, now, moved)
  rules[#rules + 1], cells[#cells + 1] = r, c
end
-- Writes the cells, to end when they are as if never used, in idle microseconds.
local function write(idle)
  if idle == 0 then return redis.call('DEL', key) end
  local parts = {pack('<d', now)}
  for i, r in ipairs(rules) do parts[i + 1] = r.k.write(r, cells[i]) end
  redis.call('SET', key, '\1' .. table.concat(parts), 'PX', string.format('%.0f', ceil(idle + now - real, 1000)))
end
