-- A cell is what counts, oldest first, as marks in a string: when, how many, and where
-- it can be given back its id. A call reads the marks that have run out and the last.
local function log(width)
  local function last(c) return unpack('<dd', c.marks, c.to - width) end
  return {
    width = width,
    new = function() return {total = 0, marks = '', from = 1, to = 1} end,
    read = function(r, v, pos)
      local total, count = unpack('<dd', v, pos)
      return {total = total, marks = v, from = pos + 16, to = pos + 16 + count * width}, pos + 16 + count * width
    end,
    write = function(r, c) return pack('<dd', c.total, (c.to - c.from) / width) .. sub(c.marks, c.from, c.to - 1) end,
    advance = function(r, c, _, now, moved)
      if moved > 0 then
        local marks = {}
        for i = c.from, c.to - 1, width do
          marks[#marks + 1] = pack('<d', unpack('<d', c.marks, i) - moved) .. sub(c.marks, i + 8, i + width - 1)
        end
        c.marks = table.concat(marks)
        c.from, c.to = 1, #c.marks + 1
      end
      while c.from < c.to do
        local at, n = unpack('<dd', c.marks, c.from)
        if at > now - r.window then break end
        c.from, c.total = c.from + width, c.total - n
      end
    end,
    left = function(r, c) return max(0, r.capacity - c.total) end,
    wait = function(r, c, now, n)
      local left, at, m = c.total, 0
      for i = c.from, c.to - 1, width do
        at, m = unpack('<dd', c.marks, i)
        left = left - m
        if left <= r.capacity - n then break end
      end
      return at + r.window - now
    end,
    reset = function(r, c, now) return c.total == 0 and 0 or last(c) + r.window - now end,
    add = function(r, c, now, n, id)
      local at, keep = now - math.fmod(now, r.grain) + r.grain - 1, c.to - 1
      c.total = c.total + n
      if width == 16 and c.from < c.to then
        local before, m = last(c)
        if before == at then n, keep = n + m, keep - width end
      end
      c.marks = sub(c.marks, c.from, keep) .. pack('<dd', at, n) .. sub(id, 1, width - 16)
      c.from, c.to = 1, #c.marks + 1
    end,
    -- Takes out the mark with an id. Reply: how many it was, 0 if there is none.
    remove = function(r, c, id)
      for i = c.from, c.to - 1, width do
        if sub(c.marks, i + 16, i + 23) == id then
          local _, n = unpack('<dd', c.marks, i)
          c.marks = sub(c.marks, c.from, i - 1) .. sub(c.marks, i + width, c.to - 1)
          c.from, c.to, c.total = 1, #c.marks + 1, c.total - n
          return n
        end
      end
      return 0
    end,
  }
end
