package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lokroom/strata/benchmarks/peers/report"
)

// programs are the smallest programs that read from each peer: its import and a statement.
var programs = map[string][2]string{
	"strata": {`"github.com/lokroom/strata"`, `b, err := strata.Open(ctx, &strata.Config{})
	c, err2 := strata.New(b, "c", func(context.Context, string) (int, error) { return 1, nil }, nil)
	v, err3 := c.Get(ctx, "k"); fmt.Println(v, err, err2, err3)`},
	"strata-store/otterstore": {`"github.com/lokroom/strata/store/otterstore"`, `b, err := otterstore.NewBudget(1<<20)
	v, err2 := otterstore.New[int](b, nil).Get(ctx, "k"); fmt.Println(v, err, err2)`},
	"otter": {`"github.com/maypok86/otter/v2"`, `c, err := otter.New(&otter.Options[string, int]{MaximumSize: 10}); fmt.Println(c, err)
	fmt.Println(c.Get(ctx, "k", otter.LoaderFunc[string, int](func(context.Context, string) (int, error) { return 1, nil })))`},
	"theine": {`"github.com/Yiling-J/theine-go"`, `c, err := theine.NewBuilder[string, int](10).Build(); fmt.Println(err)
	fmt.Println(c.Get("k"))`},
	"golang-lru": {`"github.com/hashicorp/golang-lru/v2/expirable"`, `fmt.Println(expirable.NewLRU[string, int](10, nil, 1).Get("k")); fmt.Println(ctx)`},
	"ristretto": {`"github.com/dgraph-io/ristretto/v2"`, `c, err := ristretto.NewCache(&ristretto.Config[string, int]{NumCounters: 10, MaxCost: 10, BufferItems: 64}); fmt.Println(err)
	fmt.Println(c.Get("k"))`},
	"sturdyc": {`"github.com/viccon/sturdyc"`, `c := sturdyc.New[int](10, 1, 1, 10)
	fmt.Println(c.GetOrFetch(ctx, "k", func(context.Context) (int, error) { return 1, nil }))`},
	"hot":     {`"github.com/samber/hot"`, `c := hot.NewHotCache[string, int](hot.LRU, 10).Build(); fmt.Println(c.Get("k"))`},
	"gocache": {`"github.com/eko/gocache/lib/v4/cache"; s "github.com/eko/gocache/store/ristretto/v4"`, `fmt.Println(cache.New[int](s.NewRistretto(nil)).Get(ctx, "k"))`},
	"rueidis": {`"github.com/redis/rueidis"`, `c, err := rueidis.NewClient(rueidis.ClientOption{}); fmt.Println(err)
	fmt.Println(c.Do(ctx, c.B().Get().Key("k").Build()).ToString())`},
	"rueidisaside": {`"github.com/redis/rueidis/rueidisaside"`, `c, err := rueidisaside.NewClient(rueidisaside.ClientOption{}); fmt.Println(err)
	fmt.Println(c.Get(ctx, 1, "k", nil))`},
	"valkey-go": {`"github.com/valkey-io/valkey-go"`, `c, err := valkey.NewClient(valkey.ClientOption{}); fmt.Println(err)
	fmt.Println(c.Do(ctx, c.B().Get().Key("k").Build()).ToString())`},
	"go-redis": {`"github.com/redis/go-redis/v9"`, `fmt.Println(redis.NewClient(&redis.Options{}).Get(ctx, "k"))`},
	"go-redis-cache": {`"github.com/go-redis/cache/v9"; "github.com/redis/go-redis/v9"`, `var v int
	fmt.Println(cache.New(&cache.Options{Redis: redis.NewClient(&redis.Options{})}).Get(ctx, "k", &v))`},
	"rockscache": {`"github.com/dtm-labs/rockscache"; "github.com/redis/go-redis/v9"`, `c := rockscache.NewClient(redis.NewClient(&redis.Options{}), rockscache.NewDefaultOptions())
	fmt.Println(c.Fetch("k", 1, func() (string, error) { return "", nil }))`},
}

const empty = "empty program"

// sizes measures by how much the smallest program grows that reads from a peer.
func (r *run) sizes() error {
	return r.built(report.Work{
		Name: "binary size added", Group: "build", Unit: "MB",
		What: "By how much a program that prints is larger when it also reads from the cache: go build -ldflags='-s -w'.",
	}, func(b built, base built) float64 { return float64(b.bytes-base.bytes) / 1e6 }, "")
}

// buildTimes measures how long such a program takes to build, with the standard library built
// already.
func (r *run) buildTimes() error {
	cache, err := os.MkdirTemp("", "strata-build")
	if err != nil {
		return err
	}
	defer os.RemoveAll(cache)
	return r.built(report.Work{
		Name: "build time added", Group: "build", Unit: "s",
		What: "How much longer its first build takes, with the standard library built already.",
	}, func(b built, base built) float64 { return max(0, (b.took - base.took).Seconds()) }, cache)
}

// A built is a program that was built.
type built struct {
	bytes int64
	took  time.Duration
}

// built builds all programs. With a cache directory, each starts from a copy of one with the
// standard library.
func (r *run) built(w report.Work, of func(b, base built) float64, cache string) error {
	if r.skips(w.Name) {
		return nil
	}
	r.log("%s", w.Name)
	standard := ""
	if cache != "" {
		standard = filepath.Join(cache, "std")
		if err := goCommand(standard, "build", "std"); err != nil {
			return err
		}
	}
	build := func(name string) (built, error) {
		own := ""
		if standard != "" {
			own = filepath.Join(cache, "own")
			if err := errors.Join(os.RemoveAll(own), os.CopyFS(own, os.DirFS(standard))); err != nil {
				return built{}, err
			}
		}
		return buildOne(programs[name], own)
	}
	programs[empty] = [2]string{"", "fmt.Println(ctx)"}
	base, err := build(empty)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(programs)) {
		if name == empty {
			continue
		}
		b, err := build(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		w.Rows = append(w.Rows, report.Row{Peer: name, Values: []float64{of(b, base)}})
	}
	r.add(w)
	return nil
}

// buildOne builds a program in this module, whose file is not in the repository.
func buildOne(p [2]string, cache string) (b built, err error) {
	dir, err := os.MkdirTemp("", "strata-size")
	if err != nil {
		return b, err
	}
	defer os.RemoveAll(dir)
	source := filepath.Join(dir, "main.go")
	text := "package main\n\nimport (\n\"context\"\n\"fmt\"\n" + p[0] + "\n)\n\nfunc main() {\n\tctx := context.Background()\n\t_ = ctx\n\t" + p[1] + "\n}\n"
	if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
		return b, err
	}
	here, err := os.Getwd()
	if err != nil {
		return b, err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(here, "size_program", "main.go"): source}})
	if err != nil {
		return b, err
	}
	file, out := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "program")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		return b, err
	}
	start := time.Now()
	if err := goCommand(cache, "build", "-overlay", file, "-ldflags=-s -w", "-o", out, "./size_program"); err != nil {
		return b, err
	}
	b.took = time.Since(start)
	info, err := os.Stat(out)
	if err == nil {
		b.bytes = info.Size()
	}
	return b, err
}

// goCommand runs the go command with a build cache; "" is the usual one.
func goCommand(cache string, args ...string) error {
	cmd := exec.Command("go", args...)
	if cmd.Env = os.Environ(); cache != "" {
		cmd.Env = append(cmd.Env, "GOCACHE="+cache)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}
