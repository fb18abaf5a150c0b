package journal

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

func TestInUse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	check := func(when, wantPID string, want bool) {
		t.Helper()
		if pid, used, err := InUse(dir); pid != wantPID || used != want || err != nil {
			t.Errorf("%s: %q, %v, %v", when, pid, used, err)
		}
	}
	check("before it is made", "", false)
	if _, err := os.Stat(dir); err == nil {
		t.Fatal("looking has made it")
	}
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	check("while it is open", strconv.Itoa(os.Getpid()), true)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	check("behind its end", "", false)
	if s, err = Open(dir, Options{}); err != nil {
		t.Fatalf("looking has left a lock: %v", err)
	}
	s.Close()
}
