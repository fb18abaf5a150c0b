package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

// These are mistakes that people make, each with the part of the answer that
// says what to do about it. All of them are errors of one form: a category, a
// code, a message, a hint.

var configMistakes = [][2]string{
	{`{:port 8090}`, "unknown key; did you mean [:listen]?"},
	{`{:nam "x"}`, "did you mean :name?"},
	{`{"name" "x"}`, "keys are keywords; did you mean :name?"},
	{`{:max-depth 9}`, "did you mean [:flow :max-depth]?"},
	{`{:flow {:max-buffer 9}}`, "allowed: :event-buffer-ms"},
	{`{:flow {:max-depth "9"}}`, `found "9"; allowed: an integer from 8 to 10000 (levels)`},
	{`{:flow {:max-depth 1}}`, "allowed: an integer from 8 to 10000"},
	{`{:flow {:on-backpressure :drop-oldst}}`, "did you mean :drop-oldest?"},
	{`{:flow {:on-backpressure :drop}}`, "did you mean :drop-newest?"},
	{`{:flow {:on-backpressure "notify"}}`, "one of :notify :drop-oldest :drop-newest :coalesce :block :queue :disconnect, or a map by event"},
	{`{:flow {:on-backpressure {:defualt :block}}}`, "allowed: :default, an event's name :chat/msg"},
	{`{:flow {:on-backpressure {:chat/* :quue}}}`, "[:flow :on-backpressure :chat/*]: found :quue; did you mean :queue?"},
	{`{:flow {:on-backpressure :queue}}`, `give :data-dir "DIR" (or --data-dir DIR), or choose another policy`},
	{`{:flow {:on-recv-full :queue}}`, "allowed: one of :notify :persist :drop"},
	{`{:flow {:profile :bluk}}`, "did you mean :bulk?"},
	{`{:flow {:lanes #{:bulk}}}`, "allowed: a map of at most 7 lanes, like {:bulk #{:blob/*}}"},
	{`{:flow {:lanes {:bulk :blob/*}}}`, "allowed: a set of events, like #{:blob/*}"},
	{`{:flow {:lanes {:a #{:blob/*} :b #{:blob/put}}}}`, "the lane :b has :blob/put, and :a has :blob/*; allowed: each event in one lane"},
	{`{:log-level :wran}`, "did you mean :warn?"},
	{`{:listen "http://127.0.0.1:0"}`, "allowed: a vector of addresses"},
	{`{:listen ["127.0.0.1:8090"]}`, "allowed: unix:/path/x.sock, tcp://host:port, http://host:port"},
	{`{:listen ["ws://127.0.0.1:0"]}`, "WebSockets are served at http://"},
	{`{:listen ["htpp://127.0.0.1:0"]}`, "did you mean http:?"},
	{`{:listen ["http://0.0.0.0:0"]}`, `give :auth {:tokens [{:token-env "NAME"}]}, or listen on 127.0.0.1`},
	{`{:listen ["tcp://127.0.0.1:0"]}`, "or listen on a Unix socket"},
	{`{:base-path "app"}`, `a path that begins with a slash, like "/app"`},
	{`{:allowed-origins #{"example.com"}}`, "scheme://host or scheme://host:port"},
	{`{:auth {:tokens ["s3cret"]}}`, `a map, like {:token-env "CHAT_TOKEN"}`},
	{`{:auth {:tokens [{:token-env "NOT_SET"}]}}`, "is not set; it should have the token"},
	{`{:policy {:publish "lobby"}}`, `a vector of patterns, like ["room-*"]`},
	{`{:relay {:chat/* :all}}`, "a vector of rules, like [{:event :chat/* :to :all}]"},
	{`{:name "x"`, "expected a value or } for the map"},
}

func TestConfigMistakes(t *testing.T) {
	for _, tt := range configMistakes {
		_, err := NewLoader(noVariables).Merge("file.edn", []byte(tt[0]))
		if err == nil || !strings.Contains(err.Error(), tt[1]) {
			t.Errorf("%s:\n got %v\nwant %s", tt[0], err, tt[1])
			continue
		}
		checkMistake(t, tt[0], wireError(err))
		if !strings.HasPrefix(err.Error(), "file.edn:1:") {
			t.Errorf("%s: it is not said where: %v", tt[0], err)
		}
	}
}

