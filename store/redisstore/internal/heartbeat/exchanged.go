package heartbeat

import (
	"strconv"
	"strings"

	"github.com/lokroom/strata/internal/mutant"
	"github.com/redis/rueidis"
)

// SWAPDB exchanges all values without an invalidation, a new master_replid or any other
// sign that a read could find; swapped back, the databases look as if nothing had happened,
// but lack what was written meanwhile. DEBUG RELOAD NOSAVE brings back an older file. Redis
// counts the calls of both, so each heartbeat asks for the counts. A cluster refuses SWAPDB.

// exchanging are the commands, as INFO commandstats names them.
var exchanging = []string{"cmdstat_swapdb:calls=", "cmdstat_debug:calls="}

// exchanges reads from the reply to INFO commandstats how often commands were called that
// exchange the data. It is 0 where that is missing.
func exchanges(r rueidis.RedisResult) (n int64) {
	text, err := r.ToString()
	if err != nil { // not permitted, or not known
		return 0
	}
	for line := range strings.Lines(text) {
		for _, name := range exchanging {
			if rest, ok := strings.CutPrefix(line, name); ok {
				calls, _, _ := strings.Cut(rest, ",")
				count, _ := strconv.ParseInt(calls, 10, 64)
				n += count
			}
		}
	}
	return n
}

// An exchangeCount is how often the data was exchanged, as the last heartbeat knows it.
type exchangeCount int64

// differ reports whether the data was exchanged since. A count that falls to zero was reset
// (CONFIG RESETSTAT, a restart).
func (c *exchangeCount) differ(n int64) bool {
	old := *c
	*c = exchangeCount(n)
	return n != int64(old) && n != 0 && !mutant.NoExchange.Load()
}
