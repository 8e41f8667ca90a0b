package redistest_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv("REDISTEST_CRASH") != "" {
		crash()
	}
	goleak.VerifyTestMain(m)
}

func do(t *testing.T, s *redistest.Server, want any, args ...any) {
	t.Helper()
	got, err := s.Do(args...)
	if err != nil || got != want {
		t.Fatalf("%v = %v, %v, want %v", args, got, err, want)
	}
}

func TestStart(t *testing.T) {
	s := redistest.Start(t, nil)
	do(t, s, "OK", "SET", "k", []byte("a\r\nb"))
	do(t, s, "a\r\nb", "GET", "k")
	do(t, s, nil, "GET", "none")
	do(t, s, int64(7), "INCRBY", "n", 7)
	list, err := s.Do("MGET", "n", "none")
	if err != nil || fmt.Sprint(list) != "[7 <nil>]" {
		t.Fatalf("MGET = %v, %v", list, err)
	}
	var re redistest.ReplyError
	if _, err := s.Do("LPUSH", "k", "x"); !errors.As(err, &re) || !strings.HasPrefix(err.Error(), "WRONGTYPE") {
		t.Fatalf("err = %v", err)
	}
	do(t, s, "7", "GET", "n") // an error reply leaves the connection usable
	info, err := s.Info("server")
	if err != nil || info["tcp_port"] != fmt.Sprint(s.Port()) {
		t.Fatalf("INFO = %v, %v", info, err)
	}
	if s.TLSConfig() != nil || s.URL() != "redis://"+s.Addr() {
		t.Fatalf("URL = %s", s.URL())
	}
}

func TestStart_options(t *testing.T) {
	s := redistest.Start(t, &redistest.Options{
		Password: "p@ss", TLS: true, MaxMemory: "8mb", MaxMemoryPolicy: "allkeys-lru", Config: []string{"hz 50"},
	})
	for name, want := range map[string]string{"maxmemory": "8388608", "maxmemory-policy": "allkeys-lru", "hz": "50", "save": ""} {
		got, err := s.Do("CONFIG", "GET", name)
		if err != nil || fmt.Sprint(got) != fmt.Sprintf("[%s %s]", name, want) {
			t.Errorf("%s = %v, %v, want %s", name, got, err, want)
		}
	}
	if want := "rediss://:p%40ss@" + s.Addr(); s.URL() != want || s.TLSConfig() == nil {
		t.Errorf("URL = %s, want %s", s.URL(), want)
	}
	nc, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	fmt.Fprint(nc, "PING\r\n")
	nc.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := nc.Read(make([]byte, 7)); err == nil {
		t.Errorf("the server answered %d bytes without TLS", n)
	}
}

func TestServer_Kill(t *testing.T) {
	dir := t.TempDir()
	s := redistest.Start(t, &redistest.Options{Dir: dir, Config: []string{"appendonly yes", "appendfsync always"}})
	do(t, s, "OK", "SET", "k", "v")
	addr := s.Addr()
	s.Kill()
	s.Kill()
	if _, err := s.Do("PING"); err == nil {
		t.Fatal("a killed server answered")
	}
	if err := s.Pause(); err == nil {
		t.Fatal("a killed server was paused")
	}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	if s.Addr() != addr {
		t.Fatalf("address %s became %s", addr, s.Addr())
	}
	do(t, s, "v", "GET", "k")
	if !strings.Contains(s.LogTail(100), "Ready to accept connections") {
		t.Errorf("log: %s", s.LogTail(100))
	}
}

