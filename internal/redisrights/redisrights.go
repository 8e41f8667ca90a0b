// Package redisrights finds out which commands and keys the access control list of Redis
// does not permit to the user of a client.
package redisrights

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lokroom/strata/internal/rediserr"
	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

// A Right is a command in a form that changes nothing. Redis checks the number of the
// arguments, then the rights of the user, and then what the arguments say.
type Right struct {
	Name string   // as ACL SETUSER has it: "get", "cluster|slots"
	Args []string // Key stands for a key that does not exist
}

// Key stands for a key in the arguments of a Right.
const Key = "\x00key"

// Of returns the right to run the command name.
func Of(name string, args ...string) Right { return Right{name, args} }

// Script is the right to run scripts that the server knows. It runs none.
var Script = Of("evalsha", strings.Repeat("0", 40), "1", Key)

// Needs are what a user must be permitted.
type Needs struct {
	Rights   []Right
	Prefixes []string // of keys that are read and written; empty: not known
	MayLack  []string // names of Rights whose commands the server, or a proxy, need not have
	Channel  string   // that the Right "publish" is for
}

// Check asks the server of c, which is not in a cluster, with one exchange. It returns an
// error that is store.ErrAuth and names every command and prefix that the server does not
// permit, or one that is errors.ErrUnsupported if the server does not have a command.
//
// The keys of the exchange begin with the first of the prefixes and "rights:"; none of them
// may exist.
func (n *Needs) Check(ctx context.Context, c rueidis.Client, addr string) error {
	moved, err := n.check(ctx, c, addr)
	if moved && err == nil {
		return noSlotMap(ctx, c, addr)
	}
	return err
}

// CheckNode is Check for a node of a cluster.
func (n *Needs) CheckNode(ctx context.Context, c rueidis.Client, addr string) error {
	_, err := n.check(ctx, c, addr)
	return err
}

// check also reports whether the server has redirected a command to another one.
func (n *Needs) check(ctx context.Context, c rueidis.Client, addr string) (moved bool, err error) {
	space := "!"
	if len(n.Prefixes) > 0 {
		space = n.Prefixes[0]
	}
	cmds := make([]rueidis.Completed, 0, len(n.Rights)+len(n.Prefixes))
	for _, r := range n.Rights {
		cmds = append(cmds, r.command(c, space+"rights:"+r.Name)) // in many slots
	}
	for _, prefix := range n.Prefixes {
		cmds = append(cmds, Script.command(c, prefix+"rights"))
	}
	var grants, unknown []string
	var first string // reply that refuses something
	for i, r := range c.DoMulti(ctx, cmds...) {
		if err := r.NonRedisError(); err != nil {
			return false, err
		}
		reply, ok := rueidis.IsRedisErr(r.Error())
		if !ok {
			continue
		}
		grant := ""
		command, denied := rediserr.Denied(reply.Error())
		_, redirected := reply.IsMoved()
		switch ofKeys := i >= len(n.Rights); {
		case denied && ofKeys && command == "":
			grant = "~" + pattern.Replace(n.Prefixes[i-len(n.Rights)]) + "*"
		case denied && !ofKeys && command == "" && n.Rights[i].Name == "publish":
			grant = "&" + pattern.Replace(n.Channel)
		case denied && !ofKeys && command != "":
			grant = "+" + n.Rights[i].Name
		case strings.HasPrefix(reply.Error(), "unknown command") && !ofKeys && !slices.Contains(n.MayLack, n.Rights[i].Name):
			unknown = append(unknown, n.Rights[i].Name)
		}
		if grant != "" && first == "" {
			first = reply.Error()
		}
		if grant != "" && !slices.Contains(grants, grant) {
			grants = append(grants, grant)
		}
		moved = moved || redirected
	}
	return moved, missing(addr, first, grants, unknown)
}

// missing returns nil if nothing is. reply is the first that says so.
func missing(addr, reply string, grants, unknown []string) error {
	switch {
	case len(grants) > 0:
		return fmt.Errorf("%w: %s: the user lacks rights (%s): grant %s; %s", store.ErrAuth, addr, reply, strings.Join(grants, " "), rediserr.SeeRights)
	case len(unknown) > 0:
		return fmt.Errorf("%w: %s does not have the command %s: a server or a proxy without it cannot be used",
			errors.ErrUnsupported, addr, strings.Join(unknown, ", "))
	}
	return nil
}

// noSlotMap says why a node of a cluster is used as if it were not in one: rueidis does so
// if it may not read the slot map. Of Redis 8 and later it asks for the shards.
func noSlotMap(ctx context.Context, c rueidis.Client, addr string) error {
	for _, r := range []Right{Of("cluster|slots"), Of("cluster|shards")} {
		reply, ok := rueidis.IsRedisErr(c.Do(ctx, r.command(c, "")).Error())
		if !ok {
			continue
		}
		if _, denied := rediserr.Denied(reply.Error()); denied {
			return missing(addr, reply.Error(), []string{"+" + r.Name}, nil)
		}
	}
	return fmt.Errorf("%w: %s belongs to a cluster, and the client is set to use it as a single server", errors.ErrUnsupported, addr)
}

func (r *Right) command(c rueidis.Client, key string) rueidis.Completed {
	b := c.B().Arbitrary(strings.Split(strings.ToUpper(r.Name), "|")...)
	for _, arg := range r.Args {
		if arg == Key {
			b = b.Keys(key)
		} else {
			b = b.Args(arg)
		}
	}
	return b.Build()
}

// pattern quotes a prefix for ACL SETUSER.
var pattern = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`)
