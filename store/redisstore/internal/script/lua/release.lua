-- KEYS k  ARGV tok8 backoffMs err|''      the load failed: give the lease back, or leave a back-off mark. reply 1|0
-- Without an err there is nothing to answer with but a value that is there.
local h=head()
if not h or not mine(h,ARGV[1]) then return 0 end
if everybodys(h) then return 1 end
local t,bo=now(),tonumber(ARGV[2])
local mark=bo>0 and F8..p64(t+bo) or Z8..Z8
if isvalue(h) then redis.call('SETRANGE',k,$lease.at,mark) redis.call('GETRANGE',k,0,0) return 1 end
local hu=u64(h,$holdUntil.pos)
if ARGV[3]=='' then bo,mark=0,Z8..Z8 end
local px=bo
if hu-t>px then px=hu-t end
if px<=0 then
  redis.call('DEL',k)
  redis.pcall('GETRANGE',k,0,0) -- it fails in a slot that is moving, where what is removed is on the other node
  return 1
end
redis.call('SET',k,'N\$format\0\0'..Z8..mark..string.sub(h,$hold)..string.rep('\0',$from.keep.to.size)..ARGV[3],'PX',px)
redis.call('GETRANGE',k,0,0)
return 1
