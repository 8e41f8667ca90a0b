package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"
)

// A work is a contender with a number of connections.
type work struct {
	name        string
	connections int
}

// A sample is one turn.
type sample struct {
	perSecond float64
	p99       time.Duration
}

// measure is a turn of wrk.
func measure(ctx context.Context, url string, connections int, turn time.Duration) (sample, error) {
	threads := min(connections, runtime.NumCPU())
	out, err := exec.CommandContext(ctx, "wrk", "--latency", "-t", strconv.Itoa(threads), "-c", strconv.Itoa(connections), "-d", fmt.Sprint(int(turn.Seconds()), "s"), url).CombinedOutput()
	if err != nil {
		return sample{}, fmt.Errorf("wrk: %w: %s", err, out)
	}
	return parse(string(out))
}

var (
	rate   = regexp.MustCompile(`Requests/sec: +([0-9.]+)`)
	late   = regexp.MustCompile(`99% +([0-9.]+(?:us|ms|s))`)
	failed = regexp.MustCompile(`Non-2xx[^\n]*|Socket errors[^\n]*`)
)

// parse reads what wrk prints.
func parse(out string) (s sample, err error) {
	r, l := rate.FindStringSubmatch(out), late.FindStringSubmatch(out)
	if r == nil || l == nil {
		return s, fmt.Errorf("wrk has printed %q", out)
	}
	if bad := failed.FindString(out); bad != "" {
		return s, errors.New(bad)
	}
	if s.perSecond, err = strconv.ParseFloat(r[1], 64); err == nil {
		s.p99, err = time.ParseDuration(l[1])
	}
	return s, err
}

// report writes medians, and those of the ratios of httpcache to each contender: of turns that
// followed each other.
func report(to io.Writer, servers []server, all map[work][]sample, rounds int, turn time.Duration) error {
	fmt.Fprintf(to, "# %s, %s, %d processors, which the servers share with wrk\n", time.Now().UTC().Format(time.DateOnly), runtime.Version(), runtime.NumCPU())
	load, _ := os.ReadFile("/proc/loadavg") // unknown: empty
	fmt.Fprintf(to, "# load average at the end, of this and whatever else runs: %.4s\n", load)
	for _, s := range servers {
		if s.version != "" {
			fmt.Fprintf(to, "# %s: %s\n", s.name, s.version)
		}
	}
	fmt.Fprintf(to, "# make bench-http: hits of 2 KiB, %d turns of %v each, medians; the ratios are those of httpcache to the server, with the quartiles\n", rounds, turn)
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "connections\tserver\trequests/s\tp99\trequests/s of httpcache\tp99 of httpcache")
	for _, n := range connections {
		ours := all[work{"httpcache", n}]
		for _, s := range servers {
			var rates, p99, rateRatios, p99Ratios []float64
			for i, got := range all[work{s.name, n}] {
				rates, p99 = append(rates, got.perSecond), append(p99, float64(got.p99.Microseconds()))
				rateRatios = append(rateRatios, ours[i].perSecond/got.perSecond)
				p99Ratios = append(p99Ratios, float64(ours[i].p99)/float64(got.p99))
			}
			fmt.Fprintf(w, "%d\t%s\t%.0f\t%v\t%s\t%s\n", n, s.name, quantile(rates, 0.5),
				time.Duration(quantile(p99, 0.5))*time.Microsecond, quartiles(rateRatios), quartiles(p99Ratios))
		}
	}
	return w.Flush()
}

func quartiles(all []float64) string {
	return fmt.Sprintf("%.2f (%.2f to %.2f)", quantile(all, 0.5), quantile(all, 0.25), quantile(all, 0.75))
}

func quantile(all []float64, q float64) float64 {
	all = slices.Sorted(slices.Values(all))
	return all[int(q*float64(len(all)-1)+0.5)]
}
