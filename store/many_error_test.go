package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lokroom/strata/store"
)

func TestManyError(t *testing.T) {
	slow, broken := errors.New("slow"), errors.New("broken")
	for want, errs := range map[string]map[int]error{
		"7: slow":                             {7: slow},
		"7, 8: slow":                          {7: slow, 8: slow},
		"1, 2, 3 and 2 more: slow; 6: broken": {1: slow, 2: slow, 3: slow, 4: slow, 5: slow, 6: broken},
		"1: a; 2: b; 3: c; and 1 other causes": {
			1: errors.New("a"), 2: errors.New("b"), 3: errors.New("c"), 4: errors.New("d"),
		},
		"1, 2: redis: get: slow": { // whose keys are no two causes
			1: &store.Error{Store: "redis", Op: "get", Key: "1", Err: slow},
			2: &store.Error{Store: "redis", Op: "get", Key: "2", Err: slow},
		},
	} {
		err := store.NewManyError(errs)
		if err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	}
	many := map[string]error{}
	for i := range 10_000 {
		many[strings.Repeat(fmt.Sprint(i), 1000)] = errors.New(fmt.Sprint("cause ", i%1000))
	}
	if text := store.NewManyError(many).Error(); len(text) > 3000 {
		t.Errorf("a text of %d bytes", len(text))
	}
	err := store.NewManyError(map[int]error{1: slow, 2: fmt.Errorf("wrapped: %w", broken)})
	if !errors.Is(err, slow) || !errors.Is(err, broken) || errors.Is(err, store.ErrNotFound) {
		t.Errorf("%v is not what it is made of", err)
	}
	if err := store.NewManyError(map[int]error{}); err != nil {
		t.Errorf("no errors are %v", err)
	}
}

func TestByKey(t *testing.T) {
	slow := errors.New("slow")
	many := store.NewManyError(map[int]error{1: slow})
	for name, c := range map[string]struct {
		err  error
		want [2]error // of 1 and 2
	}{
		"none":    {nil, [2]error{nil, nil}},
		"many":    {many, [2]error{slow, nil}},
		"wrapped": {fmt.Errorf("x: %w", many), [2]error{slow, nil}},
		"of all":  {slow, [2]error{slow, slow}},
	} {
		of := store.ByKey[int](c.err)
		if of(1) != c.want[0] || of(2) != c.want[1] {
			t.Errorf("%s: %v and %v, want %v", name, of(1), of(2), c.want)
		}
	}
	// What is joined with more than that is of all keys: nobody knows better.
	joined := errors.Join(many, errors.New("and the connection"))
	if of := store.ByKey[int](joined); of(1) != joined || of(2) != joined {
		t.Errorf("joined: %v and %v", of(1), of(2))
	}
	if of := store.ByKey[string](many); of("1") != many {
		t.Errorf("of keys of another type: %v", of("1"))
	}
}

// ordered is a store that has only the basics, and fails for one key.
type ordered struct{ store.Store[int] }

func (s ordered) Get(_ context.Context, key string) (store.Entry[int], error) {
	switch key {
	case "bad":
		return store.Entry[int]{}, store.ErrUnavailable
	case "absent":
		return store.Entry[int]{Absent: true}, store.ErrNotFound
	case "none":
		return store.Entry[int]{}, store.ErrNotFound
	}
	return store.Entry[int]{Value: len(key)}, nil
}

func TestGetMany_places(t *testing.T) {
	got, err := store.GetMany(t.Context(), ordered{}, []string{"four", "none", "bad", "absent", "four"})
	if len(got) != 5 || got[0].Value != 4 || got[1] != nil || got[2] != nil || !got[3].Absent || got[4].Value != 4 {
		t.Errorf("got %v", got)
	}
	of := store.ByKey[string](err)
	if !errors.Is(of("bad"), store.ErrUnavailable) || of("four") != nil || of("none") != nil {
		t.Errorf("the error is %v", err)
	}
}
