package admin

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/store"
)

func TestRing(t *testing.T) {
	r := ring{size: 3}
	if r.last().seconds != 0 || len(r.rows()) != 0 {
		t.Error("an empty ring has rows")
	}
	at := len(fields) - 8 // seconds
	for i := range 7 {
		r.add(sample{seconds: float32(i)})
		rows := r.rows()
		if r.last().seconds != float32(i) || len(rows) != min(i+1, 3) || rows[len(rows)-1][at] != float64(i) || rows[0][at] != float64(max(i-2, 0)) {
			t.Errorf("after %d: %v", i, rows)
		}
	}
	if fields[at] != "seconds" || len((&sample{}).row()) != len(fields) {
		t.Error("rows and fields differ")
	}
}

// TestBuckets: a bucket contains the durations that it is for, and its middle is at most an eighth
// off.
func TestBuckets(t *testing.T) {
	for d := 1024 * time.Nanosecond; d < 16*time.Second; d += d/7 + 1 {
		if got := float64(middle(bucketOf(d))) / d.Seconds(); math.Abs(got-1) > .126 {
			t.Fatalf("%v is in the bucket of %v s", d, middle(bucketOf(d)))
		}
	}
	if bucketOf(0) != 0 || bucketOf(-1) != 0 || bucketOf(time.Hour) != buckets-1 {
		t.Error("the ends")
	}
	var h histogram
	for range 98 {
		h[bucketOf(time.Millisecond)].Add(1)
	}
	h[bucketOf(time.Second)].Add(2)
	d := h.take()
	if p50, p99 := d.quantile(.5), d.quantile(.99); math.Abs(float64(p50)-1e-3) > 2e-4 || math.Abs(float64(p99)-1) > .2 {
		t.Errorf("p50 %v, p99 %v", p50, p99)
	}
	if d := h.take(); d.quantile(.5) != 0 {
		t.Error("take leaves counts")
	}
}

// TestCounted_again: the counters of a cache that was opened again begin at zero.
func TestCounted_again(t *testing.T) {
	before, now := counted{nL1: 10, nL2: math.MaxUint64 - 1}, counted{nL1: 3, nL2: math.MaxUint64}
	if d := now.since(&before); d[nL1] != 3 || d[nL2] != 1 {
		t.Errorf("%v", d)
	}
	big := counted{nL1: math.MaxUint64}
	if d := big.since(&counted{}); d[nL1] != math.MaxUint32 {
		t.Errorf("%v", d)
	}
}

// TestRecorder: an hour of steps, in both rings. A closed cache is forgotten, and the recorder
// ends with the backend.
func TestRecorder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := strata.Open(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		h, err := New(b, nil)
		if err != nil {
			t.Fatal(err)
		}
		c := opened(t, b, "users")
		other := opened(t, b, "orders")
		for i := range 3700 {
			if _, err := c.Get(t.Context(), i%100); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			synctest.Wait()
		}
		fine, _ := h.recorder.history("users", false)
		coarse, _ := h.recorder.history("", true)
		if len(fine.Rows) != fineSize || len(coarse.Rows) != coarseSize || fine.Seq != 3700 || coarse.Step != 10 {
			t.Fatalf("%d and %d rows, seq %d", len(fine.Rows), len(coarse.Rows), fine.Seq)
		}
		if last := fine.Rows[fineSize-1]; last[nL1]+last[nMisses] != 1 || last[indexOf(t, "seconds")] != 1 || last[indexOf(t, "entries")] != 100 {
			t.Errorf("a step of a second: %v", last)
		}
		if last := coarse.Rows[coarseSize-1]; last[nL1]+last[nMisses] != 10 || last[indexOf(t, "seconds")] != 10 {
			t.Errorf("a step of ten: %v", last)
		}
		if err := other.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(step)
		synctest.Wait()
		if _, ok := h.recorder.history("orders", false); ok {
			t.Error("a closed cache has a history")
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(step)
		synctest.Wait()
		if _, err := h.recorder.subscribe(); err != errEnded {
			t.Errorf("after Close of the backend: %v", err)
		}
		h.Close()
	})
}

func indexOf(t *testing.T, field string) int {
	t.Helper()
	for i, f := range fields {
		if f == field {
			return i
		}
	}
	t.Fatalf("no field %q", field)
	return 0
}

// TestTimer: the durations are those of reads in Redis, and of loads.
func TestTimer(t *testing.T) {
	var m timer
	m.End(t.Context(), store.Op{Store: "redis", Name: "get many", Cache: "c"}, store.Result{Elapsed: time.Millisecond})
	m.End(t.Context(), store.Op{Store: "source", Name: "load", Cache: "c"}, store.Result{Elapsed: time.Second})
	m.End(t.Context(), store.Op{Store: "redis", Name: "set", Cache: "c"}, store.Result{Elapsed: time.Minute})
	m.End(t.Context(), store.Op{Store: "layered", Name: "fill", Cache: "d"}, store.Result{})
	if m.all()["d"] != nil {
		t.Error("an operation of another kind was counted")
	}
	h := m.of("c")
	l2, source := h[0].take(), h[1].take()
	if l2[bucketOf(time.Millisecond)] != 1 || source[bucketOf(time.Second)] != 1 || l2[bucketOf(time.Minute)] != 0 {
		t.Error(l2, source)
	}
	op, r := store.Op{Store: "source", Cache: "c"}, store.Result{Elapsed: time.Millisecond}
	if n := testing.AllocsPerRun(100, func() { m.End(t.Context(), op, r) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
