package layered

import (
	"testing"
	"time"
)

// One who waits for a lease of which nobody tells looks again later and later, with bounds,
// and never after its end.
func TestPoll(t *testing.T) {
	s := &Store[int]{core: &core[int]{maxStale: time.Second}}
	p, most := s.poll(), firstPoll
	for range 20 {
		if d := p.next(time.Hour); d < most/2 || d > most {
			t.Errorf("waits for %v, want half to all of %v", d, most)
		}
		most = min(2*most, lastPoll)
	}
	if d := p.next(time.Millisecond); d != time.Millisecond {
		t.Errorf("waits for %v for a lease that ends in a millisecond", d)
	}
	for range 2 {
		s.countWait(p)
	}
	if n := s.count.waits.Load(); n != 1 {
		t.Errorf("counts %d waits, want 1", n)
	}
	s.maxStale = 0
	if d := s.poll().next(time.Hour); d != time.Hour {
		t.Errorf("waits for %v where the end is told", d)
	}
}
