-- KEYS k  ARGV newId8      soft invalidation: the value stays for fail-safe only. reply 1|0
local h=head()
if not h then redis.call('DEL',k) return 0 end
if isvalue(h) then
  redis.call('SETRANGE',k,4,ARGV[1]..Z8..Z8)      -- new id, no lease: whatever is being loaded is refused
  redis.call('SETRANGE',k,52,'\255\255\255\255')  -- never fresh
  if redis.call('PTTL',k)<0 then -- what has no end has none to be stale before: give it the longest there is
    redis.call('SETRANGE',k,2,string.char(string.byte(h,3)+32))
    redis.call('PEXPIRE',k,4294967295)
    ends(4294967295)
  end
  return 1
end
local t,hu=now(),u64(h,29)
if hu>t then noval(Z8,0,p64(hu)..F8..string.sub(h,45,52),hu-t) else redis.call('DEL',k) end
return 0
