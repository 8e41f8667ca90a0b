package fleet_test

import (
	"sync"
	"testing"

	"github.com/lokroom/strata/internal/redistest"
)

// historyRoads are proxies, one for each node of a cluster, including later ones.
type historyRoads struct {
	t  *testing.T
	mu sync.Mutex
	to map[string]*redistest.Proxy // by the address of the node
}

// proxy returns the proxy before the node at addr.
func (r *historyRoads) proxy(addr string) (*redistest.Proxy, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.to[addr] == nil {
		p, err := redistest.NewProxy(addr)
		if err != nil {
			return nil, err
		}
		r.t.Cleanup(p.Close)
		r.to[addr] = p
	}
	return r.to[addr], nil
}

// Road returns the address of the proxy of a node.
func (c sourceCalls) Road(addr string, road *string) error {
	p, err := c.s.roads.proxy(addr)
	if err == nil {
		*road = p.Addr()
	}
	return err
}

// TokenLeft is the token of a process that has written a version of a key.
type TokenLeft struct {
	Key     string
	Version int64
	Token   string
}

// LeaveToken keeps a token for other processes.
func (c sourceCalls) LeaveToken(left TokenLeft, _ *struct{}) error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if left.Version > c.s.tokens[left.Key].Version {
		c.s.tokens[left.Key] = left
	}
	return nil
}

// TakeToken returns the token of the newest version of a key that has one.
func (c sourceCalls) TakeToken(key string, left *TokenLeft) error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	*left = c.s.tokens[key]
	return nil
}
