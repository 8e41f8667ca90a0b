-- KEYS k  ARGV newId8      soft invalidation: the value stays for fail-safe only, unless it is provisional. reply 1|0
local h=head()
if h and isvalue(h) and not flag(string.byte(h,$flags.pos),$flag.provisional) then
  -- A new id and no lease: whatever is being loaded is refused. And never fresh.
  local r=redis.pcall('SETRANGE',k,$id.at,ARGV[1]..Z8..Z8..string.sub(h,$hold)..'\255\255\255\255')
  if not failed(r) then
    local left=redis.call('PTTL',k)
    if left<0 or left>4294967295 then -- longer than it can be stale: give it the longest there is
      if left<0 then redis.call('SETRANGE',k,$flags.at,string.char(with(string.byte(h,$flags.pos),$flag.endless))) end
      redis.call('PEXPIRE',k,4294967295)
      ends(4294967295)
    end
    return 1
  end
end
drop(h and shared(h),holds(h))
return 0
