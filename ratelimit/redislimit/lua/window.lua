-- A cell is the start of the present window, what that has let pass, and, of a counter,
-- what the one before has.
local function advance(r, c, last, now, moved)
  local start = now - math.fmod(now, r.window)
  if c.start >= start or moved > 0 then
    c.start = start
    return
  end
  c.before = start - c.start > r.window and 0 or c.count
  c.start, c.count = start, 0
end
local function share(r, c, now)
  local of = r.window / r.tick
  return max(0, of - div(now - c.start, r.tick)), of
end
local function add(r, c, now, n) c.count = c.count + n end
local function new() return {start = 0, count = 0, before = 0} end
kinds[1] = {
  new = new, advance = advance, add = add,
  read = function(r, v, pos)
    local start, count = unpack('<dd', v, pos)
    return {start = start, count = count}, pos + 16
  end,
  write = function(r, c) return pack('<dd', c.start, c.count) end,
  left = function(r, c) return max(0, r.capacity - c.count) end,
  wait = function(r, c, now) return c.start + r.window - now end,
  reset = function(r, c, now) return c.count == 0 and 0 or c.start + r.window - now end,
}
kinds[2] = {
  new = new, advance = advance, add = add,
  read = function(r, v, pos)
    local start, count, before = unpack('<ddd', v, pos)
    return {start = start, count = count, before = before}, pos + 24
  end,
  write = function(r, c) return pack('<ddd', c.start, c.count, c.before) end,
  left = function(r, c, now)
    local count, of = share(r, c, now)
    return max(0, div(max(0, r.capacity * of - c.before * count), of) - c.count)
  end,
  wait = function(r, c, now, n)
    local _, of = share(r, c, now)
    local room = r.capacity - c.count - n
    if room >= 0 then return c.start + (of - div(room * of, c.before)) * r.tick - now end
    return c.start + r.window + (of - div((r.capacity - n) * of, c.count)) * r.tick - now
  end,
  reset = function(r, c, now)
    if c.count > 0 then return c.start + 2 * r.window - now end
    return c.before > 0 and c.start + r.window - now or 0
  end,
}
