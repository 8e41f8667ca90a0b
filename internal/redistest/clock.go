package redistest

import (
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"
)

//go:embed clock.c.txt
var clockC []byte

// clockEnv builds the settable clock of a server, and returns the environment that
// activates it.
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
			return nil, fmt.Errorf("redistest: OwnClock requires Linux and a C compiler, as the race detector does (on Debian and Ubuntu: apt-get install gcc libc6-dev): %w\n%s", err, out)
		}
	}
	return append(os.Environ(), "LD_PRELOAD="+s.file("so"), "REDISTEST_CLOCK="+s.file("clock")), nil
}

// SetClock sets the clock of a server with [Options].OwnClock to ahead of the machine's
// clock; ahead may be negative. It returns when the server has read the new time: Valkey
// 9.1 reads its clock only every few milliseconds.
func (s *Server) SetClock(ahead time.Duration) error {
	if !s.ownClock {
		return errors.New("redistest: the server has no clock of its own")
	}
	f, err := os.OpenFile(s.file("clock"), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err = f.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(ahead.Microseconds())), 0); err != nil {
		return err
	}
	var failed error
	err = waitFor("the server to read its clock", func() bool {
		from := time.Now()
		var at time.Time
		if at, failed = s.Time(); failed != nil {
			return true
		}
		at = at.Add(-ahead)
		return at.After(from.Add(-clockSlack)) && at.Before(time.Now().Add(clockSlack))
	})
	return errors.Join(failed, err)
}

// clockSlack is the maximum difference between the clock of a server and the time set, for
// SetClock to return.
const clockSlack = 20 * time.Millisecond

// Time returns the reply of the server to TIME.
func (s *Server) Time() (time.Time, error) {
	reply, err := s.Do("TIME")
	if err != nil {
		return time.Time{}, err
	}
	part, _ := reply.([]any)
	if len(part) != 2 {
		return time.Time{}, fmt.Errorf("redistest: TIME answers %v", reply)
	}
	sec, err := strconv.ParseInt(fmt.Sprint(part[0]), 10, 64)
	us, err2 := strconv.ParseInt(fmt.Sprint(part[1]), 10, 64)
	return time.Unix(sec, us*1000), errors.Join(err, err2)
}
