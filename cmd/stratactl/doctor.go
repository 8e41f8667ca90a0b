package main

import (
	"context"
	"fmt"
	"time"

	"github.com/lokroom/strata/store/redisstore"
	"github.com/urfave/cli/v3"
)

func (t *tool) pingCommand() *cli.Command {
	return &cli.Command{
		Name: "ping", Usage: "check the connection and the rights of the user",
		Action: t.connected(0, 0, func(ctx context.Context, _ *cli.Command) error {
			if err := t.client.Ping(ctx); err != nil {
				return err
			}
			start := time.Now()
			if _, err := t.view(t.prefix, nil).Inspect(ctx, "!ping"); err != nil {
				return err
			}
			took := time.Since(start) / 3 // exchanges
			return t.line("Redis answers, and the user has the rights that caches need: "+short(took)+" an exchange",
				map[string]any{"status": "ok", "exchange_seconds": took.Seconds()})
		}),
	}
}

func (t *tool) doctorCommand() *cli.Command {
	return &cli.Command{
		Name: "doctor", Usage: "look for what caches would suffer from: rights, tracking, eviction, persistence, clocks, slots, latency",
		Description: "The exit code is 1 if there is a finding that is an error.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "no-tracking", Usage: "the service runs with STRATA_TRACKING=off or pubsub"},
			&cli.IntFlag{Name: "wait-replicas", Usage: "Config.WaitReplicas of the service"},
			&cli.BoolFlag{Name: "read-replicas", Usage: "Config.ReadReplicas of the service: look at the replicas, too"},
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := t.needURL(); err != nil {
				return err
			}
			d := redisstore.Dialer{Timeout: t.timeout, NoTracking: cmd.Bool("no-tracking"), WaitReplicas: cmd.Int("wait-replicas"), ReadReplicas: cmd.Bool("read-replicas")}
			findings, err := d.DiagnoseURL(ctx, t.url, t.prefix, t.prefix+"!")
			if err != nil {
				return err
			}
			if t.asJSON {
				if findings == nil {
					findings = []redisstore.Finding{}
				}
				err = t.json(findings)
			} else {
				t.findings(findings)
			}
			if err == nil && len(findings) > 0 && findings[0].Severity == redisstore.SeverityError { // they come first
				return errReported
			}
			return err
		},
	}
}

func (t *tool) findings(list []redisstore.Finding) {
	colours := map[redisstore.Severity]string{redisstore.SeverityError: "31", redisstore.SeverityWarning: "33", redisstore.SeverityInfo: "36"}
	for _, f := range list {
		where := ""
		if f.Addr != "" {
			where = " (" + f.Addr + ")"
		}
		fmt.Fprintf(t.out, "%s  %s%s: %s\n         %s\n", t.colour(colours[f.Severity], fmt.Sprintf("%-7s", f.Severity)), f.Check, where, f.Found, f.Advice)
	}
	if len(list) == 0 {
		fmt.Fprintln(t.out, t.colour("32", "nothing found")+": this Redis suits caches")
	}
}
