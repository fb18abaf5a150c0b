package pipe_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

// ends reads to the end and returns what came.
func ends(c pipe.Conn) (all []string, err error) {
	for {
		m, err := c.Read(nil)
		if err != nil {
			return all, err
		}
		all = append(all, string(m.Data))
	}
}

func write(t *testing.T, c pipe.Conn, messages ...string) {
	t.Helper()
	var batch []pipe.Message
	for _, m := range messages {
		batch = append(batch, pipe.Message{Data: []byte(m), Text: true})
	}
	done, err := c.Write(batch)
	if err == nil && !done {
		err = c.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestShutdownMissesNobody shuts down while peers are coming in.
func TestShutdownMissesNobody(t *testing.T) {
	for n := range 50 {
		synctest.Test(t, func(t *testing.T) {
			h := pipe.NewHub(pipe.HubConfig{}, pipe.Settings{})
			var clients []pipe.Conn
			for range n % 5 * 3 {
				c, s := transport.Mem(transport.MemOptions{})
				if !h.Attach(s) {
					t.Fatal("refused before the shutdown")
				}
				clients = append(clients, c)
			}
			if err := h.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			for _, c := range clients {
				if _, err := ends(c); err == nil {
					t.Error("a client's link is open")
				}
				c.Close(pipe.Reason{Code: pipe.CloseNormal})
			}
			if _, s := transport.Mem(transport.MemOptions{}); h.Attach(s) {
				t.Error("let in after the shutdown")
			}
		})
	}
}

// TestShutdownWaitsForSlowReaders gives who reads late, but in time, all that
// was queued; who does not read at all is not waited for.
func TestShutdownWaitsForSlowReaders(t *testing.T) {
	for _, tt := range []struct{ after, within time.Duration }{
		{0, 2 * time.Second}, {1500 * time.Millisecond, 2 * time.Second}, {4 * time.Second, 5 * time.Second}, {time.Hour, 2 * time.Second},
	} {
		t.Run(fmt.Sprintf("%v of %v", tt.after, tt.within), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := pipe.NewHub(pipe.HubConfig{}, pipe.Settings{Shutdown: tt.within})
				c, s := transport.Mem(transport.MemOptions{Buffer: 4096})
				h.Attach(s)
				big := strings.Repeat("x", 1000)
				write(t, c, "[:sente-lite/hello {}]", `[:sente-lite/subscribe {:channel-id "c"}]`)
				for range 100 {
					write(t, c, `[:sente-lite/publish {:channel-id "c" :data "`+big+`"}]`)
				}
				synctest.Wait()
				got := make(chan []string, 1)
				go func() {
					time.Sleep(tt.after)
					all, _ := ends(c)
					got <- all
				}()
				begun := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), tt.within)
				defer cancel()
				err := h.Shutdown(ctx)
				took := time.Since(begun)
				late := tt.after > tt.within
				if (err != nil) != late {
					t.Errorf("%v", err)
				}
				if took > tt.within+time.Second {
					t.Errorf("it took %v, expected %v at the most", took, tt.within+time.Second)
				}
				all := <-got
				if !late && (len(all) != 103 || !strings.Contains(all[102], ":code 1001")) {
					t.Errorf("%d values came, expected 103 and at last a close: %.100q", len(all), all[len(all)-1])
				}
				c.Close(pipe.Reason{Code: pipe.CloseNormal})
			})
		})
	}
}

// TestNothingIsHeld counts the hub's bytes after peers of all kinds have gone in
// the middle of something.
func TestNothingIsHeld(t *testing.T) {
	for _, role := range []pipe.Role{pipe.RoleOwner, pipe.RoleClient} {
		for _, first := range []string{"", "[:a/b}", "[:sente-lite/hello {:credit :none}]", "[:sente-lite/hello {:handler true}]", "[:sente-lite/hello {}]", "[:a/b]"} {
			for _, reads := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s %q %v", role, first, reads), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						h := pipe.NewHub(pipe.HubConfig{}, pipe.Settings{})
						c, s := transport.Mem(transport.MemOptions{Text: true, Buffer: 4096, Server: pipe.ConnInfo{Claim: &pipe.Claim{Role: role}}})
						h.Attach(s)
						ended := make(chan struct{})
						if reads {
							go func() { defer close(ended); _, _ = ends(c) }()
						} else {
							close(ended)
						}
						if first != "" {
							// All at once: the answers wait until it was all read.
							write(t, c, first, "[:sente-lite/hello {}]", "[:x/y}", `[:sente-lite/subscribe {:channel-id "c"}]`)
							for range 20 {
								_, _ = c.Write([]pipe.Message{{Data: []byte(`[:sente-lite/publish {:channel-id "c" :data "` + strings.Repeat("x", 1000) + `"}]`)}})
							}
						}
						synctest.Wait()
						c.Close(pipe.Reason{Code: pipe.CloseNormal})
						<-ended
						if err := h.Shutdown(t.Context()); err != nil {
							t.Error(err)
						}
						if n := h.Held(); n != 0 {
							t.Errorf("%d bytes are held for nobody", n)
						}
					})
				})
			}
		}
	}
}

