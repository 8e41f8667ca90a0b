package deadline_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/internal/deadline"
)

// A log records when its marks expire.
type log struct {
	began time.Time
	mu    sync.Mutex
	what  []time.Duration
}

// A mark is an Expirer.
type mark struct {
	log   *log
	entry deadline.Entry
}

func (m *mark) Expired() {
	m.log.mu.Lock()
	defer m.log.mu.Unlock()
	m.log.what = append(m.log.what, time.Since(m.log.began))
}

func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q deadline.Queue
		l := &log{began: time.Now()}
		marks := make([]mark, 6)
		for i := range marks {
			marks[i].log = l
			q.Add(&marks[i].entry, l.began.Add(time.Duration(i+1)*time.Second), &marks[i])
		}
		q.Remove(&marks[0].entry) // the first, a middle one and the last
		q.Remove(&marks[2].entry)
		q.Remove(&marks[5].entry)
		q.Remove(&marks[5].entry)
		time.Sleep(time.Minute)
		synctest.Wait()
		if want := []time.Duration{2 * time.Second, 4 * time.Second, 5 * time.Second}; !slices.Equal(l.what, want) {
			t.Errorf("expired after %v, want %v", l.what, want)
		}
		q.Remove(&marks[1].entry) // it has expired
		l.what = nil
		q.Add(&marks[0].entry, time.Now().Add(time.Second), &marks[0]) // again
		q.Add(&marks[1].entry, time.Now().Add(2*time.Second), &marks[1])
		time.Sleep(time.Second)
		synctest.Wait()
		q.Stop()
		q.Add(&marks[2].entry, time.Now(), &marks[2])
		time.Sleep(time.Minute)
		synctest.Wait()
		if want := []time.Duration{61 * time.Second}; !slices.Equal(l.what, want) {
			t.Errorf("expired after %v, want %v", l.what, want)
		}
	})
}

// Operations that end in time change no timer and allocate nothing.
func TestQueue_allocatesNothing(t *testing.T) {
	var q deadline.Queue
	defer q.Stop()
	m := &mark{log: &log{}}
	q.Add(&m.entry, time.Now().Add(time.Hour), m) // makes the timer
	q.Remove(&m.entry)
	if n := testing.AllocsPerRun(100, func() {
		q.Add(&m.entry, time.Now().Add(time.Hour), m)
		q.Remove(&m.entry)
	}); n != 0 {
		t.Errorf("a deadline allocates %v times", n)
	}
}
