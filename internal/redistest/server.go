package redistest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A Server is a server process, which may be killed and started again. All methods are safe
// for concurrent use, except that Close, Kill and Restart must not run concurrently.
type Server struct {
	binary   string
	args     []string // after the configuration file
	dir      string
	ownDir   bool
	port     int
	password string
	tls      *tls.Config // of clients; nil without TLS
	ca, key  string      // files of the certificate and its key
	ownClock bool

	mu   sync.Mutex
	proc *process // nil while killed
	conn *Conn    // of Do; nil until needed
}

// New starts a server. The caller closes it.
func New(o *Options) (*Server, error) {
	if o == nil {
		o = &Options{}
	}
	return start(o, nil)
}

// errPortTaken reports that another process took the port.
var errPortTaken = errors.New("port taken")

// start starts a server, and tries another port if the chosen one is taken.
func start(o *Options, args []string) (*Server, error) {
	binary, err := Binary()
	if err != nil {
		return nil, err
	}
	for range 20 {
		s := &Server{binary: binary, args: args, dir: o.Dir, password: o.Password, ownClock: o.OwnClock}
		err = s.prepare(o)
		if err == nil {
			err = s.Restart()
		}
		if err == nil {
			return s, nil
		}
		s.Close()
		if !errors.Is(err, errPortTaken) {
			break
		}
	}
	return nil, err
}

// prepare chooses a port and writes the files that the server reads.
func (s *Server) prepare(o *Options) (err error) {
	if s.dir == "" {
		if s.dir, err = os.MkdirTemp("", "redistest"); err != nil {
			return err
		}
		s.ownDir = true
	}
	if s.port, err = freePort(); err != nil {
		return err
	}
	lines, err := s.listening(o)
	if err != nil {
		return err
	}
	if len(s.args) == 0 { // a sentinel knows few settings
		lines = append(lines, "daemonize no", `save ""`, "appendonly no", "repl-diskless-sync-delay 0")
		for setting, v := range map[string]string{"requirepass": o.Password, "masterauth": o.Password, "maxmemory": o.MaxMemory, "maxmemory-policy": o.MaxMemoryPolicy} {
			if v != "" {
				lines = append(lines, setting+" "+v)
			}
		}
	}
	lines = append(lines, o.Config...)
	return os.WriteFile(s.file("conf"), []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}

// listening returns the settings of the listening socket.
func (s *Server) listening(o *Options) ([]string, error) {
	lines := []string{"bind 127.0.0.1", "dir " + s.dir}
	if !o.TLS {
		return append(lines, fmt.Sprintf("port %d", s.port)), nil
	}
	files, conf, err := makeCertificates(s.dir)
	if err != nil {
		return nil, err
	}
	s.tls, s.ca, s.key = conf, files.ca, files.key
	return append(lines, "port 0", fmt.Sprintf("tls-port %d", s.port), "tls-auth-clients no", "tls-replication yes",
		"tls-cert-file "+files.cert, "tls-key-file "+files.key, "tls-ca-cert-file "+files.ca), nil
}

// file returns the path of a file of this server; servers may share Dir.
func (s *Server) file(kind string) string {
	return filepath.Join(s.dir, fmt.Sprintf("redistest-%d.%s", s.port, kind))
}

// Port returns the TCP port, the same for the life of the Server.
func (s *Server) Port() int { return s.port }

// Addr returns "127.0.0.1:port".
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// URL returns the address as a redis:// or rediss:// URL with the password.
func (s *Server) URL() string {
	u := url.URL{Scheme: "redis", Host: s.Addr()}
	if s.tls != nil {
		u.Scheme = "rediss"
	}
	if s.password != "" {
		u.User = url.UserPassword("", s.password)
	}
	return u.String()
}

// CertFiles returns the PEM files of the self-signed certificate and of its key; empty
// without TLS.
func (s *Server) CertFiles() (cert, key string) { return s.ca, s.key }

// TLSConfig returns a client configuration that trusts the server, or nil without TLS.
func (s *Server) TLSConfig() *tls.Config {
	if s.tls == nil {
		return nil
	}
	return s.tls.Clone()
}

// Restart kills the server if it runs, starts it again on the same port, and
// returns when it answers.
func (s *Server) Restart() error {
	s.Kill()
	var env []string
	if s.ownClock {
		var err error
		if env, err = s.clockEnv(); err != nil {
			return err
		}
	}
	p, err := startProcess(s.binary, append([]string{s.file("conf")}, s.args...), s.dir, s.file("log"), env)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.proc = p
	s.mu.Unlock()
	return s.waitReady(p)
}

// waitReady waits until the server answers, or its process ends.
func (s *Server) waitReady(p *process) error {
	var err error
	for end := time.Now().Add(startTimeout); time.Now().Before(end); {
		select {
		case <-p.done:
			log := s.LogTail(10)
			if strings.Contains(log, "in use") {
				return fmt.Errorf("redistest: %w:\n%s", errPortTaken, log)
			}
			return fmt.Errorf("redistest: the server ended at once:\n%s", log)
		case <-time.After(5 * time.Millisecond):
		}
		if _, err = s.Do("PING"); err == nil && s.isAnswering(p) {
			return nil
		}
	}
	return fmt.Errorf("redistest: the server does not answer: %w:\n%s", err, s.LogTail(10))
}

// isAnswering reports whether p is the process that answers on the port, and not one that has
// taken the port first. A server without INFO is taken to be p.
func (s *Server) isAnswering(p *process) bool {
	info, err := s.Info("server")
	return err != nil || info["process_id"] == strconv.Itoa(p.cmd.Process.Pid)
}

// Kill ends the server at once, like a crash (kill -9), and returns when it has ended.
// Restart starts it again.
func (s *Server) Kill() {
	s.mu.Lock()
	p, c := s.proc, s.conn
	s.proc, s.conn = nil, nil
	s.mu.Unlock()
	if p != nil {
		p.kill()
	}
	if c != nil {
		c.Close()
	}
}

// Pause stops the process (SIGSTOP): connections stay open without replies.
func (s *Server) Pause() error { return s.signal(syscall.SIGSTOP) }

// Resume continues a paused process (SIGCONT).
func (s *Server) Resume() error { return s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return errors.New("redistest: the server does not run")
	}
	return s.proc.cmd.Process.Signal(sig)
}

// Close kills the server and removes its files.
func (s *Server) Close() {
	s.Kill()
	if s.ownDir {
		os.RemoveAll(s.dir)
	}
}

// LogTail returns the last n lines of the server's log.
func (s *Server) LogTail(n int) string {
	b, err := os.ReadFile(s.file("log"))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
