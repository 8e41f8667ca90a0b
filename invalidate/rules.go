package invalidate

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"

	"github.com/lokroom/strata/internal/oneline"
)

// ErrNoRule is returned for an event without a rule: nobody would invalidate anything.
var ErrNoRule = errors.New("no rule for the event")

// Rules map events to what they invalidate. Add rules with [On] and [OnRow] when the program
// starts. All methods are safe for concurrent use.
type Rules struct {
	mu     sync.RWMutex
	byName map[string]*kind
	byType map[reflect.Type]*kind
	errs   []error
}

// A kind is what is known about the events of one type.
type kind struct {
	name   string
	typ    reflect.Type
	rules  []func(event any) Targets
	clears []string // caches to clear if a rule fails; nil: all
	all    bool     // a rule names no caches
	decode func(data []byte) (any, error)
}

// NewRules returns rules without a rule.
func NewRules() *Rules {
	return &Rules{byName: make(map[string]*kind), byType: make(map[reflect.Type]*kind)}
}

// On adds a rule: f returns what an event of type E invalidates. There may be several rules
// for one type. f must be quick and safe for concurrent use, and must return the same targets
// for the same event.
//
// The name of the event is that of its type without the package, or what its method
// EventName() string returns. Names must be unique. An outbox stores events as JSON under
// their name: do not rename a type while events of it are stored.
//
// clears are the caches whose values f invalidates. They are cleared if f panics. Without
// clears, all caches of the backend are cleared then.
func On[E any](r *Rules, f func(e E) Targets, clears ...Named) {
	t := reflect.TypeFor[E]()
	name := t.Name()
	var zero E
	if n, ok := any(zero).(interface{ EventName() string }); ok && t.Kind() != reflect.Interface && t.Kind() != reflect.Pointer {
		name = n.EventName()
	}
	on(r, name, func(data []byte) (E, error) {
		var e E
		return e, json.Unmarshal(data, &e)
	}, f, clears)
}

func on[E any](r *Rules, name string, decode func([]byte) (E, error), f func(E) Targets, clears []Named) {
	t := reflect.TypeFor[E]()
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.byType[t]
	switch {
	case name == "" || t.Kind() == reflect.Interface || t.Kind() == reflect.Pointer:
		r.errs = append(r.errs, fmt.Errorf("invalidate: %v cannot be an event: want a named type that is no pointer or interface", t))
		return
	case k == nil && r.byName[name] != nil:
		r.errs = append(r.errs, fmt.Errorf("invalidate: %v and %v are both events of the name %q: give one a method EventName", r.byName[name].typ, t, name))
		return
	case k == nil:
		k = &kind{name: name, typ: t, decode: func(data []byte) (any, error) { return decode(data) }}
		r.byType[t], r.byName[name] = k, k
	}
	k.rules = append(k.rules, func(event any) Targets { return f(event.(E)) })
	k.all = k.all || len(clears) == 0
	for _, c := range clears {
		k.clears = append(k.clears, c.Name())
	}
}

// A RowChange is the event of a changed row of a table: see [OnRow].
type RowChange[T any] struct {
	Old *T // before the change; nil: the row was inserted
	New *T // after the change; nil: the row was deleted

	// Truncated means that all rows were removed by a TRUNCATE. Old and New are nil.
	Truncated bool
}

// rowPrefix begins the names of events that triggers record.
const rowPrefix = "row:"

// OnRow adds a rule for changes of rows of table, which the triggers of outbox.TriggerSQL
// record. T is a struct with the columns that the trigger records, in the form that
// encoding/json decodes. f and clears are those of [On].
func OnRow[T any](r *Rules, table string, f func(c RowChange[T]) Targets, clears ...Named) {
	on(r, rowPrefix+table, func(data []byte) (RowChange[T], error) {
		var c struct {
			Old, New  *T
			Truncated bool
		}
		err := json.Unmarshal(data, &c)
		return RowChange[T](c), err
	}, f, clears)
}

// Err returns all mistakes in the rules, or nil.
func (r *Rules) Err() error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return oneline.Join(r.errs...)
}

// Explain returns what events would invalidate, and why, without invalidating anything. It
// returns an error that wraps [ErrNoRule] if an event has no rule, and an error if a rule
// panics or targets an id that has no text; the targets are then those of the other events.
func (r *Rules) Explain(events ...any) (Targets, error) {
	var all Targets
	var errs []error
	for _, event := range events {
		k, err := r.kindOf(event)
		if err == nil {
			var ts Targets
			if ts, err = k.targets(event); err == nil {
				all = append(all, ts...)
			}
		}
		errs = append(errs, err)
	}
	return all, oneline.Join(errs...)
}

func (r *Rules) kindOf(event any) (*kind, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if k := r.byType[reflect.TypeOf(event)]; k != nil {
		return k, nil
	}
	return nil, fmt.Errorf("invalidate: %T: %w", event, ErrNoRule)
}

// targets applies the rules. It returns a panic as an error.
func (k *kind) targets(event any) (all Targets, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("invalidate: the rule for %s panicked: %v", k.name, p)
		}
	}()
	for _, rule := range k.rules {
		for _, t := range rule(event) {
			if t.err != nil {
				return nil, fmt.Errorf("invalidate: the rule for %s: %w", k.name, t.err)
			}
			t.Event = k.name
			all = append(all, t)
		}
	}
	return all, nil
}

// Encode returns the name and the JSON of an event, for an outbox or a message broker.
func (r *Rules) Encode(event any) (name string, data []byte, err error) {
	k, err := r.kindOf(event)
	if err != nil {
		return "", nil, err
	}
	if data, err = json.Marshal(event); err != nil {
		return "", nil, fmt.Errorf("invalidate: encode %s: %w", k.name, err)
	}
	return k.name, data, nil
}

// Decode returns the event of this name and JSON.
func (r *Rules) Decode(name string, data []byte) (event any, err error) {
	r.mu.RLock()
	k := r.byName[name]
	r.mu.RUnlock()
	if k == nil {
		return nil, fmt.Errorf("invalidate: %q: %w", name, ErrNoRule)
	}
	if event, err = k.decode(data); err != nil {
		return nil, fmt.Errorf("invalidate: decode %s: %w", name, err)
	}
	return event, nil
}

// fallback returns the caches that cover every event of this name: those passed to
// [On], or nil if any cache may be affected.
func (r *Rules) fallback(name string) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if k := r.byName[name]; k != nil && !k.all {
		return k.clears
	}
	return nil
}
