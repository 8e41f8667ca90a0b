-- ARGV: rules op id8: op 0 gives back what passed with the id, 1 makes it count from now
-- reply 1, or 0 if it counts no longer
local ok, idle = 1, 0
for i, r in ipairs(rules) do
  local c = cells[i]
  if r.kind == 4 then
    local n = r.k.remove(r, c, argv[3])
    if n == 0 then ok = 0 elseif argv[2] == '1' then r.k.add(r, c, now, n, argv[3]) end
  end
  idle = max(idle, r.k.reset(r, c, now))
end
write(idle)
return ok
