package redistest

import (
	"fmt"
	"os"
	"os/exec"
)

// A process is a started server process.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// startProcess starts binary in dir and appends its output to the file log. A nil env is
// that of this process.
func startProcess(binary string, args []string, dir, log string, env []string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close() // the child has a duplicate
	p := &process{cmd: exec.Command(binary, args...), done: make(chan struct{})}
	p.cmd.Env = env
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, out, out
	p.cmd.SysProcAttr = dieWithParent()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("redistest: %w", err)
	}
	go func() {
		p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// kill ends the process at once and waits for it.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.done
}
