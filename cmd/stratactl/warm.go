package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/urfave/cli/v3"
)

func (t *tool) warmCommand() *cli.Command {
	return &cli.Command{
		Name: "warm", Usage: "request URLs of a service, so that it loads what they show", ArgsUsage: "URL...",
		Description: "With {} in a URL, it is requested once for each line of standard input, in its place:\n\n" +
			"  stratactl warm --limit 8 https://example.com/api/listings/{} < ids\n\nOnly a service has loaders, so only it can fill its caches.",
		Flags: []cli.Flag{&cli.IntFlag{Name: "limit", Usage: "requests at a time", Value: 4}},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if cmd.NArg() == 0 || cmd.Int("limit") < 1 {
				return usagef("usage: stratactl warm [--limit N] URL...")
			}
			for _, u := range cmd.Args().Slice() {
				if p, err := url.Parse(u); err != nil || p.Scheme != "http" && p.Scheme != "https" {
					return usagef("%q: want a URL with http:// or https://", u)
				}
			}
			return t.warm(ctx, cmd.Args().Slice(), cmd.Int("limit"))
		},
	}
}

func (t *tool) warm(ctx context.Context, templates []string, limit int) error {
	urls := make(chan string)
	var done, failed atomic.Int64
	var first sync.Once
	var why error
	progress := t.progress()
	var show sync.Mutex
	var wg sync.WaitGroup
	client := &http.Client{Timeout: t.timeout}
	for range limit {
		wg.Go(func() {
			for u := range urls {
				if err := request(ctx, client, u); err != nil {
					failed.Add(1)
					first.Do(func() { why = err })
				}
				show.Lock()
				progress("%d requests, %d failed", done.Add(1), failed.Load())
				show.Unlock()
			}
		})
	}
	err := t.eachURL(ctx, templates, urls)
	close(urls)
	wg.Wait()
	progress("")
	if err != nil {
		return err
	}
	if n := failed.Load(); n > 0 {
		return fmt.Errorf("%d of %d requests failed, the first: %w", n, done.Load(), why)
	}
	return t.done(counted(done.Load(), "request", "requests"), map[string]int64{"requests": done.Load()})
}

// eachURL sends the URLs.
func (t *tool) eachURL(ctx context.Context, templates []string, urls chan<- string) error {
	send := func(u string) error {
		select {
		case urls <- u:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	var many []string
	for _, u := range templates {
		if strings.Contains(u, "{}") {
			many = append(many, u)
		} else if err := send(u); err != nil {
			return err
		}
	}
	if len(many) == 0 {
		return nil
	}
	lines := bufio.NewScanner(t.in)
	for lines.Scan() {
		id := url.PathEscape(strings.TrimSpace(lines.Text()))
		if id == "" {
			continue
		}
		for _, u := range many {
			if err := send(strings.ReplaceAll(u, "{}", id)); err != nil {
				return err
			}
		}
	}
	return lines.Err()
}

func request(ctx context.Context, client *http.Client, u string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode >= 400 {
		return fmt.Errorf("%s: %s", u, res.Status)
	}
	return nil
}
