package script

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/record"
)

// A step is a script with its arguments, and what is to be thought of its answer.
type step struct {
	name  string
	args  []any
	judge func(got []any, v recordState) error
}

// A chooser makes steps up.
type chooser struct {
	*rand.Rand
	n    tally
	last int // for tokens, ids and payloads that nobody else has
}

func (r *chooser) new(what string) string {
	r.last++
	return fmt.Sprintf("%s%07d", what, r.last)
}

func one[T any](r *chooser, of ...T) T { return of[r.IntN(len(of))] }

// blob makes a value up, with its life.
func (r *chooser) blob() (payload, blob string, hard int64) {
	payload = r.new("v")
	rec := text(payload)
	hard = one[int64](r, 0, 4*second, 30*second, hour, hour)
	rec.KeepMs = one[uint32](r, 0, 0, 2*second, 20*second)
	rec.Version = one[uint64](r, 0, big, big+1, big+2)
	rec.LoadedAt = one[store.Time](r, 0, 1, 1_700_000_000_123)
	if hard == 0 {
		rec.EndMs, rec.KeepMs = -1, 0
	}
	return payload, value(rec), hard
}

func (r *chooser) holdMs() int64 { return one[int64](r, 2*second, 10*second, minute) }

// match returns a claim, rather one that was made lately.
func (r *chooser) match(w *world) *claim {
	if len(w.claims) == 0 {
		return &claim{how: "T", match: r.new("t"), breaks: -1}
	}
	if r.IntN(3) > 0 {
		return &w.claims[len(w.claims)-1]
	}
	return &w.claims[r.IntN(len(w.claims))]
}

// step makes the next one up.
func (r *chooser) step(w *world) step {
	switch { // what would come together too seldom
	case w.late:
		w.late = false
		return one(r, r.fill, r.lease)(w)
	case w.sole != all8 && r.IntN(5) == 0:
		return r.done(w)
	}
	switch r.IntN(21) {
	case 0, 1, 2, 3, 4:
		return r.lease(w)
	case 5, 6, 7, 8, 9:
		return r.fill(w)
	case 10:
		return r.renew(w)
	case 11:
		return r.release(w)
	case 12:
		return r.delete(w)
	case 13:
		return r.set(w)
	case 14:
		return r.begin(w)
	case 15:
		return r.done(w)
	case 16:
		return r.expire(w)
	case 17:
		if r.IntN(3) == 0 {
			return r.outside(w)
		}
		return r.stale(w)
	case 18:
		return r.unstorable(w)
	default:
		ms := one[int64](r, second, 5*second, 30*second)
		if left := w.hold - w.before.now; left > 0 && r.IntN(2) == 0 {
			ms, w.late = left+second, true
		}
		return step{"pass", []any{ms}, func([]any, recordState) error { w.passed(ms); return nil }}
	}
}

func (r *chooser) lease(w *world) step {
	token, ms, not := r.new("t"), one[int64](r, 6*second, 20*second, 50*second), none
	if r.IntN(2) == 0 {
		not = w.before.id()
	}
	return step{"lease", []any{token, ms, not}, func(got []any, v recordState) error { return w.leased(got, v, token, not, ms, r.n) }}
}

func (r *chooser) fill(w *world) step {
	c := r.match(w)
	if c.how == "C" && r.IntN(2) == 0 {
		return r.confirm(w, c)
	}
	payload, blob, hard := r.blob()
	if r.IntN(20) == 0 {
		payload, blob, hard = "", "", 0
	}
	return step{"fill", []any{c.how, c.match, blob, hard}, func(got []any, v recordState) error { return w.filled(got, v, c, payload, hard, r.n) }}
}

func (r *chooser) confirm(w *world, c *claim) step {
	rec, hard := record.Record{LoadedAt: 1}, one[int64](r, 0, 4*second, hour)
	if w.before.isValue() && record.Parse([]byte(w.before.raw), &rec) != nil {
		rec = record.Record{LoadedAt: 1}
	}
	rec.ID = record.Uint64([]byte(c.match))
	args := confirmed(rec, r.new("i"), hard, 0, 0, uint64(r.IntN(1000)))
	args[len(args)-1] = len(w.before.raw)
	return step{"confirm", args, func(got []any, v recordState) error {
		if got[0] == int64(2) {
			r.n["whole"]++
			if b := w.before; b.holdLeft() == 0 && rec.LoadedAt != 0 || v.raw != "" && v.id() != b.id() {
				return errors.New("it could have been confirmed")
			}
			return nil
		}
		if got[0] == int64(1) {
			r.n["confirmed"]++
		}
		return w.filled(got, v, c, w.payload, hard, r.n)
	}}
}