var commandMistakes = []struct {
	args, says string // the arguments, by |
	code       int
}{
	{"srve", `unknown command srve, did you mean "serve"?`, exitUsage},
	{"frob", "unknown command frob", exitUsage},
	{"config|frob", "unknown command frob", exitUsage},
	{"peers|frob", "unexpected argument frob", exitUsage},
	{"dev|", "<dir> is empty", exitUsage},
	{"serve|--config|", "--config is empty", exitUsage},
	{"serve|--log-level=", "--log-level is empty", exitUsage},
	{"peers|--to|", "--to is empty", exitUsage},
	{"peers|--token-file=", "--token-file is empty", exitUsage},
	{"send|--channel||1", "--channel is empty", exitUsage},
	{"send|--uid|ada|--uid||[:x/y]", "--uid is empty", exitUsage},
	{"send|", "<event> is empty", exitUsage},
	{"ask|--uid||[:x/y]", "--uid is empty", exitUsage},
	{"example|run|chat|--dir|", "--dir is empty", exitUsage},
	{"serve|--lisen|unix:/x", `did you mean "--listen"?`, exitUsage},
	{"serve|--listen", "expected a value behind it", exitUsage},
	{"serve|--static", "expected a value behind it", exitUsage},
	{"serve|--set|flow/max-depth=9", "expected :path/to/key=EDN, like --set :flow/max-depth=100", exitUsage},
	{`serve|--set|:auth/tokens=[{:token "s3cret"}]`, "allowed: :token-env or :token-file", exitUsage},
	{"serve|--config|none.edn", "the configuration cannot be read: no such file", exitUsage},
	{"dev", `expected "<dir>"`, exitUsage},
	{"dev|pages|--static|pages", "leave --static out", exitUsage},
	{"dev|none", "allowed: a folder of pages", exitUsage},
	{"config|check|a.edn|--config|b.edn", "expected one of them", exitUsage},
	{"config|doc|:flow/max-depht", "did you mean :flow/max-depth?", exitUsage},
	{"peers|--listen|x", "which peers has not", exitUsage},
	{"peers", `start one with "sente-lite serve", or name its address with --to URL or SENTE_LITE_URL, like --to http://127.0.0.1:8090`, exitFailed},
	{"peers|--to|unix:/none.sock", "there is no such socket\n  start one with", exitFailed},
	{"peers|--to|http://127.0.0.1:1", `connection refused` + "\n  start one with", exitFailed},
	{"peers|--to|htp://127.0.0.1:1", "did you mean http:?\n  expected unix:/path/x.sock", exitUsage},
	{"peers|--to|127.0.0.1:8090", "expected unix:/path/x.sock, tcp://host:port", exitUsage},
	{"peers|--to|http://127.0.0.1:1/?token=s3cret", "a token does not belong in a URL: set SENTE_LITE_TOKEN", exitUsage},
	{"peers|--every|1ms", "allowed are 50ms to 1h", exitUsage},
	{"send|:chat/msg", "an event is a vector: [:chat/msg]", exitUsage},
	{"send|[:chat/msg|{:text|hi}]", "put it in single quotes", exitUsage},
	{"send|[:msg 1]", "namespace", exitUsage},
	{`send|{:text "hi"}`, "[:app/value …]", exitUsage},
	{`send|[[:chat/msg] "cb"]`, `"sente-lite ask" makes a call of an event by itself`, exitUsage},
	{"send|--all|--uid|ada|[:x/y]", "leave out all but one", exitUsage},
	{"ask|[:chat/msg", "expected a value or ] for the vector", exitUsage},
	{"ask|--timeout|5|[:x/y]", "timeout", exitUsage},
	{"tail|chat", "all events of a namespace are 'chat/*'", exitUsage},
	{"tail|--fields|uid,evnt", "did you mean event?", exitUsage},
	{"tail|--in|--out", "can't be used together", exitUsage},
	{"completion|tcsh", `must be one of "bash","zsh","fish"`, exitUsage},
	{"example|run|chat", "this binary was built without the examples\n  build it from the whole repository", exitFailed},
}

