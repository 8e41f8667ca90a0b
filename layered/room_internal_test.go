package layered

import (
	"testing"
	"unsafe"
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