func TestServer_Pause(t *testing.T) {
	s := redistest.Start(t, nil)
	if err := s.Pause(); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		_, err := s.Do("PING")
		answered <- err
	}()
	select {
	case err := <-answered:
		t.Fatalf("a paused server answered: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	if err := s.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
}

func TestStartCluster(t *testing.T) {
	c := redistest.StartCluster(t, 3)
	if len(c.Addrs()) != 3 {
		t.Fatalf("nodes: %v", c.Addrs())
	}
	owners := map[string]bool{}
	for i := range 30 {
		key := fmt.Sprint("key", i)
		if got, err := c.Do("SET", key, i); got != "OK" || err != nil {
			t.Fatalf("SET %s = %v, %v", key, got, err)
		}
		s, err := c.Owner(key)
		if err != nil {
			t.Fatal(err)
		}
		owners[s.Addr()] = true
	}
	if len(owners) != 3 {
		t.Errorf("30 keys on %d nodes", len(owners))
	}
}

func TestCluster_changes(t *testing.T) {
	c := redistest.StartCluster(t, 3)
	for i := range 10 {
		if got, err := c.Do("SET", fmt.Sprintf("{tag}%d", i), i); got != "OK" || err != nil {
			t.Fatalf("SET = %v, %v", got, err)
		}
	}
	from, err := c.Owner("{tag}")
	if err != nil {
		t.Fatal(err)
	}
	to := c.Nodes[0] // the slot is in the middle
	slot, err := c.Slot("{tag}")
	if err != nil {
		t.Fatal(err)
	}
	steps := 0
	if err := c.Move(slot, to, func() { steps++ }); err != nil || steps != 14 {
		t.Fatalf("moved in %d steps, %v", steps, err)
	}
	if err := c.Move(slot, to, func() { steps++ }); err != nil || steps != 14 {
		t.Fatalf("moved to where it is in %d steps, %v", steps, err)
	}
	if got, err := to.Do("GET", "{tag}7"); got != "7" || err != nil {
		t.Fatalf("GET on the new node = %v, %v", got, err)
	}
	if _, err := from.Do("GET", "{tag}7"); err == nil || !strings.HasPrefix(err.Error(), "MOVED") {
		t.Fatalf("GET on the old node: %v", err)
	}

	replica := c.AddReplica(t)
	if err := replica.Failover(); err != nil {
		t.Fatal(err)
	}
	if got, err := replica.Do("GET", "{tag}7"); got != "7" || err != nil {
		t.Fatalf("GET on the replica that took over = %v, %v", got, err)
	}
	if err := to.Follows(); err != nil {
		t.Fatal(err)
	}
	replica.Kill()
	if err := to.TakeOver(); err != nil {
		t.Fatal(err)
	}
	if got, err := to.Do("GET", "{tag}7"); got != "7" || err != nil {
		t.Fatalf("GET after it has taken over again = %v, %v", got, err)
	}
}

func TestStartSentinel(t *testing.T) {
	set := redistest.StartSentinel(t)
	if s, err := set.Current(); err != nil || s != set.Primary {
		t.Fatalf("Current = %v, %v", s, err)
	}
	set.Primary.Kill()
	redistest.WaitFor(t, "the failover", func() bool {
		s, err := set.Current()
		return err == nil && s == set.Replica
	})
}

func TestBinary_missing(t *testing.T) {
	t.Setenv("STRATA_TEST_SERVER", "/nowhere/redis-server")
	_, err := redistest.New(nil)
	if err == nil || !strings.Contains(err.Error(), "apt-get install redis-server") {
		t.Fatalf("err = %v", err)
	}
}

func TestNew_refusedSetting(t *testing.T) {
	_, err := redistest.New(&redistest.Options{Config: []string{"no-such-setting 1"}})
	if err == nil || !strings.Contains(err.Error(), "no-such-setting") {
		t.Fatalf("err = %v", err)
	}
}

// crash runs in a child process: it starts a server, prints its process id, and dies.
func crash() {
	s, err := redistest.New(nil)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	info, _ := s.Info("server")
	fmt.Print(info["process_id"])
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

func TestServer_diesWithTestBinary(t *testing.T) {
	if runtime.GOOS != "linux" {
		return // other systems have no parent-death signal
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "REDISTEST_CRASH=1", "TMPDIR="+t.TempDir())
	out, _ := cmd.Output()
	var pid int
	if _, err := fmt.Sscan(string(out), &pid); err != nil {
		t.Fatalf("child: %q, %v", out, err)
	}
	redistest.WaitFor(t, "the orphan to die", func() bool {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || strings.Contains(string(b), ") Z ")
	})
}
