-- KEYS k  ARGV holdMs floor8|''      reply 1 something was there | 0
-- The value and the lease go; a hold stays and is never shortened.
local h=head()
local hu=h and u64(h,29) or 0
local hm=tonumber(ARGV[1])
if hm==0 and hu==0 then return redis.call('DEL',k) end
local t=now()
if hu<=t and hm==0 then return redis.call('DEL',k) end
local fl=ARGV[2]=='' and Z8 or ARGV[2]
local till=t+hm
if hu>t then
  local of=string.sub(h,45,52)
  if hm==0 or of==Z8 then fl=of elseif fl~=Z8 and cmp8(of,fl)>0 then fl=of end
  if hu>till then till=hu end
end
redis.call('DEL',k) -- first: it needs no memory, and after it Redis lets the SET pass when it is full
noval(Z8,0,p64(till)..F8..fl,till-t)
return h and 1 or 0
