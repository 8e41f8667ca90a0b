-- Begins every script but those of the tags and of claims. All scripts touch one key: in a
-- cluster, two keys may be on two nodes while their slot moves.
local k=KEYS[1]
local Z8=string.rep('\0',8)
local F8=string.rep('\255',8)
local function now() local t=redis.call('TIME') return t[1]*1000+math.floor(t[2]/1000) end
local function u64(s,i) return (struct.unpack('>I8',s,i)) end
local function u32(s) return (struct.unpack('>I4',s)) end
local function p64(n) return struct.pack('>I8',n) end
local function flag(n,bit) return math.floor(n/bit)%2==1 end
local function with(n,bit) return flag(n,bit) and n or n+bit end
local function without(n,bit) return flag(n,bit) and n-bit or n end
-- Numbers of 64 bits do not fit into those of Lua.
local function cmp8(a,b)
  local a1,a2=struct.unpack('>I4I4',a)
  local b1,b2=struct.unpack('>I4I4',b)
  if a1~=b1 then return a1<b1 and -1 or 1 end
  if a2~=b2 then return a2<b2 and -1 or 1 end
  return 0
end
-- The header of the record; nil where there is none of ours, whose leases and holds
-- all end before 2^56. What may not be read is not taken for absent.
local function head()
  local h=redis.pcall('GETRANGE',k,0,$last)
  if type(h)~='string' then
    if not string.find(h.err,'WRONGTYPE',1,true) then redis.call('GETRANGE',k,0,$last) end -- raises the error
    return nil
  end
  if #h~=$size then return nil end
  local ty=string.sub(h,$type.pos,$format.pos)
  if ty~='V\$format' and ty~='N\$format' or string.byte(h,$leaseUntil.pos)>0 or string.byte(h,$holdUntil.pos)>0 then return nil end
  return h
end
local function isvalue(h) return string.byte(h,$type.pos)==86 end
-- Whether the lease is that of tok. No lease and a back-off are nobody's.
local function mine(h,tok) return tok~=Z8 and tok~=F8 and string.sub(h,$lease)==tok end
-- Whether the lease is everybody's: see unstorable.lua.
local function everybodys(h) return not isvalue(h) and flag(string.byte(h,$flags.pos),$flag.unstorable) and mine(h,string.sub(h,$id)) end
-- How long the hold lasts in ms; 0: there is none, -1: it ran out.
local function holds(h)
  local hu=h and u64(h,$holdUntil.pos) or 0
  if hu==0 then return 0 end
  local left=hu-now()
  return left>0 and left or -1
end
-- The hold once others than its bracket have written.
local function shared(h) return string.sub(h,$holdUntil)..F8..string.sub(h,$floor) end
-- A record without a value.
-- stamp is that of its lease.
local function novalue(tok,lu,hold,stamp) return 'N\$format\0\0'..Z8..tok..p64(lu)..hold..Z8..(stamp or Z8)..string.rep('\0',$from.version.to.size) end
local function noval(tok,lu,hold,px,stamp) redis.call('SET',k,novalue(tok,lu,hold,stamp),'PX',px) end
-- What a write failed with, if it did; full says that Redis has no room.
local function failed(r) if type(r)=='table' and r.err then return r end end
local function full(r) return string.find(r.err,'OOM',1,true) end
-- Lets the writes that follow pass although Redis is full: it refuses only the first
-- write of a script, and PERSIST needs no memory. A DEL would do as well, but in a slot
-- that is migrating a key that was deleted cannot be written again.
local function force() redis.call('PERSIST',k) end
-- Removes what is there; a hold stays for left ms.
local function drop(hold,left)
  if left<=0 then return redis.call('DEL',k) end
  local n=redis.call('EXISTS',k)
  if failed(redis.pcall('SET',k,novalue(Z8,0,hold),'PX',left)) then
    force()
    noval(Z8,0,hold,left)
  end
  return n
end
-- The bytes of a record that say when a key that lasts ms from now ends, so that who reads it need not ask; none, if
-- that is after 2106.
local function ending(ms)
  local t=now()+ms
  if t>=4294967295000 then return '\0\0\0\0','\0\0' end
  return struct.pack('>I4',math.floor(t/1000)),struct.pack('>I2',t%1000)
end
-- Notes in the record when its key ends.
local function ends(ms)
  local s,frac=ending(ms)
  redis.call('SETRANGE',k,$end.at,s)
  redis.call('SETRANGE',k,$endMs.at,frac)
end
-- Writes a record; hard is its life in ms, 0 for one without end.
local function put(blob,hard)
  if hard==0 then return redis.pcall('SET',k,blob) end
  local s,frac=ending(hard)
  blob=string.sub(blob,$type.pos,$end.at)..s..string.sub(blob,$end.at+#s+1,$endMs.at)..frac..string.sub(blob,$endMs.at+#frac+1)
  return redis.pcall('SET',k,blob,'PX',hard)
end
-- The key of a value that is written under a hold lasts as long as the hold, because
-- the hold goes with it. The value is provisional: it is over when it would have been
-- stale, or with the hold. reply its life, and keepMs, which is the rest
local function provisional(hard,keep,left)
  local life=left
  if hard>0 and hard-keep<left then life=math.max(0,hard-keep) end
  return life,struct.pack('>I4',math.min(left-life,4294967295))
end
-- A value as it is written under a hold. One whose version reaches the floor is not
-- provisional, if it lasts longer than the hold. reply blob, life of the key, life of the value, provisional
local function held(blob,hard,hold,left)
  local flags,keep,floor,life=string.byte(blob,$flags.pos),string.sub(blob,$keep),string.sub(hold,$floor.in.hold),hard
  local own=(hard==0 or hard>=left) and floor~=Z8 and cmp8(string.sub(blob,$version),floor)>=0
  if not own then
    flags=with(without(flags,$flag.endless),$flag.provisional)
    life,keep=provisional(hard,u32(keep),left)
    hard=left
  end
  return string.sub(blob,$type.pos,$format.pos)..string.char(flags)..string.sub(blob,$codec.pos,$hold.at)..hold..keep..string.sub(blob,$end.pos),hard,life,not own
end
