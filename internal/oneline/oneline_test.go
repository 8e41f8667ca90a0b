package oneline_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/lokroom/strata/internal/oneline"
)

func TestJoin(t *testing.T) {
	a, b := errors.New("a"), errors.New("b")
	for _, c := range []struct {
		name string
		err  error
		want string // "": nil
		is   []error
	}{
		{"nothing", oneline.Join(), "", nil},
		{"nils", oneline.Join(nil, nil), "", nil},
		{"one", oneline.Join(nil, a), "a", []error{a}},
		{"two", oneline.Join(a, nil, b), "a; b", []error{a, b}},
		{"one twice", oneline.Join(a, errors.New("a"), b, a), "a; b", []error{a, b}},
		{"nested", oneline.Join(oneline.Join(a, b), b, fmt.Errorf("c: %w", a)), "a; b; c: a", []error{a, b}},
	} {
		if (c.err == nil) != (c.want == "") || c.err != nil && c.err.Error() != c.want {
			t.Errorf("%s: %v, want %q", c.name, c.err, c.want)
		}
		for _, target := range c.is {
			if !errors.Is(c.err, target) {
				t.Errorf("%s: %v is not %v", c.name, c.err, target)
			}
		}
	}
	if oneline.Join(nil, a) != a {
		t.Error("an only error is wrapped")
	}
}
