-- argv: op 0 id8 rules: op 0 gives back what passed with the id, 1 makes it count from now
-- reply 1, or 0 if it counts no longer
local op, _, id = unpack('<ddc8', argv)
local ok, idle = 1, 0
for i, r in ipairs(rules) do
  local c = cells[i]
  if r.kind == 4 then
    local n = r.k.remove(r, c, id)
    if n == 0 then ok = 0 elseif op == 1 then r.k.add(r, c, now, n, id) end
  end
  idle = max(idle, r.k.reset(r, c, now))
end
write(idle)
return ok
