package redisstore

import (
	"context"
	"crypto/sha1"
	_ "embed"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/redis/rueidis"
)

// The scripts, each of one key, so that they work in a cluster whose slots are
// moving. prelude.lua begins those of records.
var (
	//go:embed lua/prelude.lua
	prelude string

	//go:embed lua/lease.lua
	leaseLua string
	//go:embed lua/fill.lua
	fillLua string
	//go:embed lua/confirm.lua
	confirmLua string
	//go:embed lua/renew.lua
	renewLua string
	//go:embed lua/release.lua
	releaseLua string
	//go:embed lua/unstorable.lua
	unstorableLua string
	//go:embed lua/expire.lua
	expireLua string
	//go:embed lua/set.lua
	setLua string
	//go:embed lua/delete.lua
	deleteLua string
	//go:embed lua/stale.lua
	staleLua string
	//go:embed lua/begin.lua
	beginLua string
	//go:embed lua/done.lua
	doneLua string
	//go:embed lua/tick.lua
	tickLua string
	//go:embed lua/tagmax.lua
	tagmaxLua string
	//go:embed lua/tagget.lua
	taggetLua string
	//go:embed lua/tagdone.lua
	tagdoneLua string
	//go:embed lua/endclaim.lua
	endClaimLua string
	//go:embed lua/replicated.lua
	replicatedLua string
	//go:embed lua/plain/set.lua
	plainSetLua string
	//go:embed lua/plain/delete.lua
	plainDeleteLua string
	//go:embed lua/plain/expire.lua
	plainExpireLua string

	leaseScript      = newScript(prelude + leaseLua)
	fillScript       = newScript(prelude + fillLua)
	confirmScript    = newScript(prelude + confirmLua)
	renewScript      = newScript(prelude + renewLua)
	releaseScript    = newScript(prelude + releaseLua)
	expireScript     = newScript(prelude + expireLua)
	unstorableScript = newScript(prelude + unstorableLua)
	setScript        = newScript(prelude + setLua)
	deleteScript     = newScript(prelude + deleteLua)
	staleScript      = newScript(prelude + staleLua)
	beginScript      = newScript(prelude + beginLua)
	doneScript       = newScript(prelude + doneLua)
	tickScript       = newScript(tickLua)
	tagmaxScript     = newScript(tagmaxLua)
	taggetScript     = newScript(taggetLua)
	tagdoneScript    = newScript(tagdoneLua)

	endClaimScript   = newScript(endClaimLua)
	replicatedScript = newScript(replicatedLua)

	plainSetScript    = newScript(plainSetLua)
	plainDeleteScript = newScript(plainDeleteLua)
	plainExpireScript = newScript(plainExpireLua)
)

// A script is known to the server by the checksum of its text.
type script struct{ text, sum string }

func newScript(text string) script {
	sum := sha1.Sum([]byte(text))
	return script{text: text, sum: hex.EncodeToString(sum[:])}
}

// run runs the script once with one key.
func (s *script) run(ctx context.Context, c rueidis.Client, key string, args ...string) rueidis.RedisResult {
	r := c.Do(ctx, s.command(c, key, args))
	if isNoScript(r.Error()) {
		r = c.Do(ctx, s.whole(c, key, args))
	}
	return r
}

func (s *script) command(c rueidis.Client, key string, args []string) rueidis.Completed {
	return pinned(c.B().Evalsha().Sha1(s.sum).Numkeys(1).Key(key).Arg(args...).Build(), sizeOf(key, args))
}

// whole sends the text along: the server does not know it, or not any more.
func (s *script) whole(c rueidis.Client, key string, args []string) rueidis.Completed {
	return pinned(c.B().Eval().Script(s.text).Numkeys(1).Key(key).Arg(args...).Build(), sizeOf(key, args))
}

// A scriptCall is a script with its arguments.
type scriptCall struct {
	*script
	key  string
	args []string
}

// sizeOf returns the bytes of a key and of arguments.
func sizeOf(key string, args []string) int {
	n := len(key)
	for _, arg := range args {
		n += len(arg)
	}
	return n
}

// runMany runs calls in one exchange if the servers know the scripts.
func runMany(ctx context.Context, c rueidis.Client, calls []scriptCall) []rueidis.RedisResult {
	cmds := make([]rueidis.Completed, len(calls))
	for i, x := range calls {
		cmds[i] = x.command(c, x.key, x.args)
	}
	results := c.DoMulti(ctx, cmds...)
	var again []int
	cmds = nil
	for i, r := range results {
		if x := calls[i]; isNoScript(r.Error()) {
			again = append(again, i)
			cmds = append(cmds, x.whole(c, x.key, x.args))
		}
	}
	if len(again) > 0 {
		for j, r := range c.DoMulti(ctx, cmds...) {
			results[again[j]] = r
		}
	}
	return results
}

func isNoScript(err error) bool {
	reply, ok := rueidis.IsRedisErr(err)
	return ok && strings.HasPrefix(reply.Error(), "NOSCRIPT")
}

// bytes8 is how a script is given 64 bits.
func bytes8(n uint64) string {
	var b [8]byte
	putUint64(b[:], n)
	return string(b[:])
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }
