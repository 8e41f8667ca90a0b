-- KEYS k  ARGV tok8 ms stamp8      what was loaded under the lease cannot be stored: the lease is now everybody's
-- reply 1 | 2 it was before | 0 nothing was done: the lease is lost, or a hold is on
-- The record is what a change of the key removes, so that all who have read it are told of the change.
local h=head()
if not h or not mine(h,ARGV[1]) then return 0 end
if everybodys(h) then return 2 end
if u64(h,$holdUntil.pos)~=0 then return 0 end
redis.call('SET',k,'N\$format\$flag.unstorable\0'..ARGV[1]..ARGV[1]..string.rep('\0',$from.leaseUntil.to.stamp)..ARGV[3]..string.rep('\0',$from.version.to.size),'PX',ARGV[2])
redis.call('GETRANGE',k,0,0) -- the write made Redis forget that this connection reads the key
return 1
