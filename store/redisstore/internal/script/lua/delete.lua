-- KEYS k  ARGV holdMs floor8|''      reply 1 something was there | 0
-- The value and the lease go; a hold stays and is never shortened.
local h=head()
local hu=h and u64(h,$holdUntil.pos) or 0
local hm=tonumber(ARGV[1])
if hm==0 and hu==0 then return redis.call('DEL',k) end
local t=now()
local till,floor=t+hm,ARGV[2]=='' and Z8 or ARGV[2]
if hu>t then
  local of=string.sub(h,$floor)
  if hm==0 or of==Z8 then floor=of elseif floor~=Z8 and cmp8(of,floor)>0 then floor=of end
  if hu>till then till=hu end
end
return drop(p64(till)..F8..floor,till-t)
