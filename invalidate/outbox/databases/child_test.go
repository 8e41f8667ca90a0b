package databases

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/lokroom/strata/invalidate"
	"github.com/lokroom/strata/invalidate/outbox"
)

// A role is what a child process does: the writer writes and reads at random until it is
// killed or kills itself, the relay applies what is recorded.
type role struct {
	Relay       bool
	Dialect     outbox.Dialect
	Driver, DSN string
	Redis       string
	Listings    int64
	Point       string        // the writer kills itself there, in its first transaction
	KillIn      int           // or at a random point of one in so many transactions
	Poll        time.Duration // of the relay; 0: that of killOptions
}

const roleVariable = "STRATA_OUTBOX_CHILD"

func TestMain(m *testing.M) {
	text := os.Getenv(roleVariable)
	if text == "" {
		flag.Parse()
		code := m.Run()
		shared.end()
		os.Exit(code)
	}
	go func() { // the parent has ended
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	var r role
	err := json.Unmarshal([]byte(text), &r)
	if err == nil {
		err = r.run()
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// killOptions are the same for all processes of the test.
var killOptions = outbox.Options{
	Poll: 20 * time.Millisecond, Grace: 200 * time.Millisecond, Timeout: time.Second / 2, Batch: 20, Logger: slog.New(slog.DiscardHandler),
}

func (r *role) run() error {
	d := database{r.Dialect, r.Driver, r.DSN}
	var target atomic.Value // the point of the current transaction
	target.Store("")
	at := func(point string) error {
		if target.Load() == point {
			fmt.Println("killed", point)
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		return nil
	}
	db, err := openCrashing(d, at)
	if err != nil {
		return err
	}
	o := killOptions
	o.Poll = cmp.Or(r.Poll, o.Poll)
	p, err := openProcess(d, db, r.Redis, &o, func(b invalidate.Backend) invalidate.Backend { return &crashBackend{b, at} })
	if err != nil {
		return err
	}
	ctx := context.Background()
	if r.Relay {
		target.Store(r.Point)
		return p.box.Relay(ctx)
	}
	for i := 0; ; i++ {
		for range 5 {
			p.cache.Get(ctx, rand.Int64N(r.Listings)+1)
		}
		target.Store(r.Point)
		if r.KillIn > 0 && rand.IntN(r.KillIn) == 0 {
			target.Store(points[rand.IntN(len(points))])
		}
		id := rand.Int64N(r.Listings) + 1
		if err := p.move(ctx, id, fmt.Sprint("city ", os.Getpid(), " ", i)); err != nil {
			fmt.Println("failed", strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Println("committed")
		}
	}
}

// A child is a running child process.
type child struct {
	cmd  *exec.Cmd
	done chan struct{}
}

// startChild starts a child; said is called with each line of its output.
func startChild(t testing.TB, r role, said func(line string)) *child {
	t.Helper()
	text, err := json.Marshal(r)
	must(t, err)
	c := &child{exec.Command(os.Args[0]), make(chan struct{})}
	c.cmd.Env = append(os.Environ(), roleVariable+"="+string(text))
	in, err := c.cmd.StdinPipe()
	must(t, err)
	out, err := c.cmd.StdoutPipe()
	must(t, err)
	c.cmd.Stderr = os.Stderr
	must(t, c.cmd.Start())
	var read sync.WaitGroup
	read.Go(func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			said(lines.Text())
		}
	})
	go func() {
		read.Wait()
		c.cmd.Wait()
		in.Close()
		close(c.done)
	}()
	t.Cleanup(c.kill)
	return c
}

func (c *child) kill() {
	c.cmd.Process.Kill()
	<-c.done
}
