package redistest

import (
	"slices"
	"strings"
	"testing"
)

// Untracked are the commands that StartUntracked rejects: a sharding proxy, or a service
// with RESP2 only, supports none of them.
var Untracked = []string{"HELLO", "CLIENT", "PING", "INFO", "CONFIG", "TIME", "ROLE", "CLUSTER", "SCRIPT", "COMMAND", "ACL",
	"TOUCH", "WAIT", "MULTI", "EXEC", "WATCH", "KEYS", "ZUNIONSTORE"}

// StartUntracked starts a proxy to addr that rejects the commands of Untracked, and more,
// as unknown.
func StartUntracked(t testing.TB, addr string, more ...string) *Rewriter {
	t.Helper()
	r := StartRewriter(t, addr)
	r.refuse(slices.Concat(Untracked, more))
	return r
}

// refuse answers commands like a server that does not know them.
func (r *Rewriter) refuse(commands []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rewrite = func(args []string) []byte {
		name := strings.ToUpper(args[0])
		if !slices.Contains(commands, name) {
			return nil
		}
		return appendCommand(nil, []any{"EVAL", "return redis.error_reply(ARGV[1])", 0, "ERR unknown command '" + name + "'"})
	}
}
