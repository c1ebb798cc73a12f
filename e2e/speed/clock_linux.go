package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// clockName says what processClock measures: on a busy machine a process waits, but hardly works, longer.
const clockName = "processor time"

// processClock is the processor time that a running process has had in all its threads. The clock's id is made of the
// process's as in clock_getcpuclockid(3).
func processClock(pid int) (time.Duration, error) {
	const scheduler = 2 // in nanoseconds, not in ticks
	var t unix.Timespec
	err := unix.ClockGettime(int32(^pid<<3|scheduler), &t)
	return time.Duration(t.Nano()), err
}
