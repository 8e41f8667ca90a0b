-- KEYS k  ARGV blob hardMs ''|'V'      reply {1,hardMs,capped} | {0} an equal or newer version is there | {-1} no memory: removed
local h=head()
local blob,hard,capped=ARGV[1],tonumber(ARGV[2]),false
if h and ARGV[3]=='V' and isvalue(h) and flag(string.byte(h,3),16)
   and cmp8(string.sub(h,69,76),string.sub(blob,69,76))>=0 then return {0} end
local hu=h and u64(h,29) or 0
if hu>0 then
  local t=now()
  if hu>t then blob,hard,capped=held(blob,hard,hu-t,hu,F8,string.sub(h,45,52)) end
end
local r=put(blob,hard)
if failed(r) then
  if not full(r) then return r end
  redis.call('DEL',k) -- at least nobody reads the old one
  return {-1}
end
return {1,hard,capped and 1 or 0}
