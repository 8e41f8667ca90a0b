-- KEYS k  ARGV htok8 holdMs      reply {sole?1:0, holdLeft}
local h=head()
local t=now()
local till,ht=t+tonumber(ARGV[2]),ARGV[1]
local hu=h and u64(h,$holdUntil.pos) or 0
if hu>t then ht=F8 if hu>till then till=hu end end
drop(p64(till)..ht..Z8,till-t)
return {ht==ARGV[1] and 1 or 0,till-t}
