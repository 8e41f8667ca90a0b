package main

import (
	"context"
	"errors"
)

// deploy measures two processes that are replaced, one by one, by the next release. It has
// another type for prices, so its values in Redis have other keys. redis is the address of an
// empty Redis.
func (d *demo) deploy(ctx context.Context, redis string) (parts []part, err error) {
	env := []string{"REDIS_URL=redis://" + redis}
	var running [2]*process
	defer func() {
		for _, p := range running {
			if p != nil {
				err = errors.Join(err, p.stop())
			}
		}
	}()
	for i := range running {
		if running[i], err = d.startService(ctx, "this", env); err != nil {
			return nil, err
		}
	}
	g := d.generator(running[0].url, running[1].url)
	if _, err := g.Run(ctx, d.duration/2, 1); err != nil {
		return nil, err
	}
	for i, name := range []string{"two of this release", "one of each release", "two of the next release"} {
		if i > 0 {
			if running[i-1], err = d.replace(ctx, running[i-1], env); err != nil {
				return nil, err
			}
			g.Targets[i-1] = running[i-1].url
		}
		r, err := g.Run(ctx, d.duration/2, uint64(i+2))
		if err != nil {
			return nil, err
		}
		parts = append(parts, part{name, r})
	}
	return parts, nil
}

// replace starts a process of the next release, and then stops old.
func (d *demo) replace(ctx context.Context, old *process, env []string) (*process, error) {
	p, err := d.startService(ctx, "next", env)
	if err != nil {
		return old, err
	}
	return p, old.stop()
}
