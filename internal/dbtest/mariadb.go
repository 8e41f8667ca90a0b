package dbtest

import (
	"net"
	"path/filepath"
	"testing"
	"time"
)

// StartMariaDB starts a MariaDB server. config are options, such as "--binlog-format=ROW". DSN
// is one for github.com/go-sql-driver/mysql, of a superuser and the empty database test.
func StartMariaDB(t testing.TB, config ...string) *Server {
	t.Helper()
	u := userOf("mysql")
	s := &Server{dir: newDir(t, u)}
	data, socket := filepath.Join(s.dir, "data"), filepath.Join(s.dir, "s.sock")
	install, err := find("mariadb-install-db", "/usr/bin", "/opt/homebrew/bin")
	if err != nil {
		t.Fatal(err)
	}
	server, err := find("mariadbd", "/usr/sbin", "/usr/libexec", "/opt/homebrew/bin")
	if err != nil {
		t.Fatal(err)
	}
	run(t, u, s.dir, install, "--no-defaults", "--datadir="+data, "--auth-root-authentication-method=normal", "--skip-name-resolve")
	s.DSN = "root@unix(" + socket + ")/test"
	args := append([]string{"--no-defaults", "--datadir=" + data, "--socket=" + socket, "--pid-file=" + filepath.Join(s.dir, "pid"), "--skip-networking",
		"--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=0", "--max-connections=200"}, config...)
	s.start(t, u, func() bool {
		c, err := net.DialTimeout("unix", socket, time.Second)
		if err != nil {
			return false
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(time.Second))
		var hello [5]byte // a server that is ready sends a packet, with the protocol version 10
		_, err = c.Read(hello[:])
		return err == nil && hello[4] == 10
	}, server, args...)
	return s
}
