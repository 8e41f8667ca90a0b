// Package redisrights checks which commands and keys the access control list of Redis
// denies to a user.
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

// A Right is a command in a form that changes nothing. Redis checks the number of
// arguments, then the rights of the user, then the values of the arguments.
type Right struct {
	Name string   // in the form of ACL SETUSER: "get", "cluster|slots"
	Args []string // Key is replaced by a key that does not exist
}

// Key is the placeholder for a key in the arguments of a Right.
const Key = "\x00key"

// Of returns the right to run the command name.
func Of(name string, args ...string) Right { return Right{name, args} }

// Script is the right to run cached scripts. It runs none.
var Script = Of("evalsha", strings.Repeat("0", 40), "1", Key)

// Needs are the rights that a user must have.
type Needs struct {
	Rights   []Right
	Prefixes []string // of keys that are read and written; empty: unknown
	MayLack  []string // names of Rights with commands that the server, or a proxy, may lack
	Channel  string   // of the Right "publish"
}

// Check checks the rights on the server of c, which is not in a cluster, in one exchange.
// If commands or prefixes are denied, the error wraps store.ErrAuth and names all of them.
// If the server lacks a command, it wraps errors.ErrUnsupported.
//
// The keys in the exchange begin with the first prefix and "rights:"; none of them may
// exist.
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

// check also reports whether the server redirected a command to another one.
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
	var first string // first denying reply
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

// missing returns an error for missing grants and unknown commands, or nil. reply is the
// first denying reply.
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

// noSlotMap returns an error if a node of a cluster is used as a single server: rueidis
// does so if it may not read the slot map.
func noSlotMap(ctx context.Context, c rueidis.Client, addr string) error {
	r := Of("cluster|slots")
	if reply, ok := rueidis.IsRedisErr(c.Do(ctx, r.command(c, "")).Error()); ok {
		if _, denied := rediserr.Denied(reply.Error()); denied {
			return missing(addr, reply.Error(), []string{"+" + r.Name}, nil)
		}
		if strings.HasPrefix(strings.ToLower(reply.Error()), "unknown") {
			return fmt.Errorf("%w: %s belongs to a cluster, and lacks the command that names its nodes (%w): use an endpoint that hides the cluster",
				errors.ErrUnsupported, addr, reply)
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
