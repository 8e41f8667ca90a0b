-- KEYS claim  ARGV tok8 ms      the claim ends ms from now, at once if that is 0. reply 1|0 it is somebody else's, or over
if redis.pcall('GET',KEYS[1])~=ARGV[1] then return 0 end
if ARGV[2]=='0' then redis.call('DEL',KEYS[1]) else redis.call('PEXPIRE',KEYS[1],ARGV[2]) end
return 1
