package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A process is a service or a Redis that the demo has started.
type process struct {
	addr, url string
	binary    string
	args, env []string
	log       string
	ready     func() bool
	cmd       *exec.Cmd
}

// build compiles this release of the service, and the next one.
func (d *demo) build(ctx context.Context) error {
	for _, release := range []string{"this", "next"} {
		cmd := exec.CommandContext(ctx, "go", "build", "-tags", release, "-o", d.binary(release), "github.com/lokroom/strata/examples/marketplace")
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) binary(release string) string { return filepath.Join(d.dir, "marketplace-"+release) }

// startService starts a process of a release of the marketplace, with a database that is slow, and
// returns when it is ready.
func (d *demo) startService(ctx context.Context, release string, env []string, args ...string) (*process, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	p := &process{addr: addr, url: "http://" + addr, binary: d.binary(release), env: env, log: filepath.Join(d.dir, "service.log")}
	p.args = append([]string{"-addr", addr, "-db", filepath.Join(d.dir, "marketplace.db"), "-listings", fmt.Sprint(d.listings),
		"-slow", "-trusted-proxies", "127.0.0.0/8"}, args...)
	p.ready = func() bool {
		resp, err := http.Get(p.url + "/readyz")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusNoContent
	}
	return p, p.start(ctx)
}

// startRedis starts a Redis that keeps nothing on disk.
func (d *demo) startRedis(ctx context.Context) (*process, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	p := &process{addr: addr, binary: "redis-server", log: filepath.Join(d.dir, "redis.log"),
		args: []string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", d.dir}}
	p.ready = func() bool {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			return false
		}
		return c.Close() == nil
	}
	return p, p.start(ctx)
}

// start starts the process, and waits until it is ready.
func (p *process) start(ctx context.Context) error {
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	p.cmd = exec.Command(p.binary, p.args...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.Env = append(withoutService(os.Environ()), p.env...)
	if err := p.cmd.Start(); err != nil {
		return err
	}
	deadline := time.After(2 * time.Minute) // the first one fills the database
	for !p.ready() {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return errors.Join(ctx.Err(), p.kill())
		case <-deadline:
			text, err := os.ReadFile(p.log)
			return errors.Join(fmt.Errorf("%s is not ready:\n%s", filepath.Base(p.binary), text), err, p.kill())
		}
	}
	return nil
}

// withoutService returns env without the variables that configure the service.
func withoutService(env []string) (kept []string) {
	for _, v := range env {
		if !strings.HasPrefix(v, "REDIS_") && !strings.HasPrefix(v, "STRATA_") && !strings.HasPrefix(v, "DATABASE_URL=") && !strings.HasPrefix(v, "ADMIN_TOKEN=") {
			kept = append(kept, v)
		}
	}
	return kept
}

// stop ends the process in an orderly way.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	return p.cmd.Wait()
}

// kill ends the process with SIGKILL.
func (p *process) kill() error {
	if err := p.cmd.Process.Kill(); err != nil {
		return err
	}
	_ = p.cmd.Wait() // reports that it was killed
	return nil
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
