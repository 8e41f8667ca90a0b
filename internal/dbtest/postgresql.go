package dbtest

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

const debianPostgreSQL = "/usr/lib/postgresql/*/bin"

// StartPostgreSQL starts a PostgreSQL server. config are settings, such as "fsync=on"; fsync is
// off by default. DSN is a URL for pgx, of a superuser.
func StartPostgreSQL(t testing.TB, config ...string) *Server {
	t.Helper()
	u := userOf("postgres")
	s := &Server{dir: newDir(t, u)}
	run(t, u, s.dir, postgres(t, "initdb"), "-D", filepath.Join(s.dir, "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
	s.startPostgreSQL(t, u, config)
	return s
}

// StartStandby starts a streaming standby of primary, a PostgreSQL server, that applies
// changes with a delay.
func StartStandby(t testing.TB, primary *Server, delay time.Duration) *Server {
	t.Helper()
	u := userOf("postgres")
	s := &Server{dir: newDir(t, u)}
	run(t, u, s.dir, postgres(t, "pg_basebackup"), "-D", filepath.Join(s.dir, "data"), "-h", "127.0.0.1", "-p", strconv.Itoa(primary.port),
		"-U", "postgres", "-R", "-X", "stream", "-c", "fast", "--no-sync")
	s.startPostgreSQL(t, u, []string{fmt.Sprintf("recovery_min_apply_delay=%dms", delay.Milliseconds())})
	return s
}

func (s *Server) startPostgreSQL(t testing.TB, u *user, config []string) {
	t.Helper()
	var err error
	if s.port, err = freePort(); err != nil {
		t.Fatal(err)
	}
	s.DSN = fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", s.port)
	args := []string{"-D", filepath.Join(s.dir, "data"), "-p", strconv.Itoa(s.port)}
	for _, c := range append([]string{"listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "max_connections=200"}, config...) {
		args = append(args, "-c", c)
	}
	isReady := postgres(t, "pg_isready")
	s.start(t, u, func() bool {
		return exec.Command(isReady, "-q", "-h", "127.0.0.1", "-p", strconv.Itoa(s.port)).Run() == nil
	}, postgres(t, "postgres"), args...)
}

// postgres returns the path of a binary of PostgreSQL.
func postgres(t testing.TB, name string) string {
	t.Helper()
	path, err := find(name, debianPostgreSQL, "/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin")
	if err != nil {
		t.Fatal(err)
	}
	return path
}
