package outbox_test

// The tests that need a database are in the module in the folder databases.

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata/invalidate"
	"github.com/lokroom/strata/invalidate/outbox"
)

// Names that would end the quotes of a trigger are refused.
func TestTriggerSQL_refuses(t *testing.T) {
	for _, names := range [][]string{{""}, {"t"}, {"t", ""}, {"t'", "c"}, {"t", "c\""}, {"t", "`c"}, {"t\\", "c"}, {"t", "c\x00"}} {
		if s, err := outbox.TriggerSQL(outbox.MySQL, names[0], names[1:]...); err == nil {
			t.Errorf("%q: %s", names, s)
		}
	}
	if _, err := outbox.TriggerSQL(outbox.Dialect(9), "t", "c"); err == nil || !strings.Contains(err.Error(), "Dialect(9)") {
		t.Errorf("unknown dialect: %v", err)
	}
	if s, err := outbox.TriggerSQL(outbox.SQLite, "main.t", "c"); err != nil || !strings.Contains(s, `"main"."t"`) || !strings.Contains(s, `"strata_outbox_t_insert"`) {
		t.Errorf("%s, %v", s, err)
	}
}

// New reports all mistakes.
func TestNew_mistakes(t *testing.T) {
	db := new(sql.DB)
	bus := new(invalidate.Bus)
	for what, o := range map[string]outbox.Options{
		"Poll -1ns":           {Poll: -1},
		"Grace -1s":           {Grace: -time.Second},
		"Timeout -1ns":        {Timeout: -1},
		"Batch 1001":          {Batch: 1001},
		"MaxTries -1":         {MaxTries: -1},
		"requires PostgreSQL": {Notify: true},
	} {
		if _, err := outbox.New(db, outbox.SQLite, bus, &o); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("error %v, want %q", err, what)
		}
	}
	for _, err := range []error{
		second(outbox.New(nil, outbox.SQLite, bus, nil)), second(outbox.New(db, outbox.SQLite, nil, nil)), second(outbox.New(db, outbox.Dialect(9), bus, nil)),
	} {
		if err == nil {
			t.Error("no error")
		}
	}
}

func second(_ *outbox.Outbox, err error) error { return err }
