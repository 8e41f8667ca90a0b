// Package child starts the running program again, as a process that takes lines and answers
// lines. Both programs of this module measure several processes with it.
package child

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// A Process is a child of this program. One goroutine may use it at a time.
type Process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// Start starts this program with other arguments. What it writes to its standard error goes to
// that of this program. The caller must call Stop.
func Start(args ...string) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, args...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &Process{cmd, in, bufio.NewReaderSize(out, 1<<20)}, nil
}

// Line returns the next line of its output, with its end. It waits for one, and fails with io.EOF
// if the process has ended.
func (p *Process) Line() (string, error) { return p.out.ReadString('\n') }

// Send sends it a line, without its end in format.
func (p *Process) Send(format string, args ...any) error {
	_, err := fmt.Fprintf(p.in, format+"\n", args...)
	return err
}

// Stop closes its input and waits until it has ended. It returns an error if it has failed.
func (p *Process) Stop() error { return errors.Join(p.in.Close(), p.cmd.Wait()) }