func (r *chooser) renew(w *world) step {
	c, ms := r.match(w), one[int64](r, 6*second, 20*second)
	return step{"renew", []any{c.match, ms}, func(got []any, v recordState) error {
		stood, err := w.stood(got, v, c.match)
		if stood && !w.before.unstorable() {
			r.n["renewed"]++
			w.until = w.before.now + ms
		}
		return err
	}}
}

func (r *chooser) release(w *world) step {
	c, ms := r.match(w), one[int64](r, 0, 3*second)
	return step{"release", []any{c.match, ms, "e"}, func(got []any, v recordState) error {
		stood, err := w.stood(got, v, c.match)
		if stood && !w.before.unstorable() {
			r.n["released"]++
			w.lease, c.spent = "", c.how == "T"
		}
		return err
	}}
}

func (r *chooser) unstorable(w *world) step {
	c, ms := r.match(w), one[int64](r, 4*second, hour)
	return step{"unstorable", []any{c.match, ms, none}, func(got []any, v recordState) error {
		return w.unstorable(got, v, c.match, r.n)
	}}
}

func (r *chooser) delete(w *world) step {
	ms, floor := one(r, 0, 0, r.holdMs()), one(r, "", record.Bytes8(big), record.Bytes8(big+1))
	return step{"delete", []any{ms, floor}, func(got []any, v recordState) error {
		w.broken()
		want := floor
		if floor == "" {
			want = none
		}
		if on, _ := w.held(v); on {
			switch {
			case ms == 0 || w.floor == none:
				want = w.floor
			case floor != "":
				want = max(floor, w.floor)
			}
		}
		return w.begins(v, ms, all8, want)
	}}
}

func (r *chooser) set(w *world) step {
	payload, blob, hard := r.blob()
	mode := one(r, "", "V")
	return step{"set", []any{blob, hard, mode}, func(got []any, v recordState) error {
		if got[0] == int64(0) {
			r.n["older"]++
			if b := w.before; mode == "" || !b.isValue() || b.flags()&record.FlagVersioned == 0 || b.header()[record.OffDB:record.OffDB+8] < blob[record.OffDB:record.OffDB+8] {
				return errors.New("it is newer")
			}
			return nil
		}
		w.broken()
		w.shared()
		w.keeps(payload, hard, v)
		return nil
	}}
}

func (r *chooser) begin(w *world) step {
	token, ms := r.new("b"), r.holdMs()
	return step{"begin", []any{token, ms}, func(got []any, v recordState) error {
		on, sure := w.held(v)
		w.broken()
		if w.brackets = append(w.brackets, bracket{token, w.writes}); len(w.brackets) > 3 {
			w.brackets = w.brackets[1:]
		}
		sole := token
		if got[0] == int64(0) {
			sole = all8
		}
		if sure && on != (sole == all8) {
			return fmt.Errorf("a hold was on: %v", on)
		}
		return w.begins(v, ms, sole, none)
	}}
}

func (r *chooser) done(w *world) step {
	token := r.new("b")
	if len(w.brackets) > 0 {
		token = w.brackets[max(r.IntN(len(w.brackets)), r.IntN(len(w.brackets)))].token
	}
	payload, blob, hard := r.blob()
	if r.IntN(3) == 0 {
		payload, blob, hard = "", "", 0
	}
	grace := one(r, 0, 0, 0, r.holdMs())
	return step{"done", []any{token, grace, blob, hard}, func(got []any, v recordState) error {
		return w.done(got, v, token, grace, payload, hard, r.n)
	}}
}

func (r *chooser) stale(w *world) step {
	return step{"stale", []any{r.new("i")}, func(got []any, v recordState) error {
		payload := w.payload
		w.broken()
		w.shared()
		if got[0] == int64(1) {
			r.n["made stale"]++
			w.payload, w.stale = payload, true
		}
		return nil
	}}
}

func (r *chooser) expire(w *world) step {
	ms := one[int64](r, -1, 0, 4*second, 30*second, hour)
	return step{"expire", []any{ms}, func(got []any, v recordState) error {
		if ms < 0 && got[0] == int64(1) {
			w.broken()
			w.shared()
		} else if got[0] == int64(1) {
			w.keeps(w.payload, ms, v)
		}
		return nil
	}}
}

// outside is what no script does: an eviction, and others who use the key.
func (r *chooser) outside(w *world) step {
	return step{one(r, "DEL", "DEL", "SET"), nil, func([]any, recordState) error {
		w.hold, w.lease, w.payload, w.stale, w.foreign = 0, "", "", false, "foreign"
		return nil
	}}
}
