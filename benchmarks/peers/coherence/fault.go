package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lokroom/strata/internal/redistest"
)

// A fault is what goes wrong while a contender runs.
type fault struct {
	name, what string
	cluster    bool
	do         func(ctx context.Context, s settings, p *place) error
}

// A place is where processes run: servers, and a link to them for each process.
type place struct {
	server  *redistest.Server
	cluster *redistest.Cluster
	links   []*redistest.Proxy // of the processes; none with a cluster
}

func allFaults() []fault {
	return []fault{
		{"none", "Nothing fails.", false, func(context.Context, settings, *place) error { return nil }},
		{"kill", "Twice a second the connections of one process are reset.", false, kill},
		{"swallow", "One process after the other loses contact while its connections stay open; what was sent arrives afterwards.", false, swallow},
		{"slots", "In a cluster of three, the slots of the 50 hottest keys move to another node, one after the other and again.", true, moveSlots},
	}
}

func faultNames() (all []string) {
	for _, f := range allFaults() {
		all = append(all, f.name)
	}
	return all
}

func kill(ctx context.Context, s settings, p *place) error {
	for i := 0; ctx.Err() == nil; i++ {
		wait(ctx, 500*time.Millisecond)
		p.links[i%len(p.links)].Cut()
	}
	return nil
}

func swallow(ctx context.Context, s settings, p *place) error {
	for i := 0; ctx.Err() == nil; i++ {
		wait(ctx, time.Second)
		link := p.links[i%len(p.links)]
		link.Hole(true)
		wait(ctx, s.Swallow)
		link.Hole(false)
	}
	return nil
}

func moveSlots(ctx context.Context, _ settings, p *place) error {
	for round := 0; ctx.Err() == nil; round++ {
		for key := 0; key < 50 && ctx.Err() == nil; key++ {
			slot, err := p.cluster.Slot("coherence:" + names[key])
			if err != nil {
				return err
			}
			from := p.cluster.OwnerOf(slot)
			to := p.cluster.Nodes[0]
			for i, n := range p.cluster.Nodes {
				if n == from {
					to = p.cluster.Nodes[(i+1)%len(p.cluster.Nodes)]
				}
			}
			if err := p.cluster.Move(slot, to, func() {}); err != nil {
				return fmt.Errorf("move of slot %d: %w", slot, err)
			}
			wait(ctx, 10*time.Millisecond)
		}
	}
	return nil
}

// newPlace starts servers, and a link for each process.
func newPlace(f fault, processes int) (*place, error) {
	p := new(place)
	var err error
	if f.cluster {
		p.cluster, err = redistest.NewCluster(3)
		return p, err
	}
	if p.server, err = redistest.New(nil); err != nil {
		return nil, err
	}
	for range processes {
		link, err := redistest.NewProxy(p.server.Addr())
		if err != nil {
			p.close()
			return nil, err
		}
		p.links = append(p.links, link)
	}
	return p, nil
}

func (p *place) close() {
	for _, l := range p.links {
		l.Close()
	}
	if p.server != nil {
		p.server.Close()
	}
	if p.cluster != nil {
		p.cluster.Close()
	}
}

// addrs returns the addresses that a process connects to.
func (p *place) addrs(process int) (all []string) {
	if p.cluster == nil {
		return []string{p.links[process].Addr()}
	}
	for _, n := range p.cluster.Nodes {
		all = append(all, n.Addr())
	}
	return all
}

// commands returns how many commands the servers have executed, and how many were GET, MGET or
// GETEX: what reads a value.
func (p *place) commands() (all, reads int64, err error) {
	servers := []*redistest.Server{p.server}
	if p.cluster != nil {
		servers = p.cluster.Nodes
	}
	for _, s := range servers {
		stats, failed := s.Info("stats")
		err = errors.Join(err, failed)
		var n int64
		_, failed = fmt.Sscan(stats["total_commands_processed"], &n)
		err = errors.Join(err, failed)
		all += n
		by, failed := s.Info("commandstats")
		err = errors.Join(err, failed)
		for _, name := range []string{"get", "mget", "getex"} {
			var calls int64
			if _, failed := fmt.Sscanf(by["cmdstat_"+name], "calls=%d", &calls); failed == nil {
				reads += calls
			}
		}
	}
	return all, reads, err
}
