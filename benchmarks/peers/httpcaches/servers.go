package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/benchmarks/peers/child"
	"github.com/lokroom/strata/httpcache"
)

// A server is a contender.
type server struct{ name, url, version string }

var page = strings.Repeat("0123456789abcdef", 128) // 2 KiB

// handler is the origin of all contenders.
func handler(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h["Cache-Control"], h["Etag"] = []string{"max-age=3600"}, []string{`"v1"`}
	h["Content-Type"], h["Content-Length"] = []string{"text/html"}, []string{"2048"}
	_, _ = io.WriteString(w, page) // an error means that the client has left
}

// serveChild serves handler, alone or in a cache, writes its address to standard output, and
// ends with its standard input.
func serveChild(what string) error {
	h := http.Handler(http.HandlerFunc(handler))
	if what == "httpcache" {
		b, err := strata.Open(context.Background(), nil)
		if err != nil {
			return err
		}
		defer b.Close()
		c, err := httpcache.New(b, "pages", nil)
		if err != nil {
			return err
		}
		h = c.Middleware(h)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = s.Close()
	}()
	fmt.Println(l.Addr())
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// start starts all contenders. stop ends them; it must be called also after an error.
func start(ctx context.Context, dir string) (all []server, stop func(), err error) {
	var stops []func()
	stop = func() {
		for i := range stops {
			stops[len(stops)-1-i]()
		}
	}
	for _, what := range []string{"handler", "httpcache"} {
		p, err := child.Start("-serve", what)
		if err != nil {
			return nil, stop, err
		}
		stops = append(stops, func() { _ = p.Stop() })
		addr, err := p.Line()
		if err != nil {
			return nil, stop, err
		}
		all = append(all, server{name: what, url: "http://" + strings.TrimSpace(addr)})
	}
	origin := strings.TrimPrefix(all[0].url, "http://")
	for _, p := range proxies {
		s, end, err := p.start(dir, origin)
		if err != nil {
			return nil, stop, err
		}
		stops = append(stops, end)
		all = append(all, s)
	}
	for _, s := range all {
		if err := ready(ctx, s.url); err != nil {
			return nil, stop, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return all, stop, nil
}

// A proxy is a server that is started as a reverse proxy with caching switched on.
type proxy struct {
	name    string
	command func(dir, origin, port string) (*exec.Cmd, error)
}

var proxies = []proxy{{"nginx", nginx}, {"varnish", varnish}}

// start starts p in front of origin, an address. end ends it, and waits.
func (p *proxy) start(dir, origin string) (s server, end func(), err error) {
	port, err := freePort()
	if err != nil {
		return s, nil, err
	}
	cmd, err := p.command(dir, origin, port)
	if err != nil {
		return s, nil, err
	}
	if err := cmd.Start(); err != nil {
		return s, nil, err
	}
	end = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}
	return server{name: p.name, url: "http://127.0.0.1:" + port, version: version(cmd)}, end, nil
}

// nginx keeps responses in files of a directory, which the kernel has in memory.
func nginx(dir, origin, port string) (*exec.Cmd, error) {
	file := filepath.Join(dir, "nginx.conf")
	conf := fmt.Sprintf(`daemon off; worker_processes auto; pid %[1]s/nginx.pid; error_log stderr;
events { worker_connections 1024; }
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
  proxy_cache_path %[1]s/cache keys_zone=pages:10m;
  open_file_cache max=1000;
  server { listen 127.0.0.1:%[2]s; location / { proxy_pass http://%[3]s; proxy_cache pages; } }
}
`, dir, port, origin)
	if os.Getuid() == 0 {
		conf = "user root; " + conf // the directory is for this user alone
	}
	cmd := exec.Command("nginx", "-e", "stderr", "-p", dir, "-c", file)
	return cmd, os.WriteFile(file, []byte(conf), 0o600)
}

// varnish keeps responses in its memory.
func varnish(dir, origin, port string) (*exec.Cmd, error) {
	return exec.Command("varnishd", "-F", "-n", filepath.Join(dir, "varnish"), "-a", "127.0.0.1:"+port, "-b", origin, "-s", "malloc,64m"), nil
}

// version returns the version that a server prints.
func version(cmd *exec.Cmd) string {
	out, _ := exec.Command(cmd.Path, "-V").CombinedOutput() // unknown: empty
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}

// ready waits until url answers with the page, from a cache by then.
func ready(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var last error
	for ctx.Err() == nil {
		if last = fetch(ctx, url); last == nil {
			return fetch(ctx, url)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return errors.Join(ctx.Err(), last)
}

func fetch(ctx context.Context, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && string(body) != page {
		err = fmt.Errorf("status %d, %d bytes", res.StatusCode, len(body))
	}
	return err
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}
