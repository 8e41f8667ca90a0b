package history

import (
	"fmt"
	"time"
)

// A Kind says what an operation did.
type Kind byte

// The kinds. Those between Delete and DoneSet are the writes: each comes after the
// commit of Version.
const (
	Get     Kind = 'g' // read Version
	Delete  Kind = 'd' // made the fleet forget what was before Version
	Wait    Kind = 'w' // Delete that returned when no process served anything older
	Set     Kind = 's' // made Version the value of the cache
	Expire  Kind = 'x' // made what was before Version stale
	Hold    Kind = 'h' // Delete for a source that is read from a replica
	Done    Kind = 'e' // closed the bracket in which Version was committed
	DoneSet Kind = 'E' // the same, and offered Version as the value of the cache
	Begin   Kind = 'b' // opened the bracket in which Version is committed
	Load    Kind = 'l' // read Version from the source, for the cache
	Commit  Kind = 'c' // made Version at the source; it never fails
)

var kindNames = map[Kind]string{
	Get: "get", Delete: "delete", Wait: "delete and wait", Set: "set", Expire: "expire", Hold: "hold", Done: "done", DoneSet: "doneset",
	Begin: "begin", Load: "load", Commit: "commit",
}

// String returns the name of the kind.
func (k Kind) String() string {
	if name, ok := kindNames[k]; ok {
		return name
	}
	return fmt.Sprintf("Kind(%d)", byte(k))
}

// writes reports whether k tells the cache of a commit.
func (k Kind) writes() bool {
	switch k {
	case Delete, Wait, Set, Expire, Hold, Done, DoneSet:
		return true
	}
	return false
}

// A Tier says who answered a Get.
type Tier byte

// The tiers. Any is a Get that does not know, and is judged like one of L1.
const (
	Any    Tier = '-'
	L1     Tier = '1'
	L2     Tier = '2'
	Source Tier = 's'
)

// String returns the name of the tier.
func (t Tier) String() string {
	switch t {
	case Any:
		return "any tier"
	case L1:
		return "L1"
	case L2:
		return "L2"
	case Source:
		return "source"
	default:
		return fmt.Sprintf("Tier(%d)", byte(t))
	}
}

// An Op is one operation of one goroutine of one process.
type Op struct {
	Kind      Kind
	Key       string
	Process   int
	Goroutine int
	Call      time.Duration // see Now
	Return    time.Duration
	Version   int64 // that was read, or made before
	After     int64 // of a Get with a token: the version whose write the token stands for
	Tier      Tier  // of a Get
	Stale     bool  // a Get that was flagged
	Held      bool  // a Commit in a bracket
	Err       string
}

// String describes the operation in one line, for people.
func (o Op) String() string {
	s := fmt.Sprintf("%12.3f..%12.3f ms  p%d.%-2d %-7s %s = v%d", ms(o.Call), ms(o.Return), o.Process, o.Goroutine, o.Kind, o.Key, o.Version)
	if o.Kind == Get {
		s += " from " + o.Tier.String()
	}
	if o.After > 0 {
		s += fmt.Sprintf(" with the token of v%d", o.After)
	}
	if o.Stale {
		s += " (stale)"
	}
	if o.Held {
		s += " (in a bracket)"
	}
	if o.Err != "" {
		s += " failed: " + o.Err
	}
	return s
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