// said runs the program in this process, and returns what it has written.
func said(t *testing.T, args []string) (code int, stdout, stderr string) {
	t.Helper()
	dir := t.TempDir()
	file := func(name string) *os.File {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	in, out, errs := file("in"), file("out"), file("err")
	code = run(args, system{Stdin: in, Stdout: out, Stderr: errs, Terminal: true, Environ: []string{"XDG_RUNTIME_DIR=" + dir}})
	read := func(f *os.File) string {
		b, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	return code, read(out), read(errs)
}

func TestCommandMistakes(t *testing.T) {
	for _, tt := range commandMistakes {
		args := strings.Split(tt.args, "|")
		code, stdout, stderr := said(t, args)
		if code != tt.code || !strings.Contains(stderr, tt.says) || stdout != "" || !strings.HasPrefix(stderr, "sente-lite: ") {
			t.Errorf("%q: exit %d, stdout %q, stderr\n  %s\nwant exit %d and\n  %s", args, code, stdout, stderr, tt.code, tt.says)
		}
		if strings.Contains(stderr, "s3cret") || strings.Contains(stderr, "goroutine") {
			t.Errorf("%q: %s", args, stderr)
		}
		if group, _, _ := strings.Cut(tt.args, "|"); strings.Contains("peers send ask tail example", group) {
			// The same as a value, on stdout.
			code, stdout, stderr = said(t, append(args, "--edn"))
			if code != tt.code || stderr != "" || strings.Count(stdout, "\n") != 1 {
				t.Errorf("%q --edn: exit %d, stdout %q, stderr %q", args, code, stdout, stderr)
				continue
			}
			checkMistake(t, tt.args, errorOf([]byte(strings.TrimSpace(stdout))))
		}
	}
}

var wireMistakes = [][2]string{
	{`:chat/msg`, "as in [:app/value …]"},
	{`{:event "chat/msg"}`, "wrap it in a vector behind a keyword with a namespace"},
	{`[:msg {}]`, "namespace"},
	{`["chat/msg" {}]`, "keyword"},
	{`[:chat/msg {:a}]`, "a map needs pairs"},
	{`[:chat/msg #(inc %)]`, "which is code"},
	{`[:chat/msg {}] [:chat/msg {}]`, "one"},
	{`[[:chat/msg {}] 7]`, "string of 1 to 64 bytes"},
	{`[:chsk/reply "x1"]`, `expected [:chsk/reply "cb" value]`},
	{`[:batch/events []]`, "empty"},
	{`[:sente-lite/sned {}]`, "did you mean :sente-lite/send?"},
	{`[:sente-lite/send {:to "ada"}]`, `like {:to "uid" :event [:chat/msg {}]}`},
	{`[:sente-lite/send {:to :everyone :event [:x/y]}]`, ":to must be a uid, a set of uids, :all"},
	{`[:sente-lite/send {:to "nobody" :event [:x/y]}]`, "lists who is there"},
	{`[:sente-lite/send {:to :all :event [:chsk/ws-ping]}]`, "belongs to the link itself"},
	{`[:sente-lite/subscribe "lobby"]`, `like {:channel-id "room"}`},
	{`[:chat/msg {}]`, "connect a handler"},
	{`[:sente-lite/hello {}]`, "open another link to say another hello"},
	{`[:sente-lite/tail {:event "chat/*"}]`, "known are :events, :uids and :dir"},
}

func TestWireMistakes(t *testing.T) {
	h := pipe.NewHub(pipe.HubConfig{}, pipe.Settings{})
	owner := pipe.Claim{Role: pipe.RoleOwner}
	c, s := transport.Mem(transport.MemOptions{Server: pipe.ConnInfo{Claim: &owner}})
	h.Attach(s)
	defer h.Shutdown(t.Context())
	defer c.Close(pipe.Reason{Code: pipe.CloseNormal})
	ask := func(text string) string {
		t.Helper()
		if _, err := c.Write([]pipe.Message{{Data: []byte(text), Text: true}}); err != nil {
			t.Fatal(err)
		}
		m, err := c.Read(nil)
		if err != nil {
			t.Fatal(err)
		}
		return string(m.Data)
	}
	ask("[:sente-lite/hello {}]")
	for _, tt := range wireMistakes {
		got := ask(tt[0])
		i, err := pipe.Split([]byte(got), pipe.Limits{})
		if err != nil || string(i.Name) != "sente-lite/error" || !strings.Contains(text(i.Body, ":message")+" "+text(i.Body, ":hint"), tt[1]) {
			t.Errorf("%s:\n got %s\nwant %s", tt[0], got, tt[1])
			continue
		}
		checkMistake(t, tt[0], errorOf(i.Body))
	}
	if n := len(configMistakes) + len(commandMistakes) + len(wireMistakes); n < 40 {
		t.Errorf("the set has %d mistakes", n)
	}
}

// checkMistake checks the form of an error.
func checkMistake(t *testing.T, what string, e *pipe.Error) {
	t.Helper()
	v, err := pack.DecodeEDN(e.AppendEDN(nil))
	switch {
	case err != nil:
		t.Errorf("%s: %v", what, err)
	case e.Category == "" || e.Code == "" || e.Msg == "":
		t.Errorf("%s: something is missing in %v", what, v)
	case strings.Contains(e.Msg+e.Hint, "s3cret"):
		t.Errorf("%s: a secret is in %v", what, v)
	}
}
