package store_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/store"
)

// A notebook notes what an observer is told.
type notebook struct {
	ops     []store.Op
	results []store.Result
	ended   context.Context
}

type noteKey struct{}

func (n *notebook) Begin(ctx context.Context, op store.Op) context.Context {
	n.ops = append(n.ops, op)
	return context.WithValue(ctx, noteKey{}, "begun")
}

func (n *notebook) End(ctx context.Context, op store.Op, r store.Result) {
	n.ops = append(n.ops, op)
	n.results = append(n.results, r)
	n.ended = ctx
}

func TestObserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n notebook
		op := store.Op{Store: "redis", Name: "get", Key: "k", Keys: 1}
		inner, end := store.Observe(ctx, &n, op)
		if inner.Value(noteKey{}) != "begun" {
			t.Error("the context of Begin is not the one to go on with")
		}
		time.Sleep(time.Second)
		end(1, store.ErrUnavailable)
		if len(n.ops) != 2 || n.ops[0] != op || n.ops[1] != op {
			t.Errorf("the operations are %+v", n.ops)
		}
		want := store.Result{Err: store.ErrUnavailable, Hits: 1, Elapsed: time.Second}
		if len(n.results) != 1 || n.results[0] != want {
			t.Errorf("the results are %+v, want %+v", n.results, want)
		}
		if n.ended != inner {
			t.Error("End got another context than Begin returned")
		}
	})
}

func TestObserve_nilAllocatesNothing(t *testing.T) {
	inner, end := store.Observe(ctx, nil, store.Op{})
	if inner != ctx {
		t.Error("without an observer the context is another one")
	}
	end(0, nil)
	if n := testing.AllocsPerRun(100, func() {
		_, end := store.Observe(ctx, nil, store.Op{})
		end(0, nil)
	}); n > 0 {
		t.Errorf("without an observer Observe allocates %v times", n)
	}
}

type printer struct{}

func (printer) Begin(ctx context.Context, _ store.Op) context.Context { return ctx }

func (printer) End(_ context.Context, op store.Op, r store.Result) {
	fmt.Println(op.Store, op.Name, op.Key, "hits:", r.Hits, "error:", r.Err)
}

func ExampleObserve() {
	_, end := store.Observe(context.Background(), printer{}, store.Op{Store: "redis", Name: "get", Key: "user:42", Keys: 1})
	// Here a store would ask its server.
	end(1, nil)
	// Output: redis get user:42 hits: 1 error: <nil>
}
