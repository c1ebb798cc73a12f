package main

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

// The clock of another process stands still while that sleeps, and runs while it works.
func TestProcessClock(t *testing.T) {
	sleeps := exec.Command("sleep", "60")
	if err := sleeps.Start(); err != nil {
		t.Fatal(err)
	}
	defer sleeps.Wait()
	defer sleeps.Process.Kill()
	read := func(pid int) time.Duration {
		d, err := processClock(pid)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	time.Sleep(50 * time.Millisecond) // it has started by then; if not, that is little work
	theirs, ours := read(sleeps.Process.Pid), read(os.Getpid())
	for start := time.Now(); read(os.Getpid())-ours < 100*time.Millisecond; {
		if time.Since(start) > time.Minute {
			t.Fatal("this process works, and its clock stands still")
		}
	}
	if d := read(sleeps.Process.Pid) - theirs; d > 50*time.Millisecond {
		t.Errorf("a sleeping process has had %s of the processor", d)
	}
}
