package history

import (
	"fmt"
	"time"
)

// A Kind is the kind of an operation.
type Kind byte

// Kinds. Those from Delete to CommitSet are the writes: each follows the commit of Version.
const (
	Get       Kind = 'g' // read Version
	Delete    Kind = 'd' // invalidated the values before Version
	Wait      Kind = 'w' // Delete that returned once no process served an older value
	Set       Kind = 's' // made Version the cached value
	Expire    Kind = 'x' // made the values before Version stale
	Hold      Kind = 'h' // Delete for a source that is read from a replica
	Done      Kind = 'e' // ended the write intent of the commit of Version
	CommitSet Kind = 'E' // the same, and offered Version as the cached value
	Begin     Kind = 'b' // began the write intent of the commit of Version
	Load      Kind = 'l' // loaded Version from the source
	Commit    Kind = 'c' // made Version at the source; it never fails
)

var kindNames = map[Kind]string{
	Get: "get", Delete: "delete", Wait: "delete and wait", Set: "set", Expire: "expire", Hold: "hold", Done: "done", CommitSet: "doneset",
	Begin: "begin", Load: "load", Commit: "commit",
}

// String returns the name of the kind.
func (k Kind) String() string {
	if name, ok := kindNames[k]; ok {
		return name
	}
	return fmt.Sprintf("Kind(%d)", byte(k))
}

// writes reports whether k notifies the cache of a commit.
func (k Kind) writes() bool {
	switch k {
	case Delete, Wait, Set, Expire, Hold, Done, CommitSet:
		return true
	}
	return false
}

// A Tier is the tier that answered a Get.
type Tier byte

// Tiers. Any is an unknown tier, and is checked like L1.
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
	After     int64 // of a Get with a token: the version of the write that the token identifies
	Tier      Tier  // of a Get
	Stale     bool  // a Get with a flagged answer
	Held      bool  // a Commit with a write intent
	Err       string
}

// String describes the operation in one line.
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
		s += " (with a write intent)"
	}
	if o.Err != "" {
		s += " failed: " + o.Err
	}
	return s
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
