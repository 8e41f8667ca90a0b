-- KEYS k  ARGV ttlMs, 0 for none, negative for over      reply 1 | 0 there is nothing
local k,ttl=KEYS[1],tonumber(ARGV[1])
if redis.call('EXISTS',k)==0 then return 0 end
if ttl<0 then redis.call('DEL',k) elseif ttl==0 then redis.call('PERSIST',k) else redis.call('PEXPIRE',k,ttl) end
return 1
