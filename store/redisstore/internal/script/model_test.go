package script

import (
	"errors"
	"fmt"

	"github.com/lokroom/strata/store/redisstore/internal/record"
)

// A world is what is known of a key while steps are made at random: not what its
// record must be, but what it must not.
type world struct {
	key    string
	before recordState // what the last step has left

	breaks   int       // steps that no load survives
	writes   int       // steps after which no write intent is the only one
	hold     int64     // end of the hold that must stand, by the clock of the server; 0: none
	sole     string    // its write intent, or all8
	floor    string    // its floor
	lease    string    // the token that was given last and has not been broken
	until    int64     // how long at least it stands
	payload  string    // of the value that may be there; empty: none may
	over     int64     // when it must be gone; 0: never
	stale    bool      // it was made stale
	late     bool      // a hold has just run out
	foreign  string    // what was put there that is no record; empty: nothing
	claims   []claim   // that may be used for a fill
	brackets []bracket // that were begun

	said []string // the last steps
}

// A claim is the right to fill: a lease ("T"), or an id that was read ("C").
type claim struct {
	how, match string
	breaks     int   // of the world when it was made
	hold       int64 // end of the hold that was on then; 0: none was
	spent      bool
}

// A write intent is a token and the writes of the world when it was begun.
type bracket struct {
	token  string
	writes int
}

// A tally counts what happened, for a run in which something did not proves nothing.
type tally map[string]int

// stands judges what a step has left.
func (w *world) stands(v recordState) error {
	if v.raw != "" && v.raw == w.foreign {
		return nil
	}
	w.foreign = ""
	if err := v.wrong(); err != nil {
		return err
	}
	if v.raw == "" { // lease and value may have ended
		w.lease, w.payload = "", ""
	}
	if v.isValue() && v.payload() != w.payload {
		return fmt.Errorf("value %q is there, want %q", v.payload(), w.payload)
	}
	if left := w.over - v.now; v.isValue() && w.over != 0 && (v.left < 0 || v.lasts() > left+mostApart) {
		return fmt.Errorf("the value is there for %d ms, want %d", v.lasts(), left)
	}
	if w.stale && v.fresh() {
		return errors.New("what was made stale is fresh")
	}
	if w.hold <= v.now+mostApart {
		return nil
	}
	switch got := v.holdLeft() + v.now; {
	case v.raw == "":
		return errors.New("the hold is lost")
	case got != w.hold:
		return fmt.Errorf("the hold ends at %d, want %d", got, w.hold)
	case v.bracket() != w.sole:
		return fmt.Errorf("the hold is of %q, want %q", v.bracket(), w.sole)
	case v.floor() != w.floor:
		return fmt.Errorf("the floor is %q, want %q", v.floor(), w.floor)
	case v.left >= 0 && v.left < v.holdLeft()-mostApart:
		return fmt.Errorf("the key ends in %d ms, before its hold in %d", v.left, v.holdLeft())
	}
	if !v.isValue() || v.flags()&record.FlagVersioned != 0 && w.floor != none && v.header()[record.OffDB:record.OffDB+8] >= w.floor {
		return nil
	}
	if v.left < 0 || v.left > v.holdLeft()+mostApart {
		return fmt.Errorf("a value ends in %d ms, after its hold in %d", v.left, v.holdLeft())
	}
	return nil
}

// held tells whether the hold was on when a step was made that left v; sure is false
// if it ended about then.
func (w *world) held(v recordState) (on, sure bool) {
	return w.hold > v.now, w.hold <= w.before.now || w.hold > v.now+mostApart
}

// begins takes the hold that a step has made or left, which lasts from then on for
// ms at least.
func (w *world) begins(v recordState, ms int64, sole, floor string) error {
	on, sure := w.held(v)
	from, to := w.before.now+ms, v.now+ms
	if on || !sure {
		from, to = max(from, w.hold), max(to, w.hold)
	}
	if ms == 0 && !on || v.raw == "" && !sure {
		w.hold = 0
		return nil
	}
	if !sure { // it may or may not have counted
		sole, floor = v.bracket(), v.floor()
	}
	got := v.holdLeft() + v.now
	if v.raw == "" || got < from || got > to {
		return fmt.Errorf("the hold ends at %d, want %d to %d", got, from, to)
	}
	w.hold, w.sole, w.floor = got, sole, floor
	return nil
}

// broken notes a step that no load survives.
func (w *world) broken() {
	w.breaks++
	w.writes++
	w.lease, w.payload, w.stale = "", "", false
}

// keeps notes that the value may be there, for hard ms, or 0 for ever.
func (w *world) keeps(payload string, hard int64, v recordState) {
	w.payload, w.over = payload, 0
	if hard > 0 {
		w.over = v.now + hard
	}
}

// shared notes that no write intent is the only one.
func (w *world) shared() { w.sole = all8 }

// passed notes that time has passed for the key.
func (w *world) passed(ms int64) {
	ago := func(t *int64) {
		if *t > 0 {
			*t = max(1, *t-ms)
		}
	}
	ago(&w.hold)
	ago(&w.over)
	ago(&w.until)
	for i := range w.claims {
		ago(&w.claims[i].hold)
	}
}

