package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/internal/redisdial"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/urfave/cli/v3"
)

const defaultTimeout = 5 * time.Second

// A tool is one execution of stratactl.
type tool struct {
	in        io.Reader
	out, errs io.Writer

	url     string // with the password
	prefix  string
	asJSON  bool
	yes     bool
	timeout time.Duration

	client *redisstore.Client // nil until connect
	tags   *redisstore.Tags
}

func (t *tool) configure(ctx context.Context, cmd *cli.Command) (context.Context, error) {
	t.prefix, t.asJSON, t.yes, t.timeout = cmd.String("prefix"), cmd.Bool("json"), cmd.Bool("yes"), cmd.Duration("timeout")
	address, password, errs := redisdial.Env()
	if len(errs) > 0 {
		return ctx, usageError{oneline.Join(errs...)}
	}
	if t.url = cmd.String("url"); !cmd.IsSet("url") || t.url == os.Getenv("REDIS_URL") {
		t.url = address // with the files of STRATA_REDIS_CA_FILE and the like
	}
	t.url = redisdial.WithPassword(t.url, password)
	if strings.Contains(t.prefix, "!") {
		return ctx, usagef("--prefix must not contain \"!\"")
	}
	return ctx, nil
}

// dialer has the settings of all connections. A tool has no L1, so it needs no heartbeat.
func (t *tool) dialer() *redisstore.Dialer {
	return &redisstore.Dialer{Timeout: t.timeout, MaxDisconnected: -1, BreakAfter: -1, NoTracking: true}
}

// needURL returns an error if no Redis is named.
func (t *tool) needURL() error {
	if t.url == "" {
		return usagef("which Redis? Set REDIS_URL, or --url redis://localhost:6379")
	}
	return nil
}

// connect dials Redis.
func (t *tool) connect(ctx context.Context) error {
	if err := t.needURL(); err != nil {
		return err
	}
	c, err := t.dialer().DialURLContext(ctx, t.url)
	if err != nil {
		return err
	}
	t.client, t.tags = c, redisstore.NewTags(c, t.prefix+"!")
	return nil
}

func (t *tool) close(context.Context, *cli.Command) error {
	if t.client != nil {
		t.client.Close()
	}
	return nil
}

// connected returns the action of a command that needs Redis and takes at least min arguments,
// at most max; negative: any number.
func (t *tool) connected(min, max int, action func(context.Context, *cli.Command) error) cli.ActionFunc {
	return func(ctx context.Context, cmd *cli.Command) error {
		if n := cmd.NArg(); n < min || max >= 0 && n > max {
			return usagef("usage: stratactl %s %s", cmd.Name, cmd.ArgsUsage)
		}
		if err := t.connect(ctx); err != nil {
			return err
		}
		return action(ctx, cmd)
	}
}

// confirm asks whether to do something that removes values.
func (t *tool) confirm(what string) error {
	if t.yes {
		return nil
	}
	if f, ok := t.in.(*os.File); ok && !isTerminal(f) {
		return usagef("%s: confirm with --yes, because standard input is no terminal", what)
	}
	fmt.Fprintf(t.errs, "%s? [y/N] ", what)
	line, err := bufio.NewReader(t.in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if answer := strings.ToLower(strings.TrimSpace(line)); answer != "y" && answer != "yes" {
		fmt.Fprintln(t.errs, "nothing was done")
		return errReported
	}
	return nil
}

// isTerminal reports whether f is a device for characters other than os.DevNull, which is the
// standard input of jobs.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// colour returns text in a colour of ANSI where the output is a terminal that may have some.
func (t *tool) colour(code, text string) string {
	f, ok := t.out.(*os.File)
	if !ok || !isTerminal(f) || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// json prints v, with the option --json.
func (t *tool) json(v any) error {
	e := json.NewEncoder(t.out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// table prints rows with aligned columns.
func (t *tool) table(rows [][]string) error {
	w := tabwriter.NewWriter(t.out, 0, 8, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

// progress returns a function that shows how far long work is, where errs is a terminal; it is
// called with "" at the end.
func (t *tool) progress() func(format string, args ...any) {
	f, ok := t.errs.(*os.File)
	if !ok || !isTerminal(f) {
		return func(string, ...any) {}
	}
	var last time.Time
	return func(format string, args ...any) {
		if format != "" && time.Since(last) < 100*time.Millisecond {
			return
		}
		last = time.Now()
		fmt.Fprintf(t.errs, "\r\x1b[K"+format, args...)
	}
}

// short rounds d for people.
func short(d time.Duration) string {
	switch {
	case d < 0:
		return "never"
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond / 100).String()
	}
	return d.Round(time.Second).String()
}

// size writes bytes for people.
func size(n float64) string {
	for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
		if n < 1024 {
			return strings.TrimSuffix(fmt.Sprintf("%.1f", n), ".0") + " " + unit
		}
		n /= 1024
	}
	return fmt.Sprintf("%.1f TiB", n)
}
