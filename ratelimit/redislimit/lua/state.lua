-- argv: 24 bytes for what comes after this, the horizon, then eight numbers a rule. The
-- value: a byte that tells the format, the time when it was true, and the cells.
-- Afterwards rules and cells are those of now.
local t = redis.call('TIME')
local real = t[1] * 1000000 + t[2]
local now, last, moved = real, real, 0
local rules, cells = {}, {}
for p = 33, #argv, 64 do
  local r = {}
  r.kind, r.capacity, r.window, r.tick, r.unit, r.drain, r.full, r.grain = unpack('<dddddddd', argv, p)
  r.k = kinds[r.kind]
  rules[#rules + 1], cells[#cells + 1] = r, r.k.new()
end
local function read(value)
  local found, pos, c = {}, 10
  for i, r in ipairs(rules) do
    c, pos = r.k.read(r, value, pos)
    found[i] = c
  end
  if string.byte(value) ~= 1 or pos ~= #value + 1 then error() end
  last, cells = unpack('<d', value, 2), found
end
local value = redis.call('GET', key)
if value and pcall(read, value) and last > now then -- what cannot be read counts for nothing
  -- The clock was set back, or this is another server's. By a little: time stands still
  -- until it has caught up. By so much that nobody could wait for it: what was true then
  -- is taken for true now.
  if last - now > unpack('<d', argv, 25) then last, moved = now, last - now else now = last end
end
for i, r in ipairs(rules) do r.k.advance(r, cells[i], last, now, moved) end
-- Writes the cells, to end when they are as if never used, in idle microseconds.
local function write(idle)
  if idle == 0 then return redis.call('DEL', key) end
  local parts = {pack('<d', now)}
  for i, r in ipairs(rules) do parts[i + 1] = r.k.write(r, cells[i]) end
  redis.call('SET', key, '\1' .. table.concat(parts), 'PX', ceil(idle + now - real, 1000))
end
