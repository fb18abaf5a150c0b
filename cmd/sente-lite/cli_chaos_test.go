//go:build unix

package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// chaosAt starts a proxy, and returns it with its address.
func chaosAt(t *testing.T, dir string, args ...string) (*process, string) {
	t.Helper()
	p := beginIn(t, dir, nil, append([]string{"chaos"}, args...)...)
	item, err := pipe.Split([]byte(p.hear("[:sente-lite/chaos ")), pipe.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return p, text(item.Body, ":listen")
}

// asPage asks for a WebSocket as a browser would for a page of origin, and
// returns the status and what reads the frames.
func asPage(t *testing.T, host, origin string) (int, net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(c, "GET /ws?v=1 HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", host, origin)
	r := bufio.NewReader(c)
	answer, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, c, r
}

// A page that comes from the proxy's address is one of the same origin; a page
// of the server's own address is not, behind the proxy.
func TestChaosOrigin(t *testing.T) {
	dir := shortDir(t)
	_, at := servesIn(t, dir, nil, "--listen", "http://127.0.0.1:0")
	_, url := chaosAt(t, dir, "--to", at["http"], "--torn", "3", "--delay", "1ms")
	host := strings.TrimPrefix(url, "http://")
	status, _, r := asPage(t, host, url)
	if status != http.StatusSwitchingProtocols {
		t.Fatalf("the status is %d", status)
	}
	head := make([]byte, 2)
	if _, err := io.ReadFull(r, head); err != nil || head[0] != 0x81 {
		t.Fatalf("got %x, %v; expected a text frame", head, err)
	}
	_, _, r = asPage(t, host, at["http"])
	closed := make([]byte, 4)
	if _, err := io.ReadFull(r, closed); err != nil || closed[0] != 0x88 || binary.BigEndian.Uint16(closed[2:]) != pipe.CloseOrigin {
		t.Errorf("a page of another origin gets %x, %v; expected a close frame with %d", closed, err, pipe.CloseOrigin)
	}
}

// A server's last word is lost: the client reads an end without a close frame.
func TestChaosDropClose(t *testing.T) {
	dir := shortDir(t)
	server, at := servesIn(t, dir, nil, "--listen", "http://127.0.0.1:0")
	seed := 0
	for ; !strings.Contains(plansOf(t, seed), ":down {:drop-close true :how :fin}"); seed++ { // half of them
	}
	proxy, url := chaosAt(t, dir, "--to", at["http"], "--seed", fmt.Sprint(seed), "--drop-close", "1")
	_, _, r := asPage(t, strings.TrimPrefix(url, "http://"), url)
	server.signal(syscall.SIGTERM)
	got, err := io.ReadAll(r)
	if err != nil || strings.Contains(string(got), "\x88") {
		t.Errorf("got %q, %v; expected no close frame", got, err)
	}
	fault := proxy.hear("[:chaos/")
	if want := regexp.MustCompile(`^\[:chaos/drop-close \{:conn 1 :dir :down :at \d+ :how :fin\}\]$`); !want.MatchString(fault) {
		t.Errorf("the fault is %s", fault)
	}
	server.exits(exitDone, 5*time.Second)
}

// plansOf is the first plan of a seed, with --drop-close 1.
func plansOf(t *testing.T, seed int) string {
	t.Helper()
	_, stdout, _ := said(t, []string{"chaos", "--seed", fmt.Sprint(seed), "--drop-close", "1", "--plan", "1"})
	return stdout
}

// The newest socket is found; the proxy's own is not among those that are, and
// is gone at the end.
func TestChaosOfASocket(t *testing.T) {
	dir := shortDir(t)
	_, at := servesIn(t, dir, nil, "--listen", socketIn(dir))
	proxy, url := chaosAt(t, dir, "--to", at["unix"], "--cut", "70:fin", "--seed", "7")
	path := strings.TrimPrefix(url, "unix:")
	for _, of := range []string{path, filepath.Dir(path)} {
		if info, err := os.Stat(of); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v; expected it for this user only", of, info, err)
		}
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	go io.WriteString(c, strings.Repeat("[:sente-lite/hello {}]\n", 10))
	if _, err := io.ReadAll(c); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("got %v, expected the end", err)
	}
	if fault := proxy.hear("[:chaos/"); !regexp.MustCompile(`^\[:chaos/cut \{:conn 1 :dir :(up|down) :at 70 :how :fin\}\]$`).MatchString(fault) {
		t.Errorf("the fault is %s", fault)
	}
	proxy.signal(syscall.SIGINT)
	proxy.exits(exitDone, 5*time.Second)
	if errs := proxy.errs.String(); !strings.HasPrefix(errs, "sente-lite: connections: 1, bytes up: ") || !strings.HasSuffix(errs, "faults: cut 1; --seed 7 has them again\n") {
		t.Errorf("stderr has %s", errs)
	}
	if _, err := os.Stat(filepath.Dir(path)); !os.IsNotExist(err) {
		t.Errorf("the folder of the socket is still there: %v", err)
	}
}
