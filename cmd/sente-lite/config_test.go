package main

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
)

func noVariables(string) (string, bool) { return "", false }

func loadFile(t *testing.T, file string) (*Config, error) {
	t.Helper()
	l := NewLoader(noVariables)
	l.File(file)
	return l.Config()
}

func TestGoodFiles(t *testing.T) {
	files, _ := filepath.Glob("../../testdata/config/good/*.edn")
	if len(files) < 4 {
		t.Fatalf("found %d files", len(files))
	}
	for _, file := range files {
		if _, err := loadFile(t, file); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// The first line of a bad file is a comment with the error that it gives.
func TestBadFiles(t *testing.T) {
	files, _ := filepath.Glob("../../testdata/config/bad/*.edn")
	if len(files) < 60 {
		t.Fatalf("found %d files", len(files))
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(text), "\n")
		want := strings.TrimPrefix(first, "; ")
		_, err = loadFile(t, file)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n got %v\nwant %s", file, err, want)
			continue
		}
		if !strings.HasPrefix(err.Error(), file+":") {
			t.Errorf("%s: the error does not begin with the file: %v", file, err)
		}
		var wire *pipe.Error
		if !errors.As(err, &wire) || wire.Code != "bad-config" || wire.Category != pipe.Incorrect {
			t.Errorf("%s: no wire error: %#v", file, err)
			continue
		}
		told := wire.AppendEDN(nil)
		if _, err := pipe.Check(told, pipe.Limits{}); err != nil {
			t.Errorf("%s: %s is not EDN: %v", file, told, err)
		}
		if strings.Contains(string(told), "s3cret") {
			t.Errorf("%s: a secret is in %s", file, told)
		}
	}
}

func TestAllProblemsAreTold(t *testing.T) {
	_, err := loadFile(t, "../../testdata/config/bad/several.edn")
	var e *ConfigError
	if !errors.As(err, &e) || len(e.problems) != 3 {
		t.Fatalf("got %v", err)
	}
}

func TestFull(t *testing.T) {
	cfg, err := loadFile(t, "../../testdata/config/good/full.edn")
	if err != nil {
		t.Fatal(err)
	}
	cfg.settings = nil
	want := &Config{
		Name: "chat-2", Named: true,
		Listen: []Address{
			{Scheme: "http", Host: "127.0.0.1:0"}, {Scheme: "http", Host: "[::1]:8090"},
			{Scheme: "unix", Path: "/run/user/1000/chat.sock"}, {Scheme: "http", Host: "localhost:80"},
		},
		Static: "site", StaticGiven: true, BasePath: "/app",
		AllowedOrigins: []string{"http://dev.example.com:8080", "https://example.com"},
		AllowedHosts:   []string{"example.com", "dev.example.com:8080"},
		CipherKeys:     [][]byte{[]byte("0123456789abcdef0123456789abcdef"), []byte("s3crets3crets3cr")},
		DataDir:        "data", LogLevel: -4, Shutdown: 500 * time.Millisecond,
		Hub: pipe.Settings{
			Flow: pipe.Flow{
				MaxBufferSize: 10, MaxBufferBytes: 2048, MaxMessageBytes: 65536, MaxDepth: 32,
				MaxTotalBytes: 1 << 20, MaxPeers: 5, CallTimeout: 100 * time.Millisecond,
				KeepAlive: 100 * time.Millisecond, PingTimeout: 200 * time.Millisecond,
				EventBuffer: -time.Millisecond, EventBufferSize: 1, MaxFrameSize: 4096, MaxBufferAge: 3 * time.Second,
				OnFull: []pipe.FullRule{
					{Event: "chat/typing", Policy: pipe.FullCoalesce}, {Event: "chat/log*", Policy: pipe.FullDropNewest},
					{Event: "chat/*", Policy: pipe.FullDropOldest}, {Event: "jobs/*", Policy: pipe.FullQueue}, {Event: "*", Policy: pipe.FullBlock},
				},
				BlockFor:         200 * time.Millisecond,
				Lanes:            []pipe.Lane{{Name: "bulk", Events: []string{"blob/*", "log/*"}}, {Name: "keys", Events: []string{"ui/key"}}},
				Recovery:         pipe.Recovery{Window: -time.Second, MaxMsgs: -1},
				AdmitPerSec:      200,
				MaxRecvQueueSize: 50, MaxRecvBytes: 4096, OnRecvFull: "persist",
			},
			Relay: []pipe.RelayRule{
				{Event: "chat/msg", To: []byte(`{:channel "lobby"}`)},
				{Event: "chat/*", To: []byte(`#{"a" "b"}`)},
				{Event: "to/bob", To: []byte(`"bob"`)},
				{Event: "to/tab", To: []byte(`{:client-id "c"}`)},
				{Event: "to/clients", To: []byte(`{:role :client}`)},
				{Event: "*", To: []byte(`:all`)},
			},
			Policy: pipe.Policy{Subscribe: pipe.Rule{Deny: true, Patterns: []string{"room-*"}}, Publish: pipe.Rule{Deny: true}},
		},
	}
	if !reflect.DeepEqual(cfg, want) {
		t.Errorf("\n got %+v\nwant %+v", cfg, want)
	}
}

