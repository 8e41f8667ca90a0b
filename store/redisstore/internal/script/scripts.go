// Package script has the Lua scripts of stores, and runs them: once, many in one exchange,
// and with replicas that confirm.
package script

import (
	"context"
	"crypto/sha1"
	_ "embed"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/record"
	"github.com/redis/rueidis"
)

// The scripts, each of one key, so that they work in a cluster with slots that are
// moving. prelude.lua begins those of records.
var (
	//go:embed lua/prelude.lua
	preludeLua string

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

	Lease      = newRecord(leaseLua)
	Fill       = newRecord(fillLua)
	Confirm    = newRecord(confirmLua)
	Renew      = newRecord(renewLua)
	Release    = newRecord(releaseLua)
	Expire     = newRecord(expireLua)
	Unstorable = newRecord(unstorableLua)
	Set        = newRecord(setLua)
	Delete     = newRecord(deleteLua)
	Stale      = newRecord(staleLua)
	Begin      = newRecord(beginLua)
	Done       = newRecord(doneLua)
	Tick       = New(tickLua)
	TagMax     = New(tagmaxLua)
	TagGet     = New(taggetLua)
	TagDone    = New(tagdoneLua)

	EndClaim   = New(endClaimLua)
	replicated = New(replicatedLua)

	PlainSet    = New(plainSetLua)
	PlainDelete = New(plainDeleteLua)
	PlainExpire = New(plainExpireLua)
)

// newRecord returns a script of records, with the layout of the record in it, behind what it
// needs of prelude.lua.
func newRecord(text string) Script {
	text = record.Lua(text)
	return New(needed(record.Lua(preludeLua), text) + text)
}

// A Script is known to the server by the checksum of its text.
type Script struct{ text, sum string }

func New(text string) Script {
	sum := sha1.Sum([]byte(text))
	return Script{text: text, sum: hex.EncodeToString(sum[:])}
}

// Run runs the script once with one key.
func (s *Script) Run(ctx context.Context, c rueidis.Client, key string, args ...string) rueidis.RedisResult {
	r := c.Do(ctx, s.Command(c, key, args))
	if IsNoScript(r.Error()) {
		r = c.Do(ctx, s.Whole(c, key, args))
	}
	return r
}

func (s *Script) Command(c rueidis.Client, key string, args []string) rueidis.Completed {
	return link.Pinned(c.B().Evalsha().Sha1(s.sum).Numkeys(1).Key(key).Arg(args...).Build(), SizeOf(key, args))
}

// Whole sends the text along: the server does not know it, or not any more.
func (s *Script) Whole(c rueidis.Client, key string, args []string) rueidis.Completed {
	return link.Pinned(c.B().Eval().Script(s.text).Numkeys(1).Key(key).Arg(args...).Build(), SizeOf(key, args))
}

// A Call is a script with its arguments.
type Call struct {
	*Script
	Key  string
	Args []string
}

// Call returns a call of s for a key.
func (s *Script) Call(key string, args ...string) Call { return Call{s, key, args} }

// SizeOf returns the bytes of a key and of arguments.
func SizeOf(key string, args []string) int {
	n := len(key)
	for _, arg := range args {
		n += len(arg)
	}
	return n
}

// RunMany runs calls in one exchange if the servers know the scripts.
func RunMany(ctx context.Context, c rueidis.Client, calls []Call) []rueidis.RedisResult {
	cmds := make([]rueidis.Completed, len(calls))
	for i, x := range calls {
		cmds[i] = x.Command(c, x.Key, x.Args)
	}
	results := c.DoMulti(ctx, cmds...)
	var again []int
	cmds = nil
	for i, r := range results {
		if x := calls[i]; IsNoScript(r.Error()) {
			again = append(again, i)
			cmds = append(cmds, x.Whole(c, x.Key, x.Args))
		}
	}
	if len(again) > 0 {
		for j, r := range c.DoMulti(ctx, cmds...) {
			results[again[j]] = r
		}
	}
	return results
}

func IsNoScript(err error) bool {
	reply, ok := rueidis.IsRedisErr(err)
	return ok && strings.HasPrefix(reply.Error(), "NOSCRIPT")
}

func Decimal(n int64) string { return strconv.FormatInt(n, 10) }
