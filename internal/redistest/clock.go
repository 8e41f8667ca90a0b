package redistest

import (
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

//go:embed clock.c.txt
var clockC []byte

// clockEnv makes the clock of a server that has one of its own, and returns the
// environment in which it sees that.
func (s *Server) clockEnv() ([]string, error) {
	if _, err := os.Stat(s.file("clock")); err != nil {
		if err := os.WriteFile(s.file("clock"), make([]byte, 8), 0o600); err != nil {
			return nil, err
		}
		if err := os.WriteFile(s.file("c"), clockC, 0o600); err != nil {
			return nil, err
		}
		out, err := exec.Command("cc", "-shared", "-fPIC", "-O1", "-o", s.file("so"), s.file("c")).CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("redistest: a clock of one's own takes Linux and a C compiler, as the race detector does (on Debian and Ubuntu: apt-get install gcc libc6-dev): %w\n%s", err, out)
		}
	}
	return append(os.Environ(), "LD_PRELOAD="+s.file("so"), "REDISTEST_CLOCK="+s.file("clock")), nil
}

// SetClock sets the clock of a server with [Options].OwnClock: that much ahead of the
// clock of the machine, or behind it. The server goes on as with a clock that is set.
func (s *Server) SetClock(ahead time.Duration) error {
	if !s.ownClock {
		return errors.New("redistest: the server has no clock of its own")
	}
	f, err := os.OpenFile(s.file("clock"), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(ahead.Microseconds())), 0)
	return err
}
