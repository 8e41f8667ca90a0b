// Package report keeps what benchmarks measured, and writes it as benchstat text, Markdown
// tables and SVG charts. Losses of Strata are written like wins.
package report

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Ours begins the names of Strata's own contenders.
const Ours = "strata"

// Results are those of one run.
type Results struct {
	About About
	Works []Work
}

// About says what ran where.
type About struct {
	Commit, Go, Server, System, CPU string

	Processors int
	Date       string  // UTC
	Command    string  // that repeats it
	Load       float64 // of the machine before the run, in processes that want a processor; -1: unknown
	Took       string  `json:",omitempty"`
}

// A Work is one measurement with all its contenders, in turns.
type Work struct {
	Name  string
	Group string // of works on one chart
	What  string // one sentence
	Unit  string // of values: "ns", "B", "ms", "%", ...

	// X is what grows in works that make a curve, such as the number of callers.
	X float64 `json:",omitempty"`

	// More is set if more is better, as with hit ratios.
	More bool `json:",omitempty"`

	Rows []Row
}

// A Row has the values of one contender, one for each round. Round i of all rows was measured
// at about the same time.
type Row struct {
	Peer   string
	Values []float64
	Note   string `json:",omitempty"`
}

// Median returns the median of the values.
func (r Row) Median() float64 { return Quantile(r.Values, 0.5) }

// Quantile returns the q-quantile of values, which must not be empty.
func Quantile(values []float64, q float64) float64 {
	s := slices.Sorted(slices.Values(values))
	return s[int(q*float64(len(s)-1)+0.5)]
}

// Sorted returns the rows, the best first.
func (w Work) Sorted() []Row {
	rows := slices.Clone(w.Rows)
	slices.SortStableFunc(rows, func(a, b Row) int {
		less := a.Median() < b.Median()
		switch {
		case a.Median() == b.Median():
			return 0
		case less != w.More:
			return -1
		default:
			return 1
		}
	})
	return rows
}

// Baseline returns Strata's row, the first of several.
func (w Work) Baseline() (Row, bool) {
	i := slices.IndexFunc(w.Rows, func(r Row) bool { return strings.HasPrefix(r.Peer, Ours) })
	if i < 0 {
		return Row{}, false
	}
	return w.Rows[i], true
}

// A Ratio is that of a contender to Strata in the same rounds: median and quartiles.
type Ratio struct{ Median, Low, High float64 }

// Of divides round by round. It returns false if there is nothing to divide by.
func Of(r, base Row) (Ratio, bool) {
	var all []float64
	for i := range min(len(r.Values), len(base.Values)) {
		if base.Values[i] > 0 {
			all = append(all, r.Values[i]/base.Values[i])
		}
	}
	if len(all) == 0 {
		return Ratio{}, false
	}
	return Ratio{Quantile(all, 0.5), Quantile(all, 0.25), Quantile(all, 0.75)}, true
}

// NewAbout describes this machine and this run.
func NewAbout(command string) About {
	return About{
		Commit: output("git", "describe", "--always", "--dirty"), Go: runtime.Version(), Server: server(),
		System: runtime.GOOS + "/" + runtime.GOARCH, CPU: cpu(), Processors: runtime.NumCPU(),
		Date: time.Now().UTC().Format("2006-01-02 15:04"), Command: command, Load: Load(),
	}
}

// String is a line about the run.
func (a About) String() string {
	s := fmt.Sprintf("commit %s, %s, %s, %s, %s, %d processors, %s UTC, %s", a.Commit, a.Go, a.Server, a.System, a.CPU, a.Processors, a.Date, a.Command)
	if a.Took != "" {
		s += ", took " + a.Took
	}
	return s + ". " + a.busy()
}

func (a About) busy() string {
	switch {
	case a.Load < 0:
		return "Whether the machine was busy is not known."
	case a.Load >= float64(max(a.Processors, 1))/2:
		return fmt.Sprintf("The machine was busy with other work (load %.1f before the run): ratios count, absolute values do not.", a.Load)
	default:
		return fmt.Sprintf("Nothing else ran (load %.1f before the run).", a.Load)
	}
}

func output(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

func server() string {
	name := os.Getenv("STRATA_TEST_SERVER")
	if name == "" {
		name = "redis-server"
	}
	for _, field := range strings.Fields(output(name, "--version")) {
		if v, ok := strings.CutPrefix(field, "v="); ok {
			return "server " + v
		}
	}
	return "server unknown"
}

func cpu() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "CPU unknown"
	}
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "CPU unknown"
}

// Load returns the load of the machine over the last minute, or -1.
func Load() float64 {
	var load float64
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return -1
	}
	if _, err := fmt.Sscan(string(b), &load); err != nil {
		return -1
	}
	return load
}

// Write writes results to a file.
func (r *Results) Write(file string) error {
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}

// Read reads what Write has written.
func Read(file string) (*Results, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := new(Results)
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}
