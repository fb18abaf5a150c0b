package main

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

//go:embed demo
var demoFiles embed.FS

// runDemo is serve with pages of the binary's own, and a handler for them that
// is a peer like any other: it speaks the contract's events over a link in
// memory, as a script would over its pipes.
func runDemo(c *cliContext) int {
	pages, err := fs.Sub(demoFiles, "demo")
	if err != nil {
		panic(err) // the folder is embedded
	}
	d := defaults{http: serveDefaults.http, nextPort: true, socket: true, pages: pages, headers: http.Header{
		"Content-Security-Policy": {"default-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"},
		"Referrer-Policy":         {"no-referrer"},
	}}
	return serve(c, d, func(ctx context.Context, s *sidecar) error {
		s.welcome()
		return newDemo(s).run(ctx)
	})
}

// welcome tells a person what to look at.
func (s *sidecar) welcome() {
	page, socket := s.addresses()
	fmt.Fprintf(s.Stderr, "\n  The demo is at  %s  (open it in two tabs)\n", page)
	if socket != "" {
		fmt.Fprintf(s.Stderr, "  From a shell:   echo '[:demo/say {:channel \"lobby\" :text \"hello from a shell\"}]' | nc -NU %s\n", socket)
	}
	fmt.Fprintf(s.Stderr, "  Ctrl-C ends it.\n\n")
}

// addresses returns the first page's address, and the first socket's path.
func (s *sidecar) addresses() (page, socket string) {
	for _, a := range s.listening() {
		if page == "" && strings.HasPrefix(a, "http:") {
			page = a + strings.TrimRight(s.Config.BasePath, "/") + "/"
		}
		if path, ok := strings.CutPrefix(a, "unix:"); ok && socket == "" {
			socket = path
		}
	}
	return page, socket
}

// What the demo keeps, at the most.
const (
	demoRooms   = 200
	demoHistory = 50   // messages of a room
	demoText    = 4000 // bytes of a message
	demoName    = 32   // characters
)

// A demo is the handler of the demo's pages. One goroutine runs it.
type demo struct {
	s       *sidecar
	conn    pipe.Conn
	out     []pipe.Message
	started int64
	names   map[string]string   // by client-id
	rooms   map[string][][]byte // the last messages, as EDN maps, by the channel's text
	asking  bool                // a list of peers is on its way
	stale   bool                // and another one is wanted after it
	publish bool                // everybody is to get the next list
	waiting [][]byte            // cbs of those who asked for the list
}

func newDemo(s *sidecar) *demo {
	return &demo{s: s, started: time.Now().UnixMilli(), names: map[string]string{}, rooms: map[string][][]byte{}}
}

// run connects to the hub and handles what comes until ctx ends.
func (d *demo) run(ctx context.Context) error {
	claim := pipe.Claim{UID: "demo", Role: pipe.RoleOwner}
	client, server := transport.Mem(transport.MemOptions{Options: d.s.options(), Server: pipe.ConnInfo{Claim: &claim}})
	if !d.s.hub.Attach(server) {
		return nil
	}
	d.conn = client
	defer context.AfterFunc(ctx, func() { client.Close(pipe.Reason{Code: pipe.CloseNormal}) })()
	defer client.Close(pipe.Reason{Code: pipe.CloseNormal})
	d.say("[:sente-lite/hello {:handler true}]")
	if err := d.write(); err != nil {
		return err
	}
	for {
		m, err := client.Read(nil)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		item, err := pipe.Split(m.Data, pipe.Limits{})
		if err != nil {
			return err
		}
		d.take(item)
		if err := d.write(); err != nil {
			return err
		}
	}
}

func (d *demo) say(format string, args ...any) {
	d.out = append(d.out, pipe.Message{Data: fmt.Appendf(nil, format, args...), Text: true})
}

func (d *demo) write() error {
	done, err := d.conn.Write(d.out)
	d.out = d.out[:0]
	if err == nil && !done {
		err = d.conn.Flush()
	}
	return err
}

// take handles one event.
func (d *demo) take(i pipe.Item) {
	switch {
	case i.Shape == pipe.ShapeReply:
		d.listed(i.Body)
	case string(i.Name) == "sente-lite/close":
		delete(d.names, text(i.Body, ":client-id"))
		d.list(true)
	case string(i.Name) == "sente-lite/open":
		d.list(true)
	case string(i.Name) == "sente-lite/recv":
		event, _ := pipe.Lookup(i.Body, ":event")
		in, err := pipe.SplitValue(event)
		if err != nil {
			return
		}
		d.recv(in, i.Call, text(i.Body, ":uid"), text(i.Body, ":client-id"))
	}
}

