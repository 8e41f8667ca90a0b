-- KEYS k  ARGV 'T'|'C' match8 blob|'' hardMs      reply {1,lifeMs,capped} filled | {0} refused | {-1} no memory: removed
-- T: the lease is still in the record.  C: the value is still the one that was read before the load.
-- Without a blob it removes.
local h=head()
if not h then return {0} end
if ARGV[1]=='T' then
  if not mine(h,ARGV[2]) then return {0} end
elseif not isvalue(h) and not everybodys(h) or string.sub(h,$id)~=ARGV[2] then return {0} end
local blob,hard=ARGV[3],tonumber(ARGV[4])
local hold,left,life,capped=string.sub(h,$hold),holds(h),hard,false
if left<0 then -- the load began under a hold that has run out: the cap cannot be kept any more
  if ARGV[1]=='T' and not isvalue(h) then redis.call('DEL',k) end
  return {0}
end
if blob=='' then drop(hold,left) return {1,-1,0} end
if left>0 then blob,hard,life,capped=held(blob,hard,hold,left) end
local r=put(blob,hard)
if failed(r) then
  if not full(r) then return r end
  drop(hold,left)
  return {-1}
end
redis.call('GETRANGE',k,0,0) -- the write made Redis forget that this connection reads the key
return {1,life,capped and 1 or 0}
