-- KEYS k      a write that is always replicated, and leaves what is there as it is
local k=KEYS[1]
local left=redis.call('PTTL',k)
redis.call('PERSIST',k) -- so that a full Redis accepts the rest, and for a key that has no end
if left>0 then redis.call('PEXPIRE',k,left)
elseif left==-1 then redis.call('PEXPIRE',k,3600000) redis.call('PERSIST',k)
else redis.call('SET',k,'','PX',1) redis.call('DEL',k) end
return 1