// claim notes a right to fill, that was had from a record like v.
func (w *world) claim(how, match string, v recordState) {
	c := claim{how: how, match: match, breaks: w.breaks}
	if left := v.holdLeft(); left > 0 {
		c.hold = v.now + left
	}
	if w.claims = append(w.claims, c); len(w.claims) > 10 {
		w.claims = w.claims[1:]
	}
}

// leased judges the answer to lease. What it tells of may have ended since.
func (w *world) leased(got []any, v recordState, token, not string, ms int64, n tally) error {
	switch got[0] {
	case int64(1):
		n["granted"]++
		switch {
		case w.before.unstorable() && w.before.left > v.now-w.before.now+mostApart:
			return errors.New("it was everybody's")
		case w.lease != "" && w.until > v.now:
			return errors.New("a second lease was given")
		case v.token() != token:
			return fmt.Errorf("the token is %q", v.token())
		case w.before.fresh() && w.before.id() != not && w.before.left-w.before.keep() > v.now-w.before.now+mostApart:
			return errors.New("a lease of a fresh value was given")
		}
		w.lease, w.until = token, w.before.now+ms
		w.claim("T", token, v)
	case int64(2):
		n["taken"]++
		if v.raw != "" && (w.lease == "" || v.token() != w.lease) {
			return fmt.Errorf("it was taken by %q, but %q has it", v.token(), w.lease)
		}
	case int64(3):
		n["backed off"]++
		if v.raw != "" && v.token() != all8 {
			return errors.New("nobody said so")
		}
	case int64(4):
		n["fresh"]++
		if w.stale || v.raw != "" && (!v.isValue() || v.id() == not) {
			return errors.New("it is not")
		}
	case int64(5):
		n["everybody's"]++
		if v.raw != "" && (!v.unstorable() || v.token() != w.lease || got[3] != w.lease) {
			return errors.New("it is not everybody's")
		}
		w.claim("T", w.lease, v)
	default:
		return errors.New("what is that")
	}
	return nil
}

// filled judges the answer to fill. I1: nothing that breaks loads has happened since
// the claim was made.
func (w *world) filled(got []any, v recordState, c *claim, payload string, hard int64, n tally) error {
	b := w.before
	stood := c.how == "T" && b.token() == c.match && b.token() != none || c.how == "C" && b.isValue() && b.id() == c.match
	if got[0] != int64(1) {
		n["refused "+c.how]++
		late := b.holdLeft() != 0 && b.holdLeft() <= v.now-b.now
		if stood && late {
			n["refused after the hold"]++
		}
		if stood && !late && v.raw != "" {
			return errors.New("it was refused for no reason")
		}
		return nil
	}
	n["filled "+c.how]++
	switch {
	case c.breaks != w.breaks:
		return fmt.Errorf("I1: there were %d changes since the claim", w.breaks-c.breaks)
	case c.spent || !stood:
		return errors.New("the claim does not stand")
	case c.hold > 0 && c.hold <= b.now:
		return errors.New("the load began under a hold that has run out")
	}
	if len(got) == 3 && got[2] == int64(1) {
		n["capped"]++
	}
	c.spent = true
	w.lease, w.stale = "", false
	w.keeps(payload, hard, v)
	return nil
}

// stood judges the answer to a script that wants the lease, and tells whether it was
// the one that was given last.
func (w *world) stood(got []any, v recordState, token string) (bool, error) {
	yes, want := got[0] == int64(1), w.lease == token && w.lease != "" && w.before.token() == token
	if yes && !want || want && !yes && v.raw != "" {
		return yes, fmt.Errorf("the lease is of %q", w.lease)
	}
	return yes, nil
}

// unstorable judges the answer to unstorable.
func (w *world) unstorable(got []any, v recordState, token string, n tally) error {
	b := w.before
	stood := w.lease == token && w.lease != "" && b.token() == token
	switch got[0] {
	case int64(1):
		n["unstorable"]++
		if !stood || b.unstorable() || b.holdLeft() != 0 {
			return errors.New("it could not be given to everybody")
		}
		w.payload, w.stale, w.until = "", false, 0
	case int64(2):
		if !stood || !b.unstorable() {
			return errors.New("it was not everybody's")
		}
	default:
		if stood && b.holdLeft() == 0 && v.raw != "" {
			return errors.New("it was refused for no reason")
		}
	}
	return nil
}

// done judges the answer to done.
func (w *world) done(got []any, v recordState, token string, grace int64, payload string, hard int64, n tally) error {
	on, sure := w.held(v)
	alone := on && w.sole == token
	writes := w.writes
	w.broken()
	var err error
	switch got[0] {
	case int64(2), int64(1):
		for _, b := range w.brackets {
			if b.token == token && b.writes != writes {
				err = errors.New("it was taken for the only one, and is not")
			}
		}
		if sure && !alone || w.hold <= w.before.now {
			err = errors.New("its hold had run out")
		}
		w.hold = 0
		if n["done"]++; got[0] == int64(2) {
			n["done set"]++
			w.keeps(payload, hard, v)
			return err
		}
	case int64(0):
		n["done shared"]++
		if sure && (!on || alone) {
			err = errors.New("it was the only one")
		}
	case int64(-1):
		n["done late"]++
		if sure && on {
			err = errors.New("the hold was on")
		}
		w.hold = 0
	}
	return errors.Join(err, w.begins(v, grace, all8, none))
}
