package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"

	"github.com/lokroom/strata/benchmarks/peers/child"
)

// start starts this program as a child, and waits for its first line.
func start(what string, args ...string) (*child.Process, error) {
	p, err := child.Start(append([]string{"-child", what, "--"}, args...)...)
	if err != nil {
		return nil, err
	}
	if _, err := p.Line(); err != nil {
		return nil, errors.Join(fmt.Errorf("child %s %v: %w", what, args, err), p.Stop())
	}
	return p, nil
}

// startAll starts n children.
func startAll(n int, what string, args ...string) ([]*child.Process, error) {
	var all []*child.Process
	for range n {
		p, err := start(what, args...)
		if err != nil {
			return nil, errors.Join(err, stopAll(all))
		}
		all = append(all, p)
	}
	return all, nil
}

func stopAll(all []*child.Process) (err error) {
	for _, p := range all {
		err = errors.Join(err, p.Stop())
	}
	return err
}

// asked answers each line that a child gets, until its input ends.
func asked(answer func(line string) (string, error)) error {
	fmt.Println("ready")
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		text, err := answer(in.Text())
		if err != nil {
			return err
		}
		fmt.Println(text)
	}
	return in.Err()
}
