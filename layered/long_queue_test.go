package layered_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store/memstore"
)

// A retry queue is reported once its oldest change has waited for ten seconds, then once a
// minute, and when it is empty again. A short outage is not.
func TestRetryQueueLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reports []string
		began := time.Now()
		l2 := memstore.NewShared[int](nil)
		s := open(t, memstore.New[int](nil), l2, &layered.Options[int]{RetryQueueLong: func(keys int, oldest time.Duration, err error) {
			reports = append(reports, fmt.Sprintf("%d keys, oldest %v, error %v, after %v", keys, oldest.Round(10*time.Second), err != nil, time.Since(began).Round(10*time.Second)))
		}})
		outage := func(d time.Duration) {
			began, reports = time.Now(), nil
			l2.Disconnect()
			if err := s.Delete(t.Context(), "a", "b"); err == nil {
				t.Fatal("L2 is away")
			}
			time.Sleep(d)
			l2.Reconnect()
			settled(s)
			synctest.Wait()
		}
		outage(5 * time.Second)
		if len(reports) > 0 {
			t.Errorf("reports of a short outage: %q", reports)
		}
		outage(100 * time.Second)
		want := []string{
			"2 keys, oldest 10s, error true, after 10s",
			"2 keys, oldest 1m10s, error true, after 1m10s",
			"0 keys, oldest 1m40s, error false, after 1m40s",
		}
		if !slices.Equal(reports, want) {
			t.Errorf("reports\n%s\nwant\n%s", strings.Join(reports, "\n"), strings.Join(want, "\n"))
		}
	})
}
