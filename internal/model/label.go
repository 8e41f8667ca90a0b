package model

import "fmt"

// A Guarantee is one of the promises of the protocol. internal/model/README.md has them in full.
type Guarantee string

// The guarantees that the models check. A write is a Delete, a Set, the end of a
// write intent or an InvalidateTags that has returned without an error.
const (
	// G1: a Get answered by Redis or by a load that starts after a write
	// returned never returns a value older than the write.
	G1 Guarantee = "G1"
	// G2: in the process that wrote, the same goes for every Get.
	G2 Guarantee = "G2"
	// G3: in every process, the same goes for every Get that starts longer
	// than H after the write returned.
	G3 Guarantee = "G3"
	// G4: a process serves an older copy only while the push is on its way
	// to it, or while the loss of its connection is still to be noticed.
	G4 Guarantee = "G4"
	// G5: what G1 says of a key goes for the entries of a tag.
	G5 Guarantee = "G5"
	// G6: with write intents, wherever a process crashes, no value older than the outcome of
	// the transaction outlives the hold in Redis.
	G6 Guarantee = "G6"
	// G7: a failover suspends what was promised until the recent-write log is replayed.
	G7 Guarantee = "G7"
)

// A violation is a guarantee that a step breaks, and how. The zero value is none.
type violation struct {
	guarantee Guarantee
	how       label
}

var holds violation

func breaks(g Guarantee, how label) violation { return violation{g, how} }

// A label is a line of a counterexample. It is put together when it is printed:
// of the millions that are emitted a few dozen are.
type label struct {
	format string
	args   [4]uint8
	count  uint8
}

// say returns a label of a format for numbers.
func say(format string, args ...uint8) label {
	l := label{format: format}
	l.count = uint8(copy(l.args[:], args))
	return l
}

func (l label) String() string {
	args := make([]any, l.count)
	for i := range args {
		args[i] = l.args[i]
	}
	return fmt.Sprintf(l.format, args...)
}

// choose returns yes or no.
func choose(which bool, yes, no string) string {
	if which {
		return yes
	}
	return no
}
