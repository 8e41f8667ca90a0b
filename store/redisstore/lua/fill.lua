-- KEYS k  ARGV 'T'|'C' match8 blob|'' hardMs      reply {1,hardMs,capped} filled | {0} refused | {-1} no memory: removed
-- T: the lease is still in the record.  C: the value is still the one that was read before the load.
-- Without a blob it removes.
local h=head()
if not h then return {0} end
if ARGV[1]=='T' then
  if string.sub(h,13,20)~=ARGV[2] then return {0} end
elseif not isvalue(h) or string.sub(h,5,12)~=ARGV[2] then return {0} end
local blob,hard,capped=ARGV[3],tonumber(ARGV[4]),false
local hu=u64(h,29)
local t=0
if hu>0 then
  t=now()
  if hu<=t then -- the load began under a hold that has run out: the cap cannot be kept any more
    if ARGV[1]=='T' and not isvalue(h) then redis.call('DEL',k) end
    return {0}
  end
end
if blob=='' then
  if hu>t then noval(Z8,0,string.sub(h,29,52),hu-t) else redis.call('DEL',k) end
  return {1,-1,0}
end
if hu>t then blob,hard,capped=held(blob,hard,hu-t,hu,string.sub(h,37,44),string.sub(h,45,52)) end
local r=put(blob,hard)
if failed(r) then
  if not full(r) then return r end
  redis.call('DEL',k)
  return {-1}
end
redis.call('GETRANGE',k,0,0) -- the write made Redis forget that this connection reads the key
return {1,hard,capped and 1 or 0}
