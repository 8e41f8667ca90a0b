-- KEYS k  ARGV blob hardMs ''|'V'|'A'  reply {1,lifeMs,capped} | {0} an equal or newer version, or with A any value, is there | {-1} no memory: removed
local h=head()
local blob,hard=ARGV[1],tonumber(ARGV[2])
if h and ARGV[3]=='V' and isvalue(h) and flag(string.byte(h,$flags.pos),$flag.versioned)
   and cmp8(string.sub(h,$version),string.sub(blob,$version))>=0 then return {0} end
if h and ARGV[3]=='A' and isvalue(h) and not flag(string.byte(h,$flags.pos),$flag.absent) then return {0} end
local left,life,capped=holds(h),hard,false
if left>0 then blob,hard,life,capped=held(blob,hard,shared(h),left) end
local r=put(blob,hard)
if failed(r) then
  if not full(r) then return r end
  drop(h and shared(h),left) -- at least nobody reads the old one
  return {-1}
end
return {1,life,capped and 1 or 0}
