-- KEYS k  ARGV tok8 leaseMs not8 stamp8 cleared8      the right to load
-- reply {status,left,id8|'',why}: 1 granted | 2 taken, why is the token and the stamp of that lease | 3 a load failed lately | 4 fresh
-- 5 everybody's, why is its token
-- not8 is the id of a value that counts as stale, or the token of a lease that counts as ended. Neither is 0.
-- stamp8 is a reading of the clock of the tags. What was stamped before cleared8 was cleared; and before stamp8, a
-- value that is no good. Neither they nor their leases count.
local tok,lms,no,stamp,cleared=ARGV[1],tonumber(ARGV[2]),ARGV[3],ARGV[4] or Z8,ARGV[5] or Z8
local h=head()
local t=now()
local hold,px,id,as=string.rep('\0',$from.hold.to.keep),lms,''
if h then
  local pttl
  local of,by=string.sub(h,$stamp),string.sub(h,$lease)
  local void=of~=Z8 and cmp8(of,cleared)<0
  if isvalue(h) then
    id=string.sub(h,$id)
    as=id
    pttl=redis.call('PTTL',k)
    local keep=struct.unpack('>I4',h,$keep.pos)
    if not void and id~=no and (pttl>keep or pttl<0 and keep~=4294967295) then return {4,pttl,id,''} end
    void=void or id==no and of~=Z8 and cmp8(of,stamp)<0
  elseif everybodys(h) and not void then return {5,redis.call('PTTL',k),'',by} end
  local lu=u64(h,$leaseUntil.pos)
  local backoff=by==F8
  if not void and (pttl or by~=no) and lu>t and (backoff or lu-t<=10*lms) then -- nobody asks for ten times as long: the clock was set back
    if not backoff then return {2,lu-t,id,(pttl or of==Z8) and '' or by..of} end
    return {3,lu-t,id,pttl and '' or redis.call('GETRANGE',k,$size,-1)}
  end
  local hu=u64(h,$holdUntil.pos)
  if hu>t then -- one that ran out is dropped here, and only here
    hold=string.sub(h,$hold)
    if hu-t>px then px=hu-t end
  elseif hu>0 then as=tok end -- what was loaded under that one is not to be kept for this id
  if pttl and not void and (pttl<0 or pttl>lms) then
    redis.call('SETRANGE',k,$id.at,as..tok..p64(t+lms)..hold)
    redis.call('GETRANGE',k,0,0) -- the write made Redis forget that this connection reads the key
    return {1,lms,id,''}
  end
end
noval(tok,t+lms,hold,px,stamp) -- a stale value that is about to end goes: who asks has read it
redis.call('GETRANGE',k,0,0)
return {1,lms,id,''}
