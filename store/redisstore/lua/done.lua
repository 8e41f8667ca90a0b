-- KEYS k  ARGV htok8 graceMs blob|'' hardMs
-- reply 2 value written | 1 removed, the bracket was the only one | 0 removed, there are others | -1 removed, the hold was lost or ran out
local h=head()
local t,gm=now(),tonumber(ARGV[2])
local hu=h and u64(h,29) or 0
local sole=hu>t and string.sub(h,37,44)==ARGV[1]
local till=t+gm
if not sole and hu>till then till=hu end
drop(p64(till)..F8..Z8,till-t)
if hu<=t then return -1 end
if not sole then return 0 end
if gm>0 or ARGV[3]=='' then return 1 end
if failed(put(ARGV[3],tonumber(ARGV[4]))) then return 1 end -- it is removed, which is right as well
return 2
