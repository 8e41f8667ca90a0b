package history

import (
	"fmt"
	"time"
)

// A Kind says what an operation did.
type Kind byte

// The kinds.
const (
	Get    Kind = 'g' // read Version
	Delete Kind = 'd' // made the fleet forget what was before Version, which is committed
	Set    Kind = 's' // made Version, which is committed, the value of the cache
	Commit Kind = 'c' // made Version at the source; it never fails
)

// String returns the name of the kind.
func (k Kind) String() string {
	switch k {
	case Get:
		return "get"
	case Delete:
		return "delete"
	case Set:
		return "set"
	case Commit:
		return "commit"
	default:
		return fmt.Sprintf("Kind(%d)", byte(k))
	}
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
	Tier      Tier  // of a Get
	Stale     bool  // a Get that was flagged
	Err       string
}

// String describes the operation in one line, for people.
func (o Op) String() string {
	s := fmt.Sprintf("%12.3f..%12.3f ms  p%d.%-2d %-6s %s = v%d", ms(o.Call), ms(o.Return), o.Process, o.Goroutine, o.Kind, o.Key, o.Version)
	if o.Kind == Get {
		s += " from " + o.Tier.String()
	}
	if o.Stale {
		s += " (stale)"
	}
	if o.Err != "" {
		s += " failed: " + o.Err
	}
	return s
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
