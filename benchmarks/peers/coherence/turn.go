package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/lokroom/strata/benchmarks/peers/child"
)

// An outcome is how a contender did in one turn.
type outcome struct {
	tally

	Seconds  float64
	Commands int64 // that Redis executed
	Fetched  int64 // of which read values
}

// one runs a contender in processes of their own while a fault happens.
func one(s settings, c contender, f fault) (out outcome, err error) {
	dir, err := os.MkdirTemp("", "strata-coherence")
	if err != nil {
		return out, err
	}
	defer os.RemoveAll(dir)
	p, err := newPlace(f, s.Processes)
	if err != nil {
		return out, err
	}
	defer p.close()
	file := filepath.Join(dir, "register")
	var all []*child.Process
	defer func() {
		for _, m := range all {
			err = errors.Join(err, m.Stop())
		}
	}()
	for i := range s.Processes {
		m, err := startChild(c.name, file, i, s, p.addrs(i))
		if err != nil {
			return out, err
		}
		all = append(all, m)
	}
	for _, m := range all { // each has written its keys
		if _, err := m.Line(); err != nil {
			return out, fmt.Errorf("a process did not start: %w", err)
		}
	}
	return drive(s, f, p, all)
}

// warm is how long processes run before they count, so that they have copies of most keys.
const warm = 2 * time.Second

// drive lets the processes run, at first without counting, and then while the fault happens.
func drive(s settings, f fault, p *place, all []*child.Process) (out outcome, err error) {
	for _, m := range all {
		if err := m.Send("go"); err != nil {
			return out, err
		}
	}
	time.Sleep(warm)
	commands, reads, err := p.commands()
	if err != nil {
		return out, err
	}
	start := time.Now()
	for _, m := range all {
		if err := m.Send("count"); err != nil {
			return out, err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.Time)
	defer cancel()
	failed := make(chan error, 1)
	go func() { failed <- f.do(ctx, s, p) }()
	<-ctx.Done()
	if err := <-failed; err != nil {
		return out, err
	}
	more, moreReads, err := p.commands()
	if err != nil {
		return out, err
	}
	out.Seconds, out.Commands, out.Fetched = time.Since(start).Seconds(), more-commands, moreReads-reads
	for _, m := range all {
		if err := m.Send("stop"); err != nil {
			return out, err
		}
		line, err := m.Line()
		if err != nil {
			return out, fmt.Errorf("a process did not report: %w", err)
		}
		var t tally
		if err := json.Unmarshal([]byte(line), &t); err != nil {
			return out, err
		}
		out.add(t)
	}
	return out, nil
}

func startChild(name, file string, i int, s settings, addrs []string) (*child.Process, error) {
	number := func(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
	return child.Start("-child", "--", name, file, strconv.Itoa(i), strconv.Itoa(s.Processes), number(s.Reads), number(s.Writes), strings.Join(addrs, ","))
}

// beChild is one of the processes: it writes its keys, says so, and runs from "go" to
// "stop".
func beChild(args []string) (err error) {
	signal.Ignore(os.Interrupt) // the parent closes the input
	c, err := find(args[0])
	if err != nil {
		return err
	}
	p := new(process)
	if p.reg, err = openRegister(args[1]); err != nil {
		return err
	}
	defer p.reg.close()
	if _, err := fmt.Sscan(strings.Join(args[2:6], " "), &p.index, &p.of, &p.reads, &p.writes); err != nil {
		return err
	}
	if p.access, err = c.open(strings.Split(args[6], ","), p.reg); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	p.writeFirst(ctx)
	fmt.Println("ready")
	in := bufio.NewScanner(os.Stdin)
	if !in.Scan() {
		return in.Err()
	}
	done := make(chan struct{})
	go func() { defer close(done); p.run(ctx) }()
	in.Scan() // "count"
	p.counts.reset()
	in.Scan() // "stop"
	end := p.counts.tally()
	cancel()
	<-done
	p.access.close()
	b, err := json.Marshal(end)
	if err == nil {
		fmt.Println(string(b))
	}
	return err
}
