package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"time"

	"github.com/lokroom/strata/store"
)

// watched is the listing that the second process reads.
const watched = 1

// look is the output of the second process when it first sees a version.
const look = "version %d, seen %s after the change; of %d reads before it %d were from L1\n"

// watch is the second process. It reads one listing repeatedly, and prints every version
// when it first sees it. It has no source: its values come from its memory or from Redis.
func watch(ctx context.Context, redisURL string, out io.Writer) error {
	if redisURL == "" {
		return errors.New("-peer needs a Redis: set REDIS_URL or -redis")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if in, err := os.Stdin.Stat(); err == nil && in.Mode()&os.ModeNamedPipe != 0 {
		go func() { // the parent process holds the other end, and may end without notice
			io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
	}
	backend, listings, err := open(ctx, redisURL, nil)
	switch {
	case err != nil && ctx.Err() == nil:
		return err
	case err != nil: // interrupted before the first read
		return nil
	}
	defer backend.Close()

	reads, fromL1, version := 0, listings.Stats().L1Hits, 0
	for ; ctx.Err() == nil; time.Sleep(20 * time.Microsecond) {
		l, err := listings.Get(ctx, watched)
		if err != nil && !errors.Is(err, store.ErrNotFound) && ctx.Err() == nil {
			return err
		}
		reads++
		if err == nil && l.Version != version {
			hits := listings.Stats().L1Hits
			fmt.Fprintf(out, look, l.Version, time.Since(l.ChangedAt), reads, hits-fromL1)
			reads, fromL1, version = 0, hits, l.Version
		}
	}
	return nil
}

// peer starts the second process and measures when it sees the changes of this one.
func (t *tour) peer(ctx context.Context) error {
	const changes = 50
	p, err := startPeer(ctx, t.redisURL)
	if err != nil {
		return err
	}
	defer p.stop()

	l, err := t.db.Listing(ctx, watched)
	if err != nil {
		return err
	}
	var took sample
	reads, fromL1 := 0, 0
	for i := range changes + 1 {
		time.Sleep(5 * time.Millisecond) // let it read the current version
		l.Version, l.ChangedAt = l.Version+1, time.Now()
		if err := t.listings.Set(ctx, watched, l); err != nil {
			return err
		}
		v, err := p.next(ctx)
		for i == 0 && err == nil && v.version < l.Version { // versions from before the first change
			v, err = p.next(ctx)
		}
		if err != nil {
			return err
		}
		if v.version != l.Version {
			return fmt.Errorf("the second process saw version %d, not %d", v.version, l.Version)
		}
		if i > 0 { // the first one includes the start of the process
			took = append(took, v.after)
			reads, fromL1 = reads+v.reads, fromL1+v.fromL1
		}
	}
	slices.Sort(took)
	t.report.check(len(took) == changes, "%d changes made here reached the memory of a second process: after %s (median), %s (longest)",
		changes, short(took.median()), short(took[changes-1]))
	t.report.check(fromL1 > 0, "in between it read the listing %s times, %s of them from its own memory", count(reads), count(fromL1))
	return nil
}

// A peerProcess is the second process, as seen by the first.
type peerProcess struct {
	cmd   *exec.Cmd
	stdin io.Closer
	seen  chan sight
}

// A sight is a line that the second process printed.
type sight struct {
	version       int
	after         time.Duration
	reads, fromL1 int
}

func startPeer(ctx context.Context, redisURL string) (*peerProcess, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program, "-peer")
	cmd.Env = append(os.Environ(), "REDIS_URL="+redisURL) // arguments are visible to all users
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &peerProcess{cmd: cmd, stdin: stdin, seen: make(chan sight, 1)}
	go p.listen(stdout)
	return p, nil
}

// listen parses lines to sights until the process ends.
func (p *peerProcess) listen(stdout io.Reader) {
	defer close(p.seen)
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		var s sight
		var after string
		_, err := fmt.Sscanf(lines.Text()+"\n", look, &s.version, &after, &s.reads, &s.fromL1)
		if err == nil {
			s.after, err = time.ParseDuration(after)
		}
		if err == nil {
			p.seen <- s
		}
	}
}

// next returns the next sight.
func (p *peerProcess) next(ctx context.Context) (sight, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	select {
	case s, ok := <-p.seen:
		if !ok {
			return s, errors.New("the second process has ended")
		}
		return s, nil
	case <-ctx.Done():
		return sight{}, fmt.Errorf("waiting for the second process: %w", ctx.Err())
	}
}

// stop ends the process and waits for it.
func (p *peerProcess) stop() {
	p.stdin.Close()
	for range p.seen { // drain the remaining output
	}
	p.cmd.Wait()
}
