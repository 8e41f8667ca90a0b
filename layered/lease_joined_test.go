package layered_test

import (
	"context"
	"testing"
	"time"

	"github.com/lokroom/strata/layered"
)

// A reader that has joined a load leaves it if the load turns out to be older than a change: a
// tag that another process invalidates, once the load takes longer than usual, or a Delete.
func TestLease_leavesAnOvertakenLoad(t *testing.T) {
	for name, change := range map[string]func(ctx context.Context, f *fleet) error{
		"tag":    func(ctx context.Context, f *fleet) error { return f.process[1].InvalidateTags(ctx, "t") },
		"Delete": func(ctx context.Context, f *fleet) error { return f.process[0].Delete(ctx, "k") },
	} {
		t.Run(name, func(t *testing.T) {
			eachWay(t, layered.Options[int]{}, func(f *fleet, many bool) {
				f.entry.Tags, f.takes = []string{"t"}, 20*time.Second
				first := f.begins(0, many)
				second := f.begins(0, many)
				f.takes, f.entry.Value = time.Second, 2
				f.ok(change(f.t.Context(), f))
				began := time.Now()
				if v, err := second(); v != 2 || err != nil {
					f.t.Errorf("read %d, %v", v, err)
				}
				if took := time.Since(began); took > 3*time.Second {
					f.t.Errorf("the reader had to wait for %v", took)
				}
				_, _ = first()
				f.reads(1, many, 2)
				f.loaded(2)
			})
		})
	}
}

// Without a LoadTimeout a load may take as long as it does.
func TestLease_noLoadTimeout(t *testing.T) {
	eachWay(t, layered.Options[int]{LoadTimeout: -1}, func(f *fleet, many bool) {
		f.takes = 10 * time.Minute
		f.reads(0, many, 1)
		f.reads(1, many, 1)
		f.loaded(1)
	})
}