// The table's defaults are those of the hub.
func TestDefaults(t *testing.T) {
	cfg, err := NewLoader(noVariables).Config()
	if err != nil {
		t.Fatal(err)
	}
	if want := (pipe.Flow{}).OrDefault(); !reflect.DeepEqual(cfg.Hub.Flow, want) {
		t.Errorf("got %+v, want %+v", cfg.Hub.Flow, want)
	}
	if cfg.Name != "default" || cfg.Named || cfg.Listen != nil || cfg.Static != "public" || cfg.StaticGiven ||
		cfg.BasePath != "/" || cfg.Shutdown != 2*time.Second || cfg.LogLevel != 0 || cfg.Hub.Auth != nil {
		t.Errorf("got %+v", cfg)
	}
}

// Each layer wins over the one before, key by key.
func TestLayers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.edn")
	if err := os.WriteFile(file, []byte(`{:name "file" :static "file" :listen ["unix:/f"] :flow {:max-depth 10 :max-peers 10 :max-buffer-size 10 :call-timeout-ms 10}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	l := NewLoader(noVariables)
	l.File(file)
	l.Environ([]string{"SENTE_LITE_NAME=env", "SENTE_LITE_FLOW={:max-peers 20 :max-buffer-size 20}", "SENTE_LITE_FLOW__CALL_TIMEOUT_MS=20", "SENTE_LITE_BIN=x", "SENTE_LITE_URL=x", "HOME=/"})
	l.Set(":flow/max-buffer-size=30")
	l.Set(":flow/call-timeout-ms=30")
	l.Flag("--listen", "listen", []any{"unix:/a", "unix:/b"})
	if _, err := l.Config(); err != nil {
		t.Fatal(err)
	}
	cfg, err := l.Merge("hello", []byte(`{:flow {:call-timeout-ms 40} :static nil}`))
	if err != nil {
		t.Fatal(err)
	}
	f := cfg.Hub.Flow
	if cfg.Name != "env" || f.MaxDepth != 10 || f.MaxPeers != 20 || f.MaxBufferSize != 30 || f.CallTimeout != 40*time.Millisecond ||
		len(cfg.Listen) != 2 || cfg.Static != "public" || cfg.StaticGiven {
		t.Errorf("got %+v", cfg)
	}
}

func TestBadMergeChangesNothing(t *testing.T) {
	l := NewLoader(noVariables)
	if _, err := l.Merge("the :config of hello", []byte(`{:name "a" :flow {:max-dept 10}}`)); err == nil ||
		err.Error() != "the :config of hello:1:19: [:flow :max-dept]: unknown key; did you mean :max-depth?" {
		t.Errorf("got %v", err)
	}
	cfg, err := l.Config()
	if err != nil || cfg.Name != "default" {
		t.Errorf("got %+v, %v", cfg, err)
	}
}

func TestVariables(t *testing.T) {
	for _, tt := range []struct{ variable, err string }{
		{`SENTE_LITE_STATIC=/srv/pages`, ""},
		{`SENTE_LITE_STATIC="/srv/pages"`, ""},
		{`SENTE_LITE_STATIC=my pages`, ""},
		{`SENTE_LITE_STATIC=public`, ""},
		{`SENTE_LITE_STATIC=`, ""},
		{`SENTE_LITE_STATIC=5`, "SENTE_LITE_STATIC: [:static]: found 5; allowed: a string"},
		{`SENTE_LITE_LISTEN=unix:/x.sock`, ""},
		{`SENTE_LITE_LISTEN=["unix:/x.sock"]`, ""},
		{`SENTE_LITE_FLOW__MAX_DEPTH=10`, ""},
		{`SENTE_LITE_FLOW__MAX_DEPTH=ten`, "found ten; allowed: an integer"},
		{`SENTE_LITE_FLOW__MAX_DEPTH=`, "not EDN"},
		{`SENTE_LITE_FLOW__CONNECTION_STATE_RECOVERY__MAX_MSGS=5`, ""},
		{`SENTE_LITE_FLOW__CONNECTION_STATE_RECOVERY={:max-msg 5}`, "SENTE_LITE_FLOW__CONNECTION_STATE_RECOVERY: [:flow :connection-state-recovery :max-msg]: unknown key; did you mean :max-msgs?"},
		{`SENTE_LITE_LISTN=x`, "did you mean SENTE_LITE_LISTEN?"},
		{`SENTE_LITE_COMPLETELY_OTHER_THING=x`, "a key :a :b-c of the configuration is SENTE_LITE_A__B_C"},
	} {
		l := NewLoader(noVariables)
		l.Environ([]string{tt.variable})
		_, err := l.Config()
		if tt.err == "" && err != nil {
			t.Errorf("%s: %v", tt.variable, err)
		}
		if tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%s:\n got %v\nwant %s", tt.variable, err, tt.err)
		}
	}
}

func TestSetArguments(t *testing.T) {
	for _, bad := range []string{"", "x", "flow/max-depth=1", ":flow/max-depth", ":=1", ":flow//x=1", ":/=1"} {
		l := NewLoader(noVariables)
		l.Set(bad)
		if _, err := l.Config(); err == nil || !strings.Contains(err.Error(), ":path/to/key=EDN") {
			t.Errorf("%q gave %v", bad, err)
		}
	}
}

func TestTokens(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	empty := filepath.Join(dir, "empty")
	for name, text := range map[string]string{file: "from-file\n", empty: "\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lookup := func(name string) (string, bool) {
		v, ok := map[string]string{"TOKEN": "from-env", "EMPTY": ""}[name]
		return v, ok
	}
	l := NewLoader(lookup)
	cfg, err := l.Merge("x", []byte(`{:auth {:tokens [{:token-env "TOKEN" :uid "bob"} {:token-file "`+file+`" :role :owner} {:token "literal"}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	for secret, want := range map[string]pipe.Claim{
		"from-env": {UID: "bob", Role: pipe.RoleClient}, "from-file": {Role: pipe.RoleOwner}, "literal": {Role: pipe.RoleClient},
	} {
		if got, ok := cfg.Hub.Auth.Check(secret); !ok || got.UID != want.UID || got.Role != want.Role {
			t.Errorf("%s: got %v, %v", secret, got, ok)
		}
	}
	for edn, want := range map[string]string{
		`{:token-env "EMPTY"}`:          "the variable EMPTY is empty",
		`{:token-file "` + empty + `"}`: "the file " + empty + " is empty",
		`{:token-file "` + dir + `"}`:   "is no file with a token",
	} {
		if _, err := NewLoader(lookup).Merge("x", []byte(`{:auth {:tokens [`+edn+`]}}`)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gave %v", edn, err)
		}
	}
}

func TestCipherKeys(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	const key, other = "MDEyMzQ1Njc4OWFiY2RlZg==", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
	file, empty, large := write("key", other+"\r\n"), write("empty", "\n"), write("large", strings.Repeat("A", 70_000))
	lookup := func(name string) (string, bool) {
		v, ok := map[string]string{"KEY": key, "EMPTY": "", "WORD": "s3cret!"}[name]
		return v, ok
	}
	cfg, err := NewLoader(lookup).Merge("x", []byte(`{:encryption {:keys [{:key-env "KEY"} {:key-file "`+file+`"}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if want := [][]byte{[]byte("0123456789abcdef"), []byte("0123456789abcdef01234567")}; !reflect.DeepEqual(cfg.CipherKeys, want) {
		t.Errorf("got %q", cfg.CipherKeys)
	}
	for edn, want := range map[string]string{
		`{:key-env "EMPTY"}`:          "the variable EMPTY is empty; it should have the key",
		`{:key-env "WORD"}`:           "the variable WORD is not base64",
		`{:key-file "` + empty + `"}`: "the file " + empty + " is empty",
		`{:key-file "` + large + `"}`: "is no file with a key",
		`{:key-file "` + dir + `"}`:   "is no file with a key",
	} {
		_, err := NewLoader(lookup).Merge("x", []byte(`{:encryption {:keys [`+edn+`]}}`))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s gave %v", edn, err)
		}
	}
	l := NewLoader(lookup)
	l.Set(`:encryption/keys=[{:key "s3cret"}]`)
	if _, err := l.Config(); err == nil || !strings.Contains(err.Error(), "a secret never comes from a flag") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("--set with a key gave %v", err)
	}
	l = NewLoader(lookup)
	l.Environ([]string{`SENTE_LITE_ENCRYPTION__KEYS=[{:key 5s3cret}]`})
	if _, err := l.Config(); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("a variable that is not EDN gave %v", err)
	}
}

// A key may change while running: links that begin after it use the new one.
func TestCipherKeysChange(t *testing.T) {
	l := NewLoader(noVariables)
	cfg, err := l.Merge("file", []byte(`{:encryption {:keys [{:key "MDEyMzQ1Njc4OWFiY2RlZg=="}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	next, changed, err := l.Configure(cfg, []byte(`{:encryption {:keys [{:key "ZmVkY2JhOTg3NjU0MzIxMA=="} {:key "MDEyMzQ1Njc4OWFiY2RlZg=="}]}}`))
	if err != nil || len(next.CipherKeys) != 2 || string(next.CipherKeys[0]) != "fedcba9876543210" || !reflect.DeepEqual(changed, []string{"[:encryption :keys]"}) {
		t.Errorf("got %q, %v, %v", next.CipherKeys, changed, err)
	}
}

func TestConfigure(t *testing.T) {
	l := NewLoader(noVariables)
	cfg, err := l.Merge("file", []byte(`{:name "a" :flow {:max-depth 20}}`))
	if err != nil {
		t.Fatal(err)
	}
	next, changed, err := l.Configure(cfg, []byte(`{:name "a" :log-level :debug :flow {:max-depth 30 :max-peers 20}}`))
	if err != nil || next.Hub.Flow.MaxDepth != 30 || !reflect.DeepEqual(changed, []string{"[:log-level]", "[:flow :max-depth]", "[:flow :max-peers]"}) {
		t.Fatalf("got %v, %v", changed, err)
	}
	_, _, err = l.Configure(next, []byte(`{:log-level :warn :name "b" :listen ["unix:/x"]}`))
	var e *pipe.Error
	if !errors.As(err, &e) || e.Category != pipe.Unsupported || !strings.Contains(e.Msg, "[:name] [:listen]") {
		t.Fatalf("got %v", err)
	}
	if _, err := pipe.Check(e.AppendEDN(nil), pipe.Limits{}); err != nil {
		t.Fatal(err)
	}
	again, err := l.Config()
	if err != nil || again.Name != "a" || again.LogLevel != -4 {
		t.Fatalf("a refused change was kept: %+v, %v", again, err)
	}
}

func TestSocketDir(t *testing.T) {
	uid := os.Getuid()
	dir := t.TempDir()
	got, err := socketDir(dir, "/none", uid)
	if err != nil || got != filepath.Join(dir, "sente-lite") {
		t.Fatalf("got %s, %v", got, err)
	}
	if info, err := os.Stat(got); err != nil || info.Mode().Perm() != 0o700 {
		t.Fatalf("got %v, %v", info, err)
	}
	if _, err := socketDir(dir, "/none", uid+1); err == nil || !strings.Contains(err.Error(), "belongs to user") {
		t.Fatalf("somebody else's: %v", err)
	}
	if err := os.Chmod(got, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := socketDir(dir, "/none", uid); err == nil || !strings.Contains(err.Error(), "open to others") {
		t.Fatalf("open: %v", err)
	}
	other := t.TempDir()
	got, err = socketDir("", other, uid)
	if err != nil || filepath.Dir(got) != other {
		t.Fatalf("got %s, %v", got, err)
	}
	if err := os.Remove(got); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, got); err != nil {
		t.Fatal(err)
	}
	if _, err := socketDir("", other, uid); err == nil {
		t.Fatal("a link was taken")
	}
	if SocketPath("/d", "n", 1) != "/d/n.sock" || SocketPath("/d", "n", 3) != "/d/n-3.sock" {
		t.Fatal("names of sockets")
	}
}

func TestShowHidesSecrets(t *testing.T) {
	v := map[any]any{
		pack.Keyword("token"): "s3cret", pack.Keyword("token-env"): "NAME",
		pack.Keyword("key"): "s3cret", pack.Keyword("env"): map[any]any{"KEY": "s3cret"}, pack.Keyword("tokens"): []any{map[any]any{pack.Keyword("csrf-token"): "s3cret"}},
	}
	if got, want := showAll(v, -100), `{:env «set», :key «set», :token «set», :token-env "NAME", :tokens [{:csrf-token «set»}]}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
