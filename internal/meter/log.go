package meter

// A Log remembers what has passed, oldest first. What passed at a moment counts
// until a window later. A nil Log is empty.
//
// Strict rounds the moment up to the end of its bucket: that something counts for
// longer than a window, never for less, is why no window ever has more than the
// limit. It has a bucket more than a window, since the oldest may have begun before.
type Log struct {
	marks []mark
	head  int // where the oldest is: those before it are forgotten
	total int64
}

// A mark is what passed at one moment.
type mark struct {
	at, n int64
	id    uint64
}

// Total returns how much counts.
func (l *Log) Total() int64 {
	if l == nil {
		return 0
	}
	return l.total
}

// Len returns how many marks there are.
func (l *Log) Len() int {
	if l == nil {
		return 0
	}
	return len(l.marks) - l.head
}

// forget drops what passed at t or before.
func (l *Log) forget(t int64) {
	if l == nil {
		return
	}
	for l.head < len(l.marks) && l.marks[l.head].at <= t {
		l.total -= l.marks[l.head].n
		l.head++
	}
	if l.head == len(l.marks) {
		l.marks, l.head = l.marks[:0], 0
	}
}

// add appends m, to the last mark if that is of the same moment.
func (l *Log) add(m mark) {
	l.total += m.n
	if i := len(l.marks) - 1; i >= l.head && l.marks[i].at == m.at && m.id == 0 && l.marks[i].id == 0 {
		l.marks[i].n += m.n
		return
	}
	// Room is made where half of it is forgotten marks: each is moved once at most.
	if len(l.marks) == cap(l.marks) && l.head >= (len(l.marks)+1)/2 {
		l.marks = l.marks[:copy(l.marks, l.marks[l.head:])]
		l.head = 0
	}
	l.marks = append(l.marks, m)
}

// until returns the moment of the mark without which, and those before it, no more
// than most is left.
func (l *Log) until(most int64) int64 {
	left := l.total
	for _, m := range l.marks[l.head:] {
		if left -= m.n; left <= most {
			return m.at
		}
	}
	return 0
}

// remove takes out the mark with an id and returns it.
func (l *Log) remove(id uint64) (mark, bool) {
	if l == nil {
		return mark{}, false
	}
	for i := l.head; i < len(l.marks); i++ {
		if m := l.marks[i]; m.id == id {
			l.marks = append(l.marks[:i], l.marks[i+1:]...)
			l.total -= m.n
			return m, true
		}
	}
	return mark{}, false
}

// Release gives back what passed with an id, and reports whether it still counted.
func (r *Rule) Release(c *Cell, id uint64) bool {
	_, ok := c.Log.remove(id)
	return ok
}

// Renew makes what passed with an id count from now, and reports whether it still
// counted.
func (r *Rule) Renew(c *Cell, now int64, id uint64) bool {
	m, ok := c.Log.remove(id)
	if ok {
		m.at = now
		c.Log.add(m)
	}
	return ok
}
