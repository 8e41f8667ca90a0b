package integration_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
)

// peerEnv holds the URL of Redis for a test binary that runs as a peer.
const peerEnv = "STRATA_INTEGRATION_PEER"

// counterCache is the cache that both processes open. Its source says -1.
func counterCache(ctx context.Context, url string) (*strata.Backend, *strata.Cache[string, int], error) {
	b, err := strata.Open(ctx, &strata.Config{RedisURL: url})
	if err != nil {
		return nil, nil, err
	}
	c, err := strata.New(b, "counter", func(context.Context, string) (int, error) { return -1, nil }, nil)
	return b, c, err
}

// peerMain runs another process. It reads commands, one per line, and answers each with a
// line: "get KEY" with value and tier, "set KEY VALUE" and "delete KEY" with the error.
func peerMain() {
	ctx := context.Background()
	b, c, err := counterCache(ctx, os.Getenv(peerEnv))
	if err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
	defer b.Close()
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		switch f := strings.Fields(in.Text()); f[0] {
		case "get":
			e, err := c.GetEntry(ctx, f[1])
			fmt.Println(e.Value, e.Tier, err)
		case "set":
			v, _ := strconv.Atoi(f[2])
			fmt.Println(c.Set(ctx, f[1], v))
		case "delete":
			fmt.Println(c.Delete(ctx, f[1]))
		case "stampede":
			fmt.Println(stampede(ctx, b, f[1]))
		}
	}
}

// A peer is another process.
type peer struct {
	t     *testing.T
	stdin io.WriteCloser
	lines *bufio.Scanner
}

func startPeer(t *testing.T, url string) *peer {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), peerEnv+"="+url)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the peer ended with %v", err)
		}
	})
	return &peer{t: t, stdin: stdin, lines: bufio.NewScanner(stdout)}
}

func (p *peer) do(format string, args ...any) string {
	p.t.Helper()
	if _, err := fmt.Fprintf(p.stdin, format+"\n", args...); err != nil {
		p.t.Fatal(err)
	}
	if !p.lines.Scan() {
		p.t.Fatal("the peer does not answer")
	}
	return p.lines.Text()
}

// The L1 of one process sees a change made in another.
func TestProcesses_changeIsSeen(t *testing.T) {
	server := redistest.Start(t, nil)
	b, c, err := counterCache(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	p := startPeer(t, server.URL())
	ctx := t.Context()
	for i := range 100 {
		// From this process to the other, which has the value in its L1.
		if err := c.Set(ctx, "k", 2*i); err != nil {
			t.Fatal(err)
		}
		redistest.WaitFor(t, "the peer to see the new value from its L1", func() bool {
			return p.do("get k") == fmt.Sprint(2*i, " L1 <nil>")
		})
		// And back.
		if err := p.do("set k %d", 2*i+1); err != "<nil>" {
			t.Fatal(err)
		}
		redistest.WaitFor(t, "this process to see the new value from its L1", func() bool {
			e, err := c.GetEntry(ctx, "k")
			return err == nil && e.Value == 2*i+1 && e.Tier == layered.L1
		})
	}
	if err := p.do("delete k"); err != "<nil>" {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "this process to load anew", func() bool {
		v, err := c.Get(ctx, "k")
		return err == nil && v == -1
	})
	if st := c.Stats(); st.Invalidations == 0 {
		t.Errorf("no invalidation came: %+v", st)
	}
}
