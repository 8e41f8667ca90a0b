package script

// Counter adds to a counter and gives a new one its life. It answers with
// text, because numbers of scripts are exact to 53 bits only.
var Counter = New(`
local new = redis.call('EXISTS', KEYS[1]) == 0
local sum = redis.pcall('INCRBY', KEYS[1], ARGV[1])
if type(sum) == 'table' then return sum end -- an error, as it is
if new and ARGV[2] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('GET', KEYS[1])
`)

// Hot adds to a list of hot keys, a sorted set. It is given the life of the list,
// the half-life of reads, how many keys are kept, then reads and key in turn. What is left
// of the life shows when it ran last: reads fade for the time since.
var Hot = New(`
local life = tonumber(ARGV[1])
local left = redis.call('PTTL', KEYS[1])
if left >= 0 and left < life then
  local faded = string.format('%.17g', 2 ^ ((left - life) / tonumber(ARGV[2])))
  redis.call('ZUNIONSTORE', KEYS[1], 1, KEYS[1], 'WEIGHTS', faded)
end
for i = 4, #ARGV, 2 do redis.call('ZINCRBY', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - tonumber(ARGV[3]))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return redis.call('ZCARD', KEYS[1])
`)
