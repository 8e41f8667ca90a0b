-- KEYS k  ARGV id8 newId8 hardMs keep4 endless loaded8 newLoaded8 sum4 size      reply {1,hardMs,0} done | {0} it is another value | {2} send it as a whole
-- The value that is there begins another life. sum4 is by what its sum changes with LoadedAt.
local h=head()
if not h or not isvalue(h) and not everybodys(h) or string.sub(h,5,12)~=ARGV[1] then return {0} end
if u64(h,29)~=0 or string.sub(h,87,88)~='\0\8' or redis.call('STRLEN',k)~=tonumber(ARGV[9]) then return {2} end
local at=88+struct.unpack('>I2',h,85) -- of LoadedAt
if redis.call('GETRANGE',k,at,at+7)~=ARGV[6] then return {2} end
local hard,flags,sum=tonumber(ARGV[3]),without(string.byte(h,3),32),''
for i=1,4 do sum=sum..string.char(bit.bxor(string.byte(h,80+i),string.byte(ARGV[8],i))) end
if ARGV[5]=='1' then flags=flags+32 end
if failed(redis.pcall('SETRANGE',k,4,ARGV[2]..Z8..Z8..string.rep('\0',24)..ARGV[4])) then return {2} end -- without its lease
redis.call('SETRANGE',k,2,string.char(flags))
redis.call('SETRANGE',k,80,sum)
redis.call('SETRANGE',k,at,ARGV[7])
if hard>0 then redis.call('PEXPIRE',k,hard) ends(hard) else
  redis.call('PERSIST',k)
  redis.call('SETRANGE',k,56,'\255\255\255\255')
end
redis.call('GETRANGE',k,0,0) -- the write made Redis forget that this connection reads the key
return {1,hard,0}
