package dbtest

import (
	"os"
	osuser "os/user"
	"strconv"
	"syscall"
)

// A user runs a server.
type user struct{ uid, gid int }

// userOf returns the first of names that exists if this process is root, or nil.
func userOf(names ...string) *user {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, name := range append(names, "nobody") {
		u, err := osuser.Lookup(name)
		if err != nil {
			continue
		}
		uid, uerr := strconv.Atoi(u.Uid)
		gid, gerr := strconv.Atoi(u.Gid)
		if uerr == nil && gerr == nil {
			return &user{uid, gid}
		}
	}
	return nil
}

// attributes make a process run as u, and end with the test binary.
func attributes(u *user) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if u != nil {
		a.Credential = &syscall.Credential{Uid: uint32(u.uid), Gid: uint32(u.gid)}
	}
	return a
}
