package heartbeat

import (
	"strconv"
	"strings"

	"github.com/redis/rueidis"
)

// evicted reports whether the server, which key names, has evicted anything since the
// last heartbeat. What it evicts for lack of memory while it runs a command is pushed to
// all that have read it, but not to the connection of the command, if that has
// NOLOOP (Redis 7, trackingInvalidateKey), and is forgotten: of what happens to the
// key from then on that connection gets no push. So what this process has read may be
// one of those.
func (p *Heartbeat) evicted(key string, info rueidis.RedisResult) bool {
	text, err := info.ToString()
	if err != nil { // not permitted
		return false
	}
	n := Stat(text, "evicted_keys")
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.evictions == nil {
		p.evictions = make(map[string]int64)
	}
	before := p.evictions[key]
	p.evictions[key] = n
	return n != before // it has fewer if it was restarted
}

// Stat returns a number of the reply to INFO; 0 if it is not in it.
func Stat(info, name string) int64 {
	for line := range strings.Lines(info) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			n, _ := strconv.ParseInt(v, 10, 64)
			return n
		}
	}
	return 0
}
