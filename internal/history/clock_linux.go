package history

import (
	"syscall"
	"time"
	"unsafe"
)

// Now returns the time since the host was started. All processes of the host share it, and
// setting the clock does not change it. (time.Now has such a reading too, but does not
// export it.)
func Now() time.Duration {
	const clockMonotonic = 1
	var ts syscall.Timespec
	_, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&ts)), 0)
	if errno != 0 {
		panic("history: no monotonic clock: " + errno.Error()) // every Linux has one
	}
	return time.Duration(ts.Nano())
}
