package layered

import (
	"context"
	"fmt"
	"testing"
	"unsafe"

	"github.com/lokroom/strata/store"
)

// deeper uses so many KiB of the stack.
//
//go:noinline
func deeper(n int) byte {
	var frame [1 << 10]byte
	if n > 1 {
		frame[n] = deeper(n - 1)
	}
	return frame[n]
}

// moves reports whether the stack of a new goroutine, which calls room first, is copied
// when n KiB of it are used.
func moves(room func() byte, n int) bool {
	moved := make(chan bool)
	go func() {
		room()
		var here byte
		before := uintptr(unsafe.Pointer(&here))
		deeper(n)
		moved <- before != uintptr(unsafe.Pointer(&here))
	}()
	return <-moved
}

// There is room afterwards: nothing is copied.
func TestRoom(t *testing.T) {
	for range 100 {
		if moves(roomToLoad, 11) {
			t.Fatal("a load has its stack copied")
		}
		if moves(roomToAsk, 5) {
			t.Fatal("a loader has its stack copied")
		}
	}
	if !moves(func() byte { return 0 }, 60) {
		t.Error("a small stack was not copied: this tells nothing")
	}
}

// stackProbe is an L1 and an Observer that notes where the goroutine of a load has its stack
// when the load begins and when the value is kept.
type stackProbe struct {
	store.Store[large]
	begin, kept uintptr
}

// large is a value like a row with some text: entries of it are in many frames.
type large [56]uint64

func (p *stackProbe) Begin(ctx context.Context, op store.Op) context.Context {
	if op.Store == "source" {
		var here byte
		p.begin = uintptr(unsafe.Pointer(&here))
	}
	return ctx
}

func (p *stackProbe) End(context.Context, store.Op, store.Result) {}

func (p *stackProbe) Set(ctx context.Context, key string, e store.Entry[large]) error {
	deeper(2) // what an engine uses
	var here byte
	p.kept = uintptr(unsafe.Pointer(&here))
	return nil
}

// The stack of a load is not copied between its begin and the engine: the frames in between
// fit into roomToLoad. Two places on one stack are less than 16 KiB apart here, and the deeper
// one is lower.
func TestRoom_load(t *testing.T) {
	p := &stackProbe{Store: store.Discard[large]()}
	s, err := New(p, nil, &Options[large]{Observer: p})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range 100 {
		if _, err := s.Find(t.Context(), fmt.Sprint(i), Source[large]{Load: func(context.Context, string) (store.Entry[large], error) {
			return store.Entry[large]{Value: large{1}}, nil
		}}); err != nil {
			t.Fatal(err)
		}
		if d := int64(p.begin) - int64(p.kept); d <= 0 || d >= 16<<10 {
			t.Fatalf("the stack of the load was copied: %d bytes between its begin and the engine", d)
		}
	}
}
