package link

import (
	"testing"
	"time"
)

// What was learned from a broken connection counts for a minute at first, and longer with
// each further failure: the connection may have broken for another reason.
func TestSizeLimit_learnedForALimitedTime(t *testing.T) {
	const size = 2 << 20
	b := &sizeLimit{limit: defaultSizeLimit}
	now := time.Now()
	for _, want := range []time.Duration{firstLearned, 2 * firstLearned, 4 * firstLearned} {
		b.refused(now, size)
		b.refused(now, size+1) // sent at the same time
		b.answered(now, 0, false)
		for at, limited := range map[time.Duration]bool{0: true, want - time.Second: true, want: false} {
			c := *b
			c.answered(now.Add(at), 0, false)
			if (size > c.limit) != limited {
				t.Errorf("after %v of %v: a limit of %d", at, want, c.limit)
			}
		}
		now = now.Add(want)
		b.answered(now, 0, false)
	}
	for range 20 {
		b.refused(now, size)
		now = now.Add(b.learning)
	}
	if b.learning != mostLearned {
		t.Errorf("learned for %v, want %v at most", b.learning, mostLearned)
	}
	b.accepted(size - 1)
	if b.learning == 0 {
		t.Error("a smaller write shows that this one is accepted")
	}
	b.accepted(size + 1)
	b.refused(now, size)
	if b.learning != firstLearned {
		t.Errorf("learned for %v after a write that was accepted, want %v", b.learning, firstLearned)
	}
}

// The servers are asked once a minute, and once a second while they refuse a write.
func TestSizeLimit_asks(t *testing.T) {
	const limit = 1 << 20
	now := time.Now()
	b := &sizeLimit{limit: defaultSizeLimit}
	if !b.mustAsk(now, limit) {
		t.Error("the servers are not asked at first")
	}
	b.answered(now, limit, true)
	for _, c := range []struct {
		after time.Duration
		size  int
		want  bool
	}{{0, limit + 1, false}, {askRefusedEvery, limit + 1, true}, {askRefusedEvery, limit, false}, {askSizeEvery, limit, true}} {
		if got := b.mustAsk(now.Add(c.after), c.size); got != c.want {
			t.Errorf("%d bytes after %v: asks %v", c.size, c.after, got)
		}
	}
	b.answered(now, 0, false)
	b.refused(now, limit)
	b.answered(now, 0, false)
	if b.mustAsk(now.Add(askRefusedEvery), limit+1) {
		t.Error("servers that permit nobody to ask are asked once a second")
	}
}
