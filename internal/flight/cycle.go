package flight

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/lokroom/strata/store"
)

// A Node is a load in the wait-for graph of all loads in the process. Its context carries
// it: a reader with a context that carries a Node is part of that load. If the reader waits
// for another load, the graph has an edge, and a cycle of edges is a deadlock.
//
// Each [Call] has a Node. Only readers that are part of a load use the graph.
type Node struct {
	context.Context // values without cancellation

	cache *string // the Name of the group; nil: it has no key, see NewNode
	key   string
	aside bool // the call is of BeginAside

	ended atomic.Bool // it has no waiters any more

	// Guarded by graph.
	part  *Node // the load of several keys that this one is part of; nil: none
	waits *edge // the loads that this one waits for
}

// An edge leads to a load that another one waits for.
type edge struct {
	to   *Node
	next *edge
}

// graph guards the edges of all Nodes. No other lock is taken while it is held.
var graph sync.Mutex

type nodeKey struct{}

// Value returns the Node itself, or a value of its parent context.
func (n *Node) Value(key any) any {
	if key == (nodeKey{}) {
		return n
	}
	return n.Context.Value(key)
}

// NodeOf returns the load that a reader with ctx is part of, or nil. The methods for
// readers accept nil.
func NodeOf(ctx context.Context) *Node {
	n, _ := ctx.Value(nodeKey{}).(*Node)
	return n
}

// NewNode returns a load of several keys with the values of ctx. End must be called at its
// end.
func NewNode(ctx context.Context) *Node { return &Node{Context: valuesOf(ctx)} }

// Gather is NewNode for a load that ends the calls of parts.
func Gather[T any](ctx context.Context, parts ...*Call[T]) *Node {
	n := NewNode(ctx)
	graph.Lock()
	defer graph.Unlock()
	for _, c := range parts {
		c.node.part = n
	}
	return n
}

// End reports that n has no waiters any more.
func (n *Node) End() { n.ended.Store(true) }

// Node returns the Node of the call.
func (c *Call[T]) Node() *Node { return &c.node }

// Own returns an error that wraps store.ErrCycle if a reader that is part of n wants key
// while a load of key waits for n, or is n. It includes calls that newcomers do not join:
// otherwise each load would begin the next one. aside is for readers that call BeginAside.
func (g *Group[T]) Own(n *Node, key string, aside bool) error {
	if n == nil {
		return nil
	}
	graph.Lock()
	defer graph.Unlock()
	for up := n; up != nil; up = NodeOf(up.Context) {
		if up.cache != &g.Name || up.key != key || up.aside != aside {
			continue
		}
		if p := path(up, n, nil); p != nil {
			return cycle(p)
		}
	}
	return nil
}

// Wait records that a reader that is part of n waits for to, until Waited. If to waits for
// n, it records nothing and returns an error that wraps store.ErrCycle.
func (n *Node) Wait(to *Node) error {
	if n == nil {
		return nil
	}
	graph.Lock()
	defer graph.Unlock()
	if p := path(to, n, nil); p != nil {
		return cycle(p)
	}
	n.waits = &edge{to, n.waits}
	return nil
}

// WaitNew is Wait for a load that has not started: it waits for no other load yet.
func (n *Node) WaitNew(to *Node) {
	if n == nil {
		return
	}
	graph.Lock()
	defer graph.Unlock()
	n.waits = &edge{to, n.waits}
}

// Waited ends one Wait or WaitNew of n for to.
func (n *Node) Waited(to *Node) {
	if n == nil {
		return
	}
	graph.Lock()
	defer graph.Unlock()
	for at := &n.waits; *at != nil; at = &(*at).next {
		if (*at).to == to {
			*at = (*at).next
			return
		}
	}
}

// path returns the chain of waiting loads from to (first) to from (last), or nil if from
// does not wait for to. seen has the loads from which no path leads to it. graph is locked.
func path(from, to *Node, seen map[*Node]bool) []*Node {
	switch {
	case from.ended.Load() || seen[from]:
		return nil
	case from == to:
		return []*Node{to}
	case from.part == nil && from.waits == nil:
		return nil
	case seen == nil:
		seen = make(map[*Node]bool)
	}
	seen[from] = true
	if from.part != nil {
		if p := path(from.part, to, seen); p != nil {
			return append(p, from)
		}
	}
	for e := from.waits; e != nil; e = e.next {
		if p := path(e.to, to, seen); p != nil {
			return append(p, from)
		}
	}
	return nil
}

// cycle returns the error of a reader that is part of the first load of p and wants the
// last. It names the loads in waiting order, with the wanted one first and last. A load of
// several keys has no name; the loads that wait for it identify it.
func cycle(p []*Node) error {
	var names []string
	for _, n := range slices.Backward(p) {
		if name := n.name(); name != "" && (len(names) == 0 || names[len(names)-1] != name) {
			names = append(names, name)
		}
	}
	if last := len(names) - 1; last == 0 || names[last] != names[0] {
		names = append(names, names[0])
	}
	return fmt.Errorf("strata: %w: %s", store.ErrCycle, strings.Join(names, " -> "))
}

// name returns the name of n in errors, or "" if it has no key.
func (n *Node) name() string {
	switch {
	case n.cache == nil:
		return ""
	case *n.cache == "":
		return strconv.Quote(n.key)
	default:
		return *n.cache + " " + strconv.Quote(n.key)
	}
}
