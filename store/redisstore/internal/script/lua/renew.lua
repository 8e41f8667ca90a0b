-- KEYS k  ARGV tok8 leaseMs      reply 1 still yours | 0 lost
local h=head()
if not h or not mine(h,ARGV[1]) then return 0 end
if everybodys(h) then return 1 end
local t,lms=now(),tonumber(ARGV[2])
local left=redis.call('PTTL',k)
if left<0 or left>lms then redis.call('SETRANGE',k,$leaseUntil.at,p64(t+lms))
else noval(ARGV[1],t+lms,string.sub(h,$hold),lms,isvalue(h) and Z8 or string.sub(h,$stamp)) end -- a hold ends before that, as before its key
redis.call('GETRANGE',k,0,0)
return 1
