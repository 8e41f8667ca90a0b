-- KEYS k  ARGV htok8 graceMs blob|'' hardMs
-- reply 2 value written | 1 removed, the bracket was the only one | 0 removed, there are others | -1 removed, the hold was lost or ran out
local h=head()
local t=now()
local gm=tonumber(ARGV[2])
local hu=h and u64(h,29) or 0
redis.call('DEL',k) -- see delete
if hu<=t then
  if gm>0 then noval(Z8,0,p64(t+gm)..F8..Z8,gm) end
  return -1
end
if string.sub(h,37,44)==ARGV[1] then
  if gm>0 then noval(Z8,0,p64(t+gm)..F8..Z8,gm) return 1 end
  if ARGV[3]~='' then
    local r=put(ARGV[3],tonumber(ARGV[4]))
    if failed(r) then return 1 end -- it is removed, which is right as well
    return 2
  end
  return 1
end
if t+gm>hu then hu=t+gm end
noval(Z8,0,p64(hu)..F8..Z8,hu-t)
return 0
