package meter

// A Log holds what has passed, oldest first. An amount counts until one window after its
// time. A nil Log is empty.
//
// Strict rounds times up to the end of their bucket. An amount may count for longer than a
// window, never for less, so no window exceeds the limit. There is one more bucket than in
// a window, since the oldest may have begun before it.
type Log struct {
	marks []mark
	head  int // index of the oldest; earlier ones are forgotten
	total int64
}

// A mark is an amount that passed at one time.
type mark struct {
	at, n int64
	id    uint64
}

// Total returns the amount that counts.
func (l *Log) Total() int64 {
	if l == nil {
		return 0
	}
	return l.total
}

// Len returns the number of marks.
func (l *Log) Len() int {
	if l == nil {
		return 0
	}
	return len(l.marks) - l.head
}

// forget drops amounts that passed at t or before.
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

// add appends m, or adds it to the last mark if that has the same time.
func (l *Log) add(m mark) {
	l.total += m.n
	if i := len(l.marks) - 1; i >= l.head && l.marks[i].at == m.at && m.id == 0 && l.marks[i].id == 0 {
		l.marks[i].n += m.n
		return
	}
	// Compact if half of the marks are forgotten: each is moved at most once.
	if len(l.marks) == cap(l.marks) && l.head >= (len(l.marks)+1)/2 {
		l.marks = l.marks[:copy(l.marks, l.marks[l.head:])]
		l.head = 0
	}
	l.marks = append(l.marks, m)
}

// until returns the time of the mark after which no more than most is left, if that and
// earlier marks are forgotten.
func (l *Log) until(most int64) int64 {
	left := l.total
	for _, m := range l.marks[l.head:] {
		if left -= m.n; left <= most {
			return m.at
		}
	}
	return 0
}

// remove removes and returns the mark with an id.
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

// Release returns the units with an id, and reports whether they still counted.
func (r *Rule) Release(c *Cell, id uint64) bool {
	_, ok := c.Log.remove(id)
	return ok
}

// Renew makes the units with an id count from now, and reports whether they still counted.
func (r *Rule) Renew(c *Cell, now int64, id uint64) bool {
	m, ok := c.Log.remove(id)
	if ok {
		m.at = now
		c.Log.add(m)
	}
	return ok
}
