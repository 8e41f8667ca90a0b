-- A cell is the debt, and the unit that it was counted in: the policy may have changed.
local function after(r, now, ticks)
  if ticks == 0 then return 0 end
  return (div(now, r.tick) + ticks) * r.tick - now
end
kinds[0] = {
  new = function() return {debt = 0} end,
  read = function(r, v, pos)
    local debt, unit = unpack('<dd', v, pos)
    if unit ~= r.unit then debt = math.ceil(debt / unit * r.unit) end
    return {debt = debt}, pos + 16
  end,
  write = function(r, c) return pack('<dd', c.debt, r.unit) end,
  advance = function(r, c, last, now)
    local ticks = r.tick == 1 and now - last or div(now, r.tick) - div(last, r.tick)
    c.debt = max(0, c.debt - ticks * r.drain)
  end,
  left = function(r, c) return div(max(0, r.capacity * r.unit - c.debt), r.unit) end,
  wait = function(r, c, now, n) return after(r, now, ceil(c.debt + (n - r.capacity) * r.unit, r.drain)) end,
  reset = function(r, c, now) return after(r, now, ceil(c.debt, r.drain)) end,
  add = function(r, c, now, n) c.debt = c.debt + n * r.unit end,
}
