-- KEYS k  ARGV value lifeMs, 0 for none      reply {1,lifeMs,0} | {-1} no memory: removed
local k,r=KEYS[1]
if ARGV[2]=='0' then r=redis.pcall('SET',k,ARGV[1]) else r=redis.pcall('SET',k,ARGV[1],'PX',ARGV[2]) end
if not r.err then return {1,tonumber(ARGV[2]),0} end
if not string.find(r.err,'OOM',1,true) then return r end
redis.call('DEL',k) -- at least nobody reads the old one
return {-1}
