-- KEYS k  ARGV htok8 graceMs blob|'' hardMs
-- reply 2 value written | 1 removed, the bracket was the only one | 0 removed, there are others | -1 removed, the hold was lost or ran out
local h=head()
local t,gm=now(),tonumber(ARGV[2])
local hu=h and u64(h,$holdUntil.pos) or 0
local sole=hu>t and string.sub(h,$holdToken)==ARGV[1]
local till,reply=t+gm,1
if not sole and hu>till then till=hu end
if hu<=t then reply=-1
elseif not sole then reply=0
elseif gm==0 and ARGV[3]~='' then
  local r=put(ARGV[3],tonumber(ARGV[4]))
  if failed(r) and full(r) then
    force()
    r=put(ARGV[3],tonumber(ARGV[4]))
  end
  if not failed(r) then return 2 end -- else it is removed, which is right as well
end
drop(p64(till)..F8..Z8,till-t)
return reply
