-- KEYS k  ARGV ttlMs, 0 for none, negative for over      reply 1 | 0 there is nothing
-- The soft expiry is kept in the record as a distance from the hard one, and moves along.
local g=redis.pcall('GETRANGE',k,0,$format.at)
if type(g)~='string' or g=='' or g=='N\$format' then return 0 end
local ttl,h=tonumber(ARGV[1]),head()
if not h then -- a counter
  if ttl<0 then redis.call('DEL',k) elseif ttl==0 then redis.call('PERSIST',k) else redis.call('PEXPIRE',k,ttl) end
  return 1
end
local flags,bytes,left=string.byte(h,$flags.pos),string.sub(h,$keep),holds(h)
local keep,capped=u32(bytes),flag(flags,$flag.provisional)
if capped and (left<=0 or redis.call('PTTL',k)<=keep) then return 0 end -- it is over
if ttl<0 then drop(shared(h),left) return 1 end
if ttl==0 and flag(flags,$flag.endless) then return 1 end
local f,rest=without(flags,$flag.endless),bytes
if left>0 and (capped or ttl>0 and ttl<left) then -- neither outlives the other
  rest=select(2,provisional(ttl,capped and 0 or keep,left))
  f,ttl=with(f,$flag.provisional),left
elseif keep==4294967295 and (ttl==0 or ttl>keep) then
  local pttl=redis.call('PTTL',k)
  if pttl>=0 and pttl<=keep then -- it is not to be fresh again
    if ttl==0 then f=with(f,$flag.endless) end
    ttl=keep
  end
end
if f~=flags then redis.call('SETRANGE',k,$flags.at,string.char(f)) end
if rest~=bytes then redis.call('SETRANGE',k,$keep.at,rest) end
if ttl>0 then redis.call('PEXPIRE',k,ttl) ends(ttl) return 1 end
redis.call('SETRANGE',k,$end.at,'\255\255\255\255')
redis.call('PERSIST',k)
return 1
