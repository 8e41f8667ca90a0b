-- KEYS k  ARGV id8 newId8 hardMs keep4 endless loaded8 newLoaded8 sum4 size      reply {1,hardMs,0} done | {0} it is another value | {2} send it as a whole
-- The value that is there begins another life. sum4 is by what its sum changes with LoadedAt.
local h=head()
if not h or not isvalue(h) and not everybodys(h) or string.sub(h,$id)~=ARGV[1] then return {0} end
if u64(h,$holdUntil.pos)~=0 or string.sub(h,$ext)~='\0\$extSize' or redis.call('STRLEN',k)~=tonumber(ARGV[9]) then return {2} end
local at=$size+struct.unpack('>I2',h,$tags.pos) -- of LoadedAt
if redis.call('GETRANGE',k,at,at+7)~=ARGV[6] then return {2} end
local hard,flags,sum=tonumber(ARGV[3]),without(string.byte(h,$flags.pos),$flag.endless),''
for i=1,4 do sum=sum..string.char(bit.bxor(string.byte(h,$sum.at+i),string.byte(ARGV[8],i))) end
if ARGV[5]=='1' then flags=flags+$flag.endless end
if failed(redis.pcall('SETRANGE',k,$id.at,ARGV[2]..Z8..Z8..string.rep('\0',$from.hold.to.keep)..ARGV[4])) then return {2} end -- without its lease
redis.call('SETRANGE',k,$flags.at,string.char(flags))
redis.call('SETRANGE',k,$sum.at,sum)
redis.call('SETRANGE',k,at,ARGV[7])
if hard>0 then redis.call('PEXPIRE',k,hard) ends(hard) else
  redis.call('PERSIST',k)
  redis.call('SETRANGE',k,$end.at,'\255\255\255\255')
end
redis.call('GETRANGE',k,0,0) -- the write made Redis forget that this connection reads the key
return {1,hard,0}
