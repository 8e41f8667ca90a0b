package redislimit_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/ratelimit/redislimit"
)

// peerEnv makes a test binary a peer: "ADDR ALGORITHM LIMIT WINDOW_US CALLS PAUSE_US".
const peerEnv = "STRATA_REDISLIMIT_PEER"

// peerMain is another process. It asks CALLS times for one of the key "shared", in
// crowds with a pause between them, and prints when the server admitted it.
func peerMain() {
	var addr string
	var algorithm ratelimit.Algorithm
	var limit, calls int
	var window, pause int64
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, "peer:", err)
			os.Exit(1)
		}
	}
	_, err := fmt.Sscan(os.Getenv(peerEnv), &addr, &algorithm, &limit, &window, &calls, &pause)
	fail(err)
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{addr}, DisableCache: true})
	fail(err)
	defer c.Close()
	l, err := redislimit.New(c, &redislimit.Options{Timeout: patience}, policy(algorithm, limit, time.Duration(window)*time.Microsecond))
	fail(err)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for i := range calls {
		allowed, now, err := l.Ask(ctx, "shared")
		fail(err)
		if allowed {
			fmt.Fprintln(out, now)
		}
		if pause > 0 && i%limit == limit-1 {
			time.Sleep(time.Duration(pause) * time.Microsecond)
		}
	}
}

// runPeers runs processes and returns when they were admitted, in order for each.
func runPeers(t *testing.T, s *redistest.Server, n int, algorithm ratelimit.Algorithm, limit int, window time.Duration, calls int, pause func(i int) time.Duration) (times []int64) {
	t.Helper()
	cmds, outs := make([]*exec.Cmd, n), make([]strings.Builder, n)
	for i := range cmds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d %d %d %d", peerEnv, s.Addr(), algorithm, limit, window.Microseconds(), calls, pause(i).Microseconds()))
		cmd.Stdout, cmd.Stderr = &outs[i], os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		cmds[i] = cmd
	}
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Errorf("peer %d: %v", i, err)
		}
		for line := range strings.Lines(outs[i].String()) {
			var at int64
			if _, err := fmt.Sscan(line, &at); err != nil {
				t.Fatal(err)
			}
			times = append(times, at)
		}
	}
	return times
}
