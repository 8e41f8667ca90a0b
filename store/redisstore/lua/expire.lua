-- KEYS k  ARGV ttlMs, 0 for none, negative for over      reply 1 | 0 there is nothing
-- The soft expiry is kept in the record as a distance from the hard one, and moves along.
local g=redis.pcall('GETRANGE',k,0,1)
if type(g)~='string' or g=='' or g=='N\1' then return 0 end
local ttl=tonumber(ARGV[1])
local h=head()
local endless=h and flag(string.byte(h,3),32)
if ttl<0 then return redis.call('DEL',k) end
if ttl==0 then
  if endless then return 1 end
  if h then redis.call('SETRANGE',k,56,'\255\255\255\255') end
  redis.call('PERSIST',k)
  return 1
end
if endless then redis.call('SETRANGE',k,2,string.char(string.byte(h,3)-32)) end
redis.call('PEXPIRE',k,ttl)
if h then ends(ttl) end
return 1
