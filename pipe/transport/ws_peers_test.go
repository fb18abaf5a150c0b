//go:build peers

package transport

import (
	"bufio"
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pipetest"
)

const peersDir = "../../testdata/peers"

// peers are the foreign programs of testdata/peers, without their last argument.
func peers(t *testing.T) map[string][]string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "wsclient")
	build := exec.Command("go", "build", "-o", bin, ".")
	build.Dir = peersDir
	build.Env = append(os.Environ(), "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build in testdata/peers: %v\n%s", err, out)
	}
	return map[string][]string{
		"coder": {bin, "-lib", "coder"},
		"gws":   {bin, "-lib", "gws"},
		"ws":    {"node", filepath.Join(peersDir, "ws-client.mjs")},
	}
}

var (
	clientClose = pipe.Reason{Code: 4000, Text: "client's reason"}
	serverClose = pipe.Reason{Code: 4504, Text: "server's reason"}
)

// Foreign clients against Upgrade.
func TestForeignClients(t *testing.T) {
	for name, cmd := range peers(t) {
		t.Run(name, func(t *testing.T) {
			pipetest.NoLeaks(t)
			var mu sync.Mutex
			var ends []error
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, err := Upgrade(w, r, UpgradeOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				err = echoOn(c)
				mu.Lock()
				ends = append(ends, err)
				mu.Unlock()
			}))
			out, err := exec.Command(cmd[0], append(cmd[1:], strings.Replace(srv.URL, "http", "ws", 1)+"/ws?v=1")...).CombinedOutput()
			srv.Close()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, want := range []pipe.Closed{{Reason: clientClose, Remote: true}, {Reason: serverClose}} {
				found := false
				for _, err := range ends {
					found = found || err == want
				}
				if !found {
					t.Errorf("connections ended with %v, none with %v", ends, want)
				}
			}
		})
	}
}

// echoOn sends back what comes, until "close" comes or the other side ends.
func echoOn(c pipe.Conn) error {
	for {
		m, err := c.Read(nil)
		if err != nil {
			c.Close(pipe.Reason{Code: pipe.CloseLost})
			return err
		}
		if string(m.Data) == "close" {
			c.Close(serverClose)
			continue
		}
		if err := send(c, m); err != nil {
			return err
		}
	}
}

func send(c pipe.Conn, m ...pipe.Message) error {
	flushed, err := c.Write(m)
	if err == nil && !flushed {
		err = c.Flush()
	}
	return err
}

// Dial against foreign servers.
func TestForeignServers(t *testing.T) {
	for name, args := range peers(t) {
		t.Run(name, func(t *testing.T) {
			pipetest.NoLeaks(t)
			cmd := exec.Command(args[0], append(args[1:], "-serve")...)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() {
				cmd.Process.Kill()
				cmd.Wait()
			}()
			url, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			dial := func() pipe.Conn {
				c, err := Dial(t.Context(), strings.TrimSpace(url), DialOptions{Protocols: []string{Subprotocol}})
				if err != nil {
					t.Fatal(err)
				}
				return c
			}

			c := dial()
			var batch []pipe.Message
			for i, n := range []int{0, 1, 125, 126, 127, 4095, 4096, 65535, 65536, 65537, 1 << 20} {
				for _, text := range []bool{true, false} {
					batch = append(batch, pipe.Message{Data: bytes.Repeat([]byte{byte('a' + i)}, n), Text: text})
				}
			}
			sent := make(chan error, 1)
			go func() { sent <- send(c, batch...) }()
			for i, want := range batch {
				m, err := c.Read(nil)
				if err != nil || m.Text != want.Text || !bytes.Equal(m.Data, want.Data) {
					t.Fatalf("message %d: %d bytes, text %v, %v; expected %d", i, len(m.Data), m.Text, err, len(want.Data))
				}
			}
			if err := <-sent; err != nil {
				t.Error(err)
			}
			c.Close(clientClose)
			if _, err := c.Read(nil); err != (pipe.Closed{Reason: clientClose}) {
				t.Errorf("after our Close: %v", err)
			}

			c = dial()
			if err := send(c, pipe.Message{Data: []byte("close"), Text: true}); err != nil {
				t.Error(err)
			}
			_, err = c.Read(nil)
			if want := (pipe.Closed{Reason: serverClose, Remote: true}); err != want {
				t.Errorf("Read = %v, expected %v", err, want)
			}
			c.Close(pipe.Reason{Code: pipe.CloseNormal})
		})
	}
}
