package redisstore_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	stdstrings "strings"
	"sync"
	"testing"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/redis/rueidis"
)

// The servers of PUSHES.md, in the order of its columns.
const (
	redis7 = iota
	redis8
	valkey
)

// column returns the column of PUSHES.md that is about srv, or about one like it.
func column(t *testing.T, srv *redistest.Server) int {
	t.Helper()
	info, err := srv.Info("server")
	if err != nil {
		t.Fatal(err)
	}
	major, _, _ := stdstrings.Cut(info["redis_version"], ".")
	switch n, _ := strconv.Atoi(major); {
	case info["valkey_version"] != "" || info["server_name"] == "valkey":
		return valkey
	case n >= 8:
		return redis8
	}
	return redis7
}

// pushRows returns the rows of the table under a heading of PUSHES.md.
func pushRows(t *testing.T, heading string) (rows [][]string) {
	t.Helper()
	page, err := os.ReadFile("PUSHES.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := stdstrings.Cut(string(page), "\n## "+heading+"\n")
	section, _, _ = stdstrings.Cut(section, "\n## ")
	for line := range stdstrings.Lines(section) {
		if !stdstrings.HasPrefix(line, "|") {
			continue
		}
		cells := stdstrings.Split(stdstrings.Trim(stdstrings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = stdstrings.Trim(cells[i], " `")
		}
		rows = append(rows, cells)
	}
	if len(rows) < 10 {
		t.Fatalf("%d rows under %q", len(rows), heading)
	}
	return rows[2:]
}

// commandsIn reads commands that are separated by "; ". Arguments may be quoted.
func commandsIn(text string) (commands [][]string) {
	for command := range stdstrings.SplitSeq(text, "; ") {
		var args []string
		for i, part := range stdstrings.Split(command, `"`) {
			if i%2 == 1 {
				args = append(args, part)
			} else {
				args = append(args, stdstrings.Fields(part)...)
			}
		}
		if len(args) > 0 {
			commands = append(commands, args)
		}
	}
	return commands
}

// A tracker is a client whose server pushes to it what others change.
type tracker struct {
	t *testing.T
	rueidis.Client
	mu     sync.Mutex
	pushed []string // since the last call of pushes
}

func newTracker(t *testing.T, srv *redistest.Server) *tracker {
	t.Helper()
	tr := &tracker{t: t}
	o := to(srv)
	o.PipelineMultiplex = -1 // one connection
	o.ClientTrackingOptions = []string{"OPTOUT", "NOLOOP"}
	o.OnInvalidations = func(keys []rueidis.RedisMessage) {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		if keys == nil {
			tr.pushed = append(tr.pushed, "all")
		}
		for _, k := range keys {
			name, _ := k.ToString()
			tr.pushed = append(tr.pushed, name)
		}
	}
	var err error
	if tr.Client, err = rueidis.NewClient(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.Close)
	return tr
}

// run sends commands over the tracking connection.
func (tr *tracker) run(text string) {
	tr.t.Helper()
	var all []rueidis.Completed
	for _, args := range commandsIn(text) {
		all = append(all, tr.B().Arbitrary(args...).Build())
	}
	for _, r := range tr.DoMulti(ctx, all...) {
		if err := r.Error(); err != nil && !rueidis.IsRedisNil(err) {
			tr.t.Fatalf("%s: %v", text, err)
		}
	}
}

// pushes returns what was pushed since the last call: replies and pushes share one order.
func (tr *tracker) pushes() []string {
	tr.t.Helper()
	tr.run("PING")
	tr.mu.Lock()
	defer tr.mu.Unlock()
	pushed := tr.pushed
	tr.pushed = nil
	return pushed
}

// seen returns the word of PUSHES.md for what was pushed.
func seen(pushed []string, key string) string {
	switch {
	case slices.Contains(pushed, "all"):
		return "all"
	case slices.Contains(pushed, key):
		return "push"
	}
	return "none"
}

// change sends commands as another client does. It reports false if the server does not
// know one of them.
func change(t *testing.T, srv *redistest.Server, text string) bool {
	t.Helper()
	c, err := srv.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, words := range commandsIn(text) {
		args := make([]any, len(words))
		for i, word := range words {
			if args[i] = word; word == "DUMP" {
				if args[i], err = c.Do("DUMP", "k"); err != nil {
					t.Fatal(err)
				}
			}
		}
		_, err := c.Do(args...)
		if err != nil && (stdstrings.Contains(err.Error(), "unknown command") || stdstrings.Contains(err.Error(), "syntax error")) {
			return false
		}
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	return true
}

var debugServer = &redistest.Options{Config: []string{"enable-debug-command local"}}

// The server pushes what PUSHES.md says.
func TestServers_pushes(t *testing.T) {
	srv := redistest.Start(t, debugServer)
	at := column(t, srv)
	tr := newTracker(t, srv)
	for _, row := range pushRows(t, "Changes by another client") {
		t.Run(fmt.Sprintf("%s, %s", row[0], row[1]), func(t *testing.T) {
			change(t, srv, "FLUSHALL; DEBUG SET-ACTIVE-EXPIRE 1; "+row[0])
			tr.run("EXISTS k")
			tr.pushes()
			got := "absent"
			if change(t, srv, row[1]) {
				got = seen(tr.pushes(), "k")
			}
			if want := row[2+at]; got != want {
				t.Errorf("%s, the page says %s", got, want)
			}
		})
	}
}

// What the tracking connection does itself decides what it is pushed later, as
// PUSHES.md says.
func TestServers_ownCommands(t *testing.T) {
	srv := redistest.Start(t, nil)
	at := column(t, srv)
	tr := newTracker(t, srv)
	for _, row := range pushRows(t, "What the tracking connection does itself") {
		t.Run(fmt.Sprintf("%s, %s", row[0], row[1]), func(t *testing.T) {
			change(t, srv, "FLUSHALL; SET k v")
			tr.pushes()
			tr.run(row[0])
			change(t, srv, row[1])
			key := "k"
			if stdstrings.Contains(row[1], "missing") {
				key = "missing"
			}
			if got, want := seen(tr.pushes(), key), row[2+at]; got != want {
				t.Errorf("%s, the page says %s", got, want)
			}
		})
	}
}
