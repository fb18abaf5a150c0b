//go:build unix

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode()
}

// under runs the program with a umask.
func under(umask string) func(*exec.Cmd) {
	return func(c *exec.Cmd) {
		c.Args = append([]string{"sh", "-c", "umask " + umask + `; exec "$@"`, "sh"}, c.Args...)
		c.Path = "/bin/sh"
	}
}

func TestSocketModes(t *testing.T) {
	for _, umask := range []string{"000", "077", "022"} {
		dir := shortDir(t)
		_, at := servesIn(t, dir, under(umask), "--set", ":listen=["+fmt.Sprintf("%q", socketIn(dir))+"]")
		path := strings.TrimPrefix(at["unix"], "unix:")
		if m := mode(t, path); m != os.ModeSocket|0o600 {
			t.Errorf("umask %s: the socket has mode %v, expected 0600", umask, m)
		}
		if m := mode(t, filepath.Dir(path)); m != os.ModeDir|0o700 {
			t.Errorf("umask %s: its folder has mode %v, expected 0700", umask, m)
		}
		_, at = servesIn(t, dir, under(umask), "--set", ":listen=[]", "--listen", "unix:"+filepath.Join(dir, "y.sock"))
		if m := mode(t, strings.TrimPrefix(at["unix"], "unix:")); m != os.ModeSocket|0o600 {
			t.Errorf("umask %s: the socket has mode %v, expected 0600", umask, m)
		}
	}
}

func TestSocketIsTaken(t *testing.T) {
	dir := shortDir(t)
	socket := socketIn(dir)
	first, _ := servesIn(t, dir, nil, "--listen", socket)
	path := strings.TrimPrefix(socket, "unix:")

	second := beginIn(t, dir, nil, "serve", "--listen", socket)
	if out := second.rest(); out != "" {
		t.Errorf("%q on stdout", out)
	}
	second.exits(exitFailed, patience)
	if s := second.errs.String(); !strings.Contains(s, path) || !strings.Contains(s, "in use") {
		t.Errorf("stderr %q, expected the path and that it is in use", s)
	}
	c, _ := greet(t, socket, "{}") // the first has not noticed
	c.say(`[[:chsk/ws-ping] "c"]`)
	c.hear(`[:chsk/reply "c" "pong"]`)

	// A parent hears it as an error of its hello.
	third := beginIn(t, dir, nil, "pipe")
	third.say(`[:sente-lite/hello {:config {:listen ["http://127.0.0.1:0" %q]}}]`, socket)
	third.hear("[:sente-lite/error {:category :conflict :code :sente-lite/address-in-use ")
	third.rest()
	third.exits(exitFailed, patience)

	// What a killed one leaves behind is replaced.
	first.signal(syscall.SIGKILL)
	first.exits(-1, patience)
	if gone(path) {
		t.Fatal("the socket of a killed process has gone by itself")
	}
	fourth, _ := servesIn(t, dir, nil, "--listen", socket)
	greet(t, socket, "{}")
	fourth.signal(syscall.SIGTERM)
	fourth.exits(exitDone, patience)
	if !gone(path) {
		t.Error("the socket is still there")
	}
}

// TestSocketIsSomethingElse leaves alone what is no socket.
func TestSocketIsSomethingElse(t *testing.T) {
	dir := shortDir(t)
	file, folder, link := filepath.Join(dir, "file"), filepath.Join(dir, "folder"), filepath.Join(dir, "link")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, folder, link, filepath.Join(file, "x.sock")} {
		p := beginIn(t, dir, nil, "serve", "--listen", "unix:"+path)
		if out := p.rest(); out != "" {
			t.Errorf("%s: %q on stdout", path, out)
		}
		p.exits(exitFailed, patience)
		if s := p.errs.String(); !strings.Contains(s, path) {
			t.Errorf("%s: stderr %q", path, s)
		}
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "precious" {
		t.Errorf("the file has %q, %v", b, err)
	}
	if m := mode(t, link); m.Type() != os.ModeSymlink {
		t.Errorf("the link is %v", m)
	}
}

// TestReplacedSocketStays: who has put another socket there keeps it.
func TestReplacedSocketStays(t *testing.T) {
	dir := shortDir(t)
	socket := socketIn(dir)
	path := strings.TrimPrefix(socket, "unix:")
	p, _ := servesIn(t, dir, nil, "--listen", socket)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p.signal(syscall.SIGTERM)
	p.exits(exitDone, patience)
	if gone(path) {
		t.Error("the other's socket has been removed")
	}
}

func TestPortIsTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	addr := "http://" + l.Addr().String()
	dir := shortDir(t)
	// The socket is opened first, and taken back.
	p := beginIn(t, dir, nil, "serve", "--listen", socketIn(dir), "--listen", addr)
	if out := p.rest(); out != "" {
		t.Errorf("%q on stdout", out)
	}
	p.exits(exitFailed, patience)
	if s := p.errs.String(); !strings.Contains(s, addr) || !strings.Contains(s, "in use") {
		t.Errorf("stderr %q", s)
	}
	if !gone(strings.TrimPrefix(socketIn(dir), "unix:")) {
		t.Error("the socket that was opened first is still there")
	}
}

// TestDefaultSocket counts on where a live one has the name, unless the name
// was given.
func TestDefaultSocket(t *testing.T) {
	dir := shortDir(t)
	port := func() []string { return []string{"--set", ":flow/max-depth=512"} }
	run := func(more ...string) *process {
		return beginIn(t, dir, nil, append([]string{"demo"}, append(port(), more...)...)...)
	}
	first := addresses(t, run().hear("[:sente-lite/ready "))
	second := addresses(t, run().hear("[:sente-lite/ready "))
	if want := "unix:" + filepath.Join(dir, "sente-lite", "default.sock"); first["unix"] != want {
		t.Errorf("the default socket is %s, expected %s", first["unix"], want)
	}
	if want := "unix:" + filepath.Join(dir, "sente-lite", "default-2.sock"); second["unix"] != want {
		t.Errorf("the second one is %s, expected %s", second["unix"], want)
	}
	if first["http"] == second["http"] {
		t.Errorf("both are at %s", first["http"])
	}
	if m := mode(t, filepath.Join(dir, "sente-lite")); m != os.ModeDir|0o700 {
		t.Errorf("the folder has mode %v", m)
	}
	p := run("--set", `:name="default"`)
	p.exits(exitFailed, patience)
	if s := p.errs.String(); !strings.Contains(s, "in use") {
		t.Errorf("stderr %q", s)
	}
}
