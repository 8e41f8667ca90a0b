-- The arithmetic of internal/meter, on one key that holds the cells of all rules. All
-- numbers are whole and below 2^53. kinds has the algorithms, by meter.Kind.
local key, argv = KEYS[1], ARGV[1]
local unpack, pack, sub, floor, max = struct.unpack, struct.pack, string.sub, math.floor, math.max
local kinds = {}
-- a/b rounded down: a quotient that is just below a whole number may become it.
local function div(a, b)
  local q = floor(a / b)
  if q * b > a then q = q - 1 end
  return q
end
local function ceil(a, b) return div(a + b - 1, b) end
