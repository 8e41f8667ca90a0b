package tested

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/stratatest"
)

// A table is a Database in memory that counts queries and can be down.
type table struct {
	mu      sync.Mutex
	price   int
	queries int
	down    error
}

func (t *table) Price(context.Context, string) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queries++
	return t.price, t.down
}

func (t *table) SetPrice(_ context.Context, _ string, price int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.price = price
	return nil
}

// start returns the service in each of two processes, and their fleet.
func start(t *testing.T, db Database) (a, b *Prices, fleet stratatest.Processes) {
	fleet = stratatest.Fleet(t, 2, nil)
	a, errA := NewPrices(fleet[0].Backend, db)
	b, errB := NewPrices(fleet[1].Backend, db)
	if err := errors.Join(errA, errB); err != nil {
		t.Fatal(err)
	}
	return a, b, fleet
}

func want(t *testing.T, p *Prices, price int) {
	t.Helper()
	if got, err := p.Get(t.Context(), "attic"); got != price || err != nil {
		t.Errorf("Get = %d, %v, want %d", got, err, price)
	}
}

// A change in one process is visible in the other, and an hour passes in no time.
func TestPrices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &table{price: 100}
		a, b, _ := start(t, db)
		want(t, a, 100)
		want(t, b, 100)
		if err := a.Set(t.Context(), "attic", 120); err != nil {
			t.Fatal(err)
		}
		want(t, b, 120)
		want(t, a, 120)
		if db.queries != 2 {
			t.Errorf("%d queries, want one for each price", db.queries)
		}
		time.Sleep(time.Hour)
		want(t, a, 120)
		if db.queries != 3 {
			t.Errorf("%d queries after an hour, want 3", db.queries)
		}
	})
}

// While the database is down, the last price is returned for a day.
func TestPrices_databaseDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &table{price: 100}
		a, _, _ := start(t, db)
		want(t, a, 100)
		db.down = errors.New("down")
		time.Sleep(24 * time.Hour)
		want(t, a, 100)
		time.Sleep(2 * time.Hour)
		if _, err := a.Get(t.Context(), "attic"); !errors.Is(err, db.down) {
			t.Errorf("a day later: %v", err)
		}
	})
}

// While L2 is away, a process serves its copies for two seconds and then asks the database.
func TestPrices_disconnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &table{price: 100}
		a, b, fleet := start(t, db)
		want(t, b, 100)
		fleet[1].Disconnect()
		if err := a.Set(t.Context(), "attic", 120); err != nil {
			t.Fatal(err)
		}
		want(t, b, 100) // its copy
		time.Sleep(3 * time.Second)
		want(t, b, 120) // the database
		fleet[1].Reconnect()
		want(t, b, 120)
	})
}