// TestComingAndGoingIsBounded lets clients come and go while the handler does
// not read: there is an end to what it is told of them.
func TestComingAndGoingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := pipe.NewHub(pipe.HubConfig{}, pipe.Settings{Flow: pipe.Flow{MaxPeers: 10, MaxBufferSize: 20}})
		hd, s := transport.Mem(transport.MemOptions{Buffer: 4096, Options: transport.Options{WriteTimeout: time.Hour},
			Server: pipe.ConnInfo{Claim: &pipe.Claim{Role: pipe.RoleOwner}}})
		h.Attach(s)
		write(t, hd, "[:sente-lite/hello {:handler true}]")
		synctest.Wait()
		visit := func() string {
			c, s := transport.Mem(transport.MemOptions{})
			h.Attach(s)
			write(t, c, "[:sente-lite/hello {}]")
			m, err := c.Read(nil)
			if err != nil {
				t.Fatal(err)
			}
			got := string(m.Data)
			c.Close(pipe.Reason{Code: pipe.CloseNormal})
			synctest.Wait()
			return got
		}
		in := 0
		for range 300 {
			if got := visit(); strings.HasPrefix(got, "[:sente-lite/ready ") {
				in++
			} else if !strings.HasPrefix(got, "[:chsk/close {:code 4001 ") {
				t.Fatalf("%s, expected to be let in, or to come back later", got)
			}
		}
		if in < 20 || in > 100 {
			t.Errorf("%d of 300 were let in, expected 20 and what a write takes", in)
		}
		read := make(chan []string, 1)
		go func() {
			all, _ := ends(hd)
			read <- all
		}()
		synctest.Wait()
		if got := visit(); !strings.HasPrefix(got, "[:sente-lite/ready ") {
			t.Errorf("%s, expected to be let in once the handler has read", got)
		}
		if err := h.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		opens := 0
		for _, v := range <-read {
			if strings.HasPrefix(v, "[:sente-lite/open ") {
				opens++
			}
		}
		hd.Close(pipe.Reason{Code: pipe.CloseNormal})
		if opens != in+1 {
			t.Errorf("%d opens, expected %d", opens, in+1)
		}
	})
}

// TestRefusedMeansNothingIsDone: whoever is one too many is not heard either,
// also if the first value is not a hello.
func TestRefusedMeansNothingIsDone(t *testing.T) {
	for _, first := range []string{"[:sente-lite/hello {}]", "[:a/b 1]", `[[:a/b] "c"]`, "[:batch/events [[:a/b] [:a/c]]]"} {
		synctest.Test(t, func(t *testing.T) {
			h := pipe.NewHub(pipe.HubConfig{}, pipe.Settings{Flow: pipe.Flow{MaxPeers: 1}})
			hd, s := transport.Mem(transport.MemOptions{Server: pipe.ConnInfo{Claim: &pipe.Claim{Role: pipe.RoleOwner}}})
			h.Attach(s)
			write(t, hd, "[:sente-lite/hello {:handler true}]")
			one, s := transport.Mem(transport.MemOptions{})
			h.Attach(s)
			write(t, one, "[:sente-lite/hello {}]")
			synctest.Wait()
			two, s := transport.Mem(transport.MemOptions{})
			h.Attach(s)
			write(t, two, first, "[:a/more]")
			all, _ := ends(two)
			if len(all) != 1 || !strings.HasPrefix(all[0], "[:chsk/close {:code 4001 ") {
				t.Errorf("%s: got %q, expected a close with 4001", first, all)
			}
			if err := h.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			heard, _ := ends(hd)
			for _, v := range heard {
				if strings.Contains(v, ":a/") {
					t.Errorf("%s: the handler got %s", first, v)
				}
			}
			one.Close(pipe.Reason{Code: pipe.CloseNormal})
			two.Close(pipe.Reason{Code: pipe.CloseNormal})
			hd.Close(pipe.Reason{Code: pipe.CloseNormal})
		})
	}
}
