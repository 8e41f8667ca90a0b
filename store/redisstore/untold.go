package redisstore

import (
	"strconv"
	"strings"

	"github.com/redis/rueidis"
)

// evicted reports whether the server, which key names, has evicted anything since the
// last beat. What it evicts for lack of memory while it runs a command is pushed to
// all who have read it, but not to the connection whose command it is, if that has
// NOLOOP (Redis 7, trackingInvalidateKey), and is forgotten: of what happens to the
// key from then on that connection is not told. So what this process has read may be
// one of those.
func (p *pulse) evicted(key string, info rueidis.RedisResult) bool {
	text, err := info.ToString()
	if err != nil { // not permitted
		return false
	}
	n := statOf(text, "evicted_keys")
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.evictions == nil {
		p.evictions = make(map[string]int64)
	}
	before := p.evictions[key]
	p.evictions[key] = n
	return n != before // it has fewer if it was restarted
}

// statOf returns a number of the reply to INFO; 0 if it is not in it.
func statOf(info, name string) int64 {
	for line := range strings.Lines(info) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			n, _ := strconv.ParseInt(v, 10, 64)
			return n
		}
	}
	return 0
}
