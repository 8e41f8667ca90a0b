package admin

import (
	"math"

	"github.com/lokroom/strata/layered"
)

// Counters of a sample, in the order in which history and live send them.
const (
	nL1 = iota
	nL2
	nMisses
	nLoads
	nLoadErrors
	nShared
	nWaits
	nStale
	nSuspect
	nRefreshes
	nOverloads
	nEvictions
	nRejected
	nInvalidations
	nL2Errors
	nAllowed
	nDenied
	nLimitErrors
	counterFields
)

// fields are the names of the numbers of a row: see sample.row.
var fields = []string{
	"l1", "l2", "misses", "loads", "load_errors", "shared", "waits", "stale", "suspect", "refreshes", "overloads",
	"evictions", "rejected", "invalidations", "l2_errors", "allowed", "denied", "limit_errors",
	"seconds", "entries", "bytes", "l2_p50", "l2_p99", "load_p50", "load_p99", "lag",
}

// A sample is what happened during one step, and the state at its end: about 120 bytes.
type sample struct {
	counts  [counterFields]uint32
	seconds float32 // how long the step took
	entries uint32
	bytes   int64
	latency [4]float32 // in seconds: p50 and p99 of reads in L2, and of loads; 0: there was none
	lag     float32    // of the backend
}

// add adds a later sample to s. The latency is not added: it has no sum.
func (s *sample) add(next *sample) {
	for i, n := range next.counts {
		s.counts[i] = clamp(uint64(s.counts[i]) + uint64(n))
	}
	s.seconds += next.seconds
	s.entries, s.bytes, s.lag = next.entries, next.bytes, max(s.lag, next.lag)
}

// row returns the numbers of s in the order of fields.
func (s *sample) row() []float64 {
	row := make([]float64, 0, len(fields))
	for _, n := range s.counts {
		row = append(row, float64(n))
	}
	row = append(row, short(s.seconds), float64(s.entries), float64(s.bytes))
	for _, l := range s.latency {
		row = append(row, short(l))
	}
	return append(row, short(s.lag))
}

// short returns x with the digits that it has: 0.1 and not 0.10000000149011612.
func short(x float32) float64 { return math.Round(float64(x)*1e7) / 1e7 }

func clamp(n uint64) uint32 { return uint32(min(n, math.MaxUint32)) }

// counted are the counters of a cache at one time.
type counted [counterFields]uint64

func countedOf(c *layered.Counts) (n counted) {
	n[nL1], n[nL2], n[nMisses] = c.L1Hits, c.L2Hits, c.Misses
	n[nLoads], n[nLoadErrors] = c.Loads, c.LoadErrors
	n[nShared], n[nWaits] = c.Shared, c.Waits
	n[nStale], n[nSuspect] = c.StaleServed-min(c.Suspect, c.StaleServed), c.Suspect
	n[nRefreshes], n[nOverloads] = c.Refreshes, c.Overloads
	n[nEvictions], n[nRejected] = c.L1.Evictions, c.L1.Rejected
	n[nInvalidations], n[nL2Errors] = c.Invalidations, c.L2Errors
	return n
}

// since returns by how much the counters grew since before. A counter that is smaller belongs to
// a cache that was opened again.
func (n *counted) since(before *counted) (d [counterFields]uint32) {
	for i := range n {
		if d[i] = clamp(n[i]); n[i] >= before[i] {
			d[i] = clamp(n[i] - before[i])
		}
	}
	return d
}

// A ring has the last samples of one step.
type ring struct {
	samples []sample
	next    int // where the next one goes once the ring is full
	size    int
}

func (r *ring) add(s sample) {
	if n := len(r.samples); n < r.size {
		if n == cap(r.samples) { // append would leave more unused
			r.samples = append(make([]sample, 0, min(max(2*n, 16), r.size)), r.samples...)
		}
		r.samples = append(r.samples, s)
		return
	}
	r.samples[r.next] = s
	r.next = (r.next + 1) % r.size
}

// rows returns the samples, the oldest first.
func (r *ring) rows() [][]float64 {
	rows := make([][]float64, 0, len(r.samples))
	for i := range r.samples {
		rows = append(rows, r.samples[(r.next+i)%len(r.samples)].row())
	}
	return rows
}

// last returns the newest sample.
func (r *ring) last() (s sample) {
	if n := len(r.samples); n > 0 {
		s = r.samples[(r.next+n-1)%n]
	}
	return s
}

// A series is the history of one cache, or of all.
type series struct {
	fine, coarse ring
	sum          sample // of the fine ones that are not in coarse yet
	summed       int
	before       counted      // the counters at the end of the last step
	coarseFor    [2]durations // the latency of sum
}

func newSeries() *series {
	return &series{fine: ring{size: fineSize}, coarse: ring{size: coarseSize}}
}

// add ends a step. latency are the durations of reads in L2 and of loads within it.
func (s *series) add(step sample, latency *[2]durations) {
	for i := range latency {
		step.latency[2*i], step.latency[2*i+1] = latency[i].quantile(.5), latency[i].quantile(.99)
		s.coarseFor[i].add(&latency[i])
	}
	s.fine.add(step)
	s.sum.add(&step)
	if s.summed++; s.summed < coarseSteps {
		return
	}
	for i := range s.coarseFor {
		s.sum.latency[2*i], s.sum.latency[2*i+1] = s.coarseFor[i].quantile(.5), s.coarseFor[i].quantile(.99)
	}
	s.coarse.add(s.sum)
	s.sum, s.summed, s.coarseFor = sample{}, 0, [2]durations{}
}