// recv handles what a page, or a program, has sent.
func (d *demo) recv(i pipe.Item, cb []byte, uid, client string) {
	reply := func(value []byte) {
		if cb != nil {
			d.say("[:chsk/reply %s %s]", cb, value)
		}
	}
	switch string(i.Name) {
	case "demo/info":
		reply(d.info())
	case "demo/peers":
		if cb != nil {
			d.waiting = append(d.waiting, bytes.Clone(cb))
		}
		d.list(false)
	case "demo/name":
		name := text(i.Body, ":name")
		for utf8.RuneCountInString(name) > demoName {
			_, n := utf8.DecodeLastRuneInString(name)
			name = name[:len(name)-n]
		}
		d.names[client] = strings.TrimSpace(name)
		d.list(true)
		reply([]byte("true"))
	case "demo/history":
		channel, _ := lookup(i.Body, ":channel")
		reply(slicesEDN(d.rooms[string(channel)]))
	case "demo/say":
		d.chat(i, uid, client)
		reply([]byte("true"))
	default:
		e := pipe.Error{Category: pipe.NotFound, Code: "unknown-event", Event: string(i.Name), Msg: "the demo takes :demo/say, :demo/name, :demo/history, :demo/peers and :demo/info, not :" + string(i.Name)}
		if cb != nil {
			reply(e.AppendEDN(nil))
		} else {
			d.say("[:sente-lite/send {:to %s :event %s}]", pipe.AppendString(nil, uid), e.AppendEDN(nil))
		}
	}
}

// chat publishes a message to its room, and keeps it.
func (d *demo) chat(i pipe.Item, uid, client string) {
	channel, _ := lookup(i.Body, ":channel")
	said := text(i.Body, ":text")
	if pipe.Kind(channel) != pipe.KindString || said == "" || len(said) > demoText {
		return
	}
	m := pipe.AppendString([]byte("{:from "), uid)
	m = pipe.AppendString(append(m, " :name "...), d.name(uid, client))
	m = pipe.AppendString(append(m, " :text "...), said)
	m = fmt.Appendf(m, " :at %d}", time.Now().UnixMilli())
	room := append(d.rooms[string(channel)], m)
	if len(room) > demoHistory {
		room = room[1:]
	}
	if len(d.rooms) < demoRooms || len(room) > 1 {
		d.rooms[string(channel)] = room
	}
	d.say("[:sente-lite/publish {:channel-id %s :data %s}]", channel, m)
}

func (d *demo) name(uid, client string) string {
	if n := d.names[client]; n != "" {
		return n
	}
	return uid
}

// list asks who is there: for those who wait, or for everybody.
func (d *demo) list(everybody bool) {
	d.publish = d.publish || everybody
	if d.asking {
		d.stale = true
		return
	}
	d.asking = true
	d.say(`[[:sente-lite/peers {}] "peers"]`)
}

// listed takes the answer and adds the names.
func (d *demo) listed(peers []byte) {
	d.asking = false
	if d.stale {
		d.stale = false
		d.list(false)
		return
	}
	b := []byte("[")
	for c := pipe.Elements(peers); ; {
		p, ok := c.Next()
		if !ok {
			break
		}
		b = append(b, '{')
		for _, key := range []string{":uid", ":role", ":transport", ":since", ":rtt-ms"} {
			v, _ := lookup(p, key)
			b = fmt.Appendf(b, "%s %s ", key, v)
		}
		b = pipe.AppendString(append(b, ":name "...), d.name(text(p, ":uid"), text(p, ":client-id")))
		b = append(b, '}')
	}
	b = append(b, ']')
	for _, cb := range d.waiting {
		d.say("[:chsk/reply %s %s]", cb, b)
	}
	if d.publish {
		d.say("[:sente-lite/publish {:channel-id \"demo/peers\" :data %s}]", b)
	}
	d.waiting, d.publish = nil, false
}

func (d *demo) info() []byte {
	b := pipe.AppendString([]byte("{:version "), version)
	b = append(b, " :listen ["...)
	socket := "nil"
	for _, a := range d.s.listening() {
		b = append(pipe.AppendString(b, a), ' ')
		if path, ok := strings.CutPrefix(a, "unix:"); ok {
			socket = string(pipe.AppendString(nil, path))
		}
	}
	return fmt.Appendf(b, "] :socket %s :pid %d :started-at %d}", socket, os.Getpid(), d.started)
}

func lookup(m []byte, key string) ([]byte, bool) {
	if m == nil || pipe.Kind(m) != pipe.KindMap {
		return nil, false
	}
	return pipe.Lookup(m, key)
}

// text returns a string of a map, "" where there is none.
func text(m []byte, key string) string {
	v, ok := lookup(m, key)
	if !ok {
		return ""
	}
	s, err := pipe.Unquote(v)
	if err != nil {
		return ""
	}
	return s
}

func slicesEDN(values [][]byte) []byte {
	return append(append([]byte("["), bytes.Join(values, []byte(" "))...), ']')
}
