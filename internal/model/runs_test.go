package model_test

import (
	"os"
	"testing"

	"github.com/lokroom/strata/internal/model"
)

// short is how many states a run of the protocol may have to be part of every
// "go test"; those that leave a safeguard out all are.
// STRATA_MODEL=all, which "make model" sets, runs the larger ones too.
const short = 500_000

// TestRuns explores each run, and compares what it finds with what the table says.
// With -v it prints how a run without one of its safeguards goes wrong.
func TestRuns(t *testing.T) {
	for _, run := range selected() {
		t.Run(run.Name, func(t *testing.T) {
			got := run.Explore()
			switch {
			case got.Broken != run.Breaks && run.Breaks == "":
				t.Fatalf("%s: the protocol breaks %s:\n%s", run.Shows, got.Broken, got)
			case got.Broken != run.Breaks:
				t.Fatalf("%s: want %s to be broken\n%s", run.Shows, run.Breaks, got)
			case got.Broken != "":
				t.Logf("%s:\n%s", run.Shows, got)
			case !got.Complete:
				t.Fatalf("%s: not all states were visited", run.Shows)
			}
			if got.States != run.States || got.Depth != run.Depth {
				t.Errorf("%s: %d states, depth %d; the table says %d and %d: the model is another one",
					run.Shows, got.States, got.Depth, run.States, run.Depth)
			}
		})
	}
}

// selected returns the runs that this test is for.
func selected() []model.Run {
	all := os.Getenv("STRATA_MODEL") == "all"
	var runs []model.Run
	for _, run := range model.Runs() {
		if all || run.Breaks != "" || run.States < short {
			runs = append(runs, run)
		}
	}
	return runs
}
