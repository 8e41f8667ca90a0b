// Command stratactl looks at the caches of Strata in Redis, and invalidates them: as the
// processes of the service do, so that their memory follows.
//
//	go install github.com/lokroom/strata/cmd/stratactl@latest
//	stratactl --url redis://localhost:6379 doctor
//
// "stratactl help" lists the commands, and docs/stratactl.md describes them. The exit code is 0
// for success, 1 for a failure or a finding of doctor that is an error, and 2 for a command
// that could not be understood.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v3"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args, os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run executes a command line, and returns the exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	err := newApp(in, out, errs).Run(ctx, args)
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errReported):
		return exitFailed
	case errors.As(err, &usage):
		fmt.Fprintf(errs, "stratactl: %v\n", err)
		return exitUsage
	}
	fmt.Fprintf(errs, "stratactl: %v\n", err)
	return exitFailed
}

// A usageError is one of the command line.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// errReported ends a command whose output says already what is wrong.
var errReported = errors.New("reported")

func newApp(in io.Reader, out, errs io.Writer) *cli.Command {
	t := &tool{in: in, out: out, errs: errs}
	asUsage := func(_ context.Context, _ *cli.Command, err error, _ bool) error { return usageError{err} }
	app := &cli.Command{
		Name:                  "stratactl",
		Usage:                 "look at the caches of Strata in Redis, and invalidate them",
		EnableShellCompletion: true,
		Suggest:               true,
		HideVersion:           true,
		Reader:                in,
		Writer:                out,
		ErrWriter:             errs,
		ExitErrHandler:        func(context.Context, *cli.Command, error) {}, // run does
		OnUsageError:          asUsage,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "url", Usage: "address of Redis; a password is better in REDIS_PASSWORD", Sources: cli.EnvVars("REDIS_URL"), HideDefault: true},
			&cli.StringFlag{Name: "prefix", Usage: "Config.Prefix of the service", Value: "strata:", Sources: cli.EnvVars("STRATA_PREFIX")},
			&cli.BoolFlag{Name: "json", Usage: "print JSON, one document or one object a line"},
			&cli.DurationFlag{Name: "timeout", Usage: "of each exchange with Redis", Value: defaultTimeout},
			&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "do not ask before something is removed"},
		},
		Before: t.configure,
		After:  t.close,
		Action: func(_ context.Context, cmd *cli.Command) error {
			if cmd.Args().Present() {
				return usagef("unknown command %q: \"stratactl help\" lists them", cmd.Args().First())
			}
			return cli.ShowAppHelp(cmd)
		},
		Commands: []*cli.Command{
			t.pingCommand(), t.doctorCommand(), t.statsCommand(), t.keysCommand(), t.getCommand(), t.explainCommand(), t.ttlCommand(),
			t.delCommand(), t.clearCommand(), t.invalidateCommand(), t.watchCommand(), t.warmCommand(), t.benchCommand(), t.adviseCommand(),
		},
	}
	for _, c := range app.Commands {
		c.OnUsageError = asUsage
	}
	return app
}
