-- Begins every script but those of the tags. All scripts touch one key: in a
-- cluster, two keys may be on two nodes while their slot moves.
local k=KEYS[1]
local Z8=string.rep('\0',8)
local F8=string.rep('\255',8)
local function now() local t=redis.call('TIME') return t[1]*1000+math.floor(t[2]/1000) end
local function u64(s,i) return (struct.unpack('>I8',s,i)) end
local function p64(n) return struct.pack('>I8',n) end
local function flag(n,bit) return math.floor(n/bit)%2==1 end
-- Numbers of 64 bits do not fit into those of Lua.
local function cmp8(a,b)
  local a1,a2=struct.unpack('>I4I4',a)
  local b1,b2=struct.unpack('>I4I4',b)
  if a1~=b1 then return a1<b1 and -1 or 1 end
  if a2~=b2 then return a2<b2 and -1 or 1 end
  return 0
end
-- The header of the record; nil where there is none of ours.
local function head()
  local h=redis.pcall('GETRANGE',k,0,87)
  if type(h)~='string' or #h~=88 then return nil end
  local ty=string.sub(h,1,2)
  if ty~='V\1' and ty~='N\1' then return nil end
  return h
end
local function isvalue(h) return string.byte(h,1)==86 end
-- Writes a record without a value.
local function noval(tok,lu,hold,px)
  redis.call('SET',k,'N\1\0\0'..Z8..tok..p64(lu)..hold..string.rep('\0',36),'PX',px)
end
-- What a write failed with, if it did; full says that Redis has no room.
local function failed(r) if type(r)=='table' and r.err then return r end end
local function full(r) return string.find(r.err,'OOM',1,true) end
-- Notes in the record when its key ends, so that who reads it need not ask; unless
-- that is after 2106.
local function ends(ms)
  local t=now()+ms
  if t>=4294967295000 then redis.call('SETRANGE',k,56,'\0\0\0\0') return end
  redis.call('SETRANGE',k,56,struct.pack('>I4',math.floor(t/1000)))
  redis.call('SETRANGE',k,76,struct.pack('>I2',t%1000))
end
-- Writes a record; hard is its life in ms, 0 for one without end.
local function put(blob,hard)
  if hard==0 then return redis.pcall('SET',k,blob) end
  local r=redis.pcall('SET',k,blob,'PX',hard)
  if not failed(r) then ends(hard) end
  return r
end
-- A value that is written under a hold lives no longer than it, and carries it
-- along, unless its version reaches the floor. reply blob,hard,capped
local function held(blob,hard,left,till,tok,floor)
  local flags,keep=string.byte(blob,3),string.sub(blob,53,56)
  local ok=floor~=Z8 and flag(flags,16) and cmp8(string.sub(blob,69,76),floor)>=0
  if not ok then
    if hard==0 or hard>left then hard=left end
    keep='\0\0\0\0'
    if not flag(flags,8) then flags=flags+8 end
    if flag(flags,32) then flags=flags-32 end -- it ends with the hold now
  end
  return string.sub(blob,1,2)..string.char(flags)..string.sub(blob,4,28)..p64(till)..tok..floor..keep..'\0\0\0\0'..string.sub(blob,61),hard,not ok
end
