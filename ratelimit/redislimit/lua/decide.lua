-- argv: n mode id8 rules: mode 0 for n or nothing, 1 for up to n, 2 to charge nothing
-- reply allowed,passed,rule,left,wait,reset,next,now, eight bytes each: meter.Decide
local n, mode, id = unpack('<ddc8', argv)
local left, rule, wait, passed, idle = nil, 1, 0, 0, 0
for i, r in ipairs(rules) do
  local l = r.k.left(r, cells[i], now)
  if not left or l < left then left, rule = l, i end
end
if mode == 1 then n = max(1, math.min(n, left)) end
local allowed = n <= left and 1 or 0
if allowed == 0 then
  for i, r in ipairs(rules) do
    if n > r.capacity then
      rule, wait, left = i, -1, r.k.left(r, cells[i], now)
      break
    end
    local l = r.k.left(r, cells[i], now)
    local w = n > l and r.k.wait(r, cells[i], now, n) or 0
    if w > wait then rule, wait, left = i, w, l end
  end
elseif mode ~= 2 then
  passed, left = n, left - n
  for i, r in ipairs(rules) do r.k.add(r, cells[i], now, n, id) end
end
if passed > 0 or moved > 0 then -- what was moved would be so for ever
  for i, r in ipairs(rules) do idle = max(idle, r.k.reset(r, cells[i], now)) end
  write(idle)
end
local r, c = rules[rule], cells[rule]
local more = left < r.capacity and r.k.wait(r, c, now, left + 1) or 0
return pack('<dddddddd', allowed, passed, rule, left, wait, r.k.reset(r, c, now), more, now)
