//go:build unix

package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// leftBehind makes a socket that nobody listens on.
func leftBehind(t *testing.T, path string) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
}

// Without an address it is the newest default socket where somebody answers.
func TestNewestLiveSocket(t *testing.T) {
	dir := shortDir(t)
	sys := system{Environ: []string{"XDG_RUNTIME_DIR=" + dir}}
	find := func() string {
		address, err := linkFlags{}.address(sys)
		if err != nil {
			return wireError(err).Code
		}
		return strings.TrimPrefix(address, "unix:"+filepath.Join(dir, "sente-lite")+"/")
	}
	if got := find(); got != "no-sidecar" {
		t.Fatalf("in an empty folder is %s", got)
	}
	if _, err := os.Lstat(filepath.Join(dir, "sente-lite")); err == nil {
		t.Error("looking for it has made the folder")
	}
	older, _ := servesIn(t, dir, nil, "--listen", "unix:"+filepath.Join(dir, "sente-lite", "zebra.sock"))
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "sente-lite", "zebra.sock"), old, old); err != nil {
		t.Fatal(err)
	}
	newer, _ := servesIn(t, dir, nil, "--listen", "unix:"+filepath.Join(dir, "sente-lite", "antelope.sock"))
	leftBehind(t, filepath.Join(dir, "sente-lite", "newest.sock"))
	if err := os.WriteFile(filepath.Join(dir, "sente-lite", "file.sock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := find(); got != "antelope.sock" {
		t.Errorf("of two it is %s", got)
	}
	newer.signal(syscall.SIGTERM)
	newer.exits(exitDone, 5*time.Second)
	if got := find(); got != "zebra.sock" {
		t.Errorf("of one it is %s", got)
	}
	older.signal(syscall.SIGTERM)
	older.exits(exitDone, 5*time.Second)
	if got := find(); got != "no-sidecar" {
		t.Errorf("of none it is %s", got)
	}
	if err := os.Chmod(filepath.Join(dir, "sente-lite"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got := find(); got != "unsafe-folder" {
		t.Errorf("in a folder of others it is %s", got)
	}
}

func TestDoctorSeesWhatWasLeftBehind(t *testing.T) {
	dir := shortDir(t)
	folder := filepath.Join(dir, "sente-lite")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	leftBehind(t, filepath.Join(folder, "gone.sock"))
	p := beginIn(t, dir, nil, "doctor", "--listen", "http://127.0.0.1:0")
	out := p.rest()
	p.exits(exitDone, 5*time.Second)
	if want := "WARN sockets   " + folder + "/gone.sock was left behind: nobody listens there\n               → rm " + folder + "/gone.sock\n"; !strings.Contains(out, want) {
		t.Errorf("%s\ndoes not have\n%s", out, want)
	}
}

// The port of somebody else, and another protocol.
func TestDoctorSeesOthers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := begin(t, "doctor", "--listen", "http://"+l.Addr().String())
	out := p.rest()
	p.exits(exitFailed, 5*time.Second)
	if !strings.Contains(out, "FAIL ports     http://"+l.Addr().String()+" cannot be listened at: ") || !strings.Contains(out, "→ end who listens there, or choose another") {
		t.Errorf("got %s", out)
	}

	s, err := net.Listen("unix", filepath.Join(shortDir(t), "x.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		c, err := s.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		c.Read(make([]byte, 1000))
		ready := `[:sente-lite/ready {:uid "x" :version "9.0.0" :protocol 2 :now 1 :pid 7 :listen []}]`
		c.Write(append([]byte{0, 0, 0, byte(len(ready))}, ready...))
		c.Read(make([]byte, 1000)) // until it goes
	}()
	p = begin(t, "doctor", "--to", "unix:"+s.Addr().String(), "--listen", "http://127.0.0.1:0")
	out = p.rest()
	p.exits(exitFailed, 5*time.Second)
	<-answered
	for _, want := range []string{"process 7: protocol 2, and this binary has 1\n               → restart it", "WARN clock     the clock of unix:"} {
		if !strings.Contains(out, want) {
			t.Errorf("%s\ndoes not have %s", out, want)
		}
	}
}

// A token need not be text that a header takes; an empty file has none.
func TestVisitorTokens(t *testing.T) {
	dir := shortDir(t)
	file, config := filepath.Join(dir, "token"), filepath.Join(dir, "c.edn")
	if err := os.WriteFile(config, []byte(`{:auth {:tokens [{:token "plain" :uid "ann"} {:token " \u0001 käse, \n" :uid "bob"}]}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, at := servesIn(t, dir, nil, "--config", config, "--listen", "http://127.0.0.1:0")
	for token, want := range map[string]string{"plain": "ann", " \u0001 käse, \n": "bob", "käse": "unauthorized", "other": "unauthorized"} {
		got := ""
		v, err := dial(t.Context(), at["http"], token, nil)
		if err != nil {
			got = wireError(err).Code
		} else {
			got = text(v.ready, ":uid")
			v.close()
		}
		if got != want {
			t.Errorf("%q: %s, %v", token, got, err)
		}
	}
	for _, nothing := range []string{"", "\n"} {
		if err := os.WriteFile(file, []byte(nothing), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := linkFlags{TokenFile: file}.token(system{})
		if bad := wireError(err); bad.Code != "bad-token-file" || !strings.Contains(bad.Msg, "is empty; it should have the token") {
			t.Errorf("%q: %v", nothing, err)
		}
	}
}

// What cannot be written says where.
func TestExampleNowhere(t *testing.T) {
	err := (&exampleRun{Name: "chat", Dir: "/proc/x"}).write(os.DirFS(t.TempDir()), nil)
	if bad := wireError(err); bad.Code != "cannot-write" || !strings.HasPrefix(bad.Msg, `the example cannot be written to "/proc/x": /proc/x: `) {
		t.Errorf("got %v", err)
	}
}

func TestClientURL(t *testing.T) {
	for address, want := range map[string]string{
		"unix:/x.sock": "unix:/x.sock", "unix:///x.sock": "unix:///x.sock", "tcp://h:1": "tcp://h:1",
		"http://h:1": "ws://h:1/ws?v=1", "http://h:1/": "ws://h:1/ws?v=1", "http://h:1/app": "ws://h:1/app/ws?v=1",
		"ws://h:1/ws": "ws://h:1/ws?v=1", "ws://h:1/app/ws?v=1": "ws://h:1/app/ws?v=1", "https://h/": "wss://h/ws?v=1", "wss://h/ws": "wss://h/ws?v=1",

		"": "", "unix:": "", "h:1": "", "tcp://h": "", "tcp://h:1/x": "", "http://": "", "http:h": "", "ftp://h": "",
		"http://u:s3cret@h:1": "", "http://h:1/?token=s3cret": "", "http://h:1/#s3cret": "", "ws://h:1/ws?v=1&auth=s3cret": "",
		"//u:s3cret@h": "", "s3cret@h?x": "", "tcp://u:s3cret@h:1": "", "http://u:s3cret@h:x": "",
	} {
		got, socket, err := clientURL(address)
		if got != want || (err == nil) != (want != "") || socket != strings.HasPrefix(want, "ws") {
			t.Errorf("%s: %s, %v, %v; want %s", address, got, socket, err, want)
		}
		if err != nil && strings.Contains(err.Error()+wireError(err).Hint, "s3cret") {
			t.Errorf("%s: a secret is in %v", address, err)
		}
	}
}
