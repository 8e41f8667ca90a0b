package layered

// A goroutine begins with a small stack, which is copied each time that it does not
// suffice. What loads goes deep, with entries in most frames: that took a fifth of a miss.
// Asked for at once, while there is nothing to copy, the same room costs next to nothing.

// roomToLoad makes room for what a flight does, on its goroutine.
//
//go:noinline
func roomToLoad() byte {
	var frame [12 << 10]byte
	return frame[len(unknown)]
}

// roomToAsk makes room for a loader that does not go deep.
//
//go:noinline
func roomToAsk() byte {
	var frame [6 << 10]byte
	return frame[len(unknown)]
}

// unknown is empty, which the compiler does not know.
var unknown string
