//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sente-lite/sente-lite/bridge/child"
	"github.com/sente-lite/sente-lite/pipe"
)

// hearAny reads lines up to one that is like a pattern, and returns its groups.
func (p *process) hearAny(pattern string) []string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	for {
		if m := re.FindStringSubmatch(p.hear("")); m != nil {
			return m
		}
	}
}

// family is a program that ignores every request to end, with somebody beneath it
// who has left its session, and tells the process ids.
const family = `["sh" "-c" "trap '' TERM HUP INT; (setsid sh -c 'echo [:my/sleeper $$]; exec sleep 1000' &); echo [:my/pid $$]; while :; do sleep 1; done"]`

// Whatever ends the sidecar, nothing of what it has started is left.
func TestProgramsDieWithUs(t *testing.T) {
	for name, tt := range map[string]struct {
		end    func(p *process)
		killed bool
		code   int
	}{
		"kill -9":     {func(p *process) { p.signal(syscall.SIGKILL) }, true, -1},
		"stdin ends":  {func(p *process) { p.in.Close() }, false, 0},
		"SIGTERM":     {func(p *process) { p.signal(syscall.SIGTERM) }, false, 0},
		"stdout ends": {func(p *process) { p.out.Close(); p.say("[[:sente-lite/peers {}] \"p\"]") }, false, 0},
		"twice SIGINT": {func(p *process) {
			p.signal(syscall.SIGINT)
			eventually(p.t, "its log says so", func() bool { return strings.Contains(p.errs.String(), "ending") })
			p.signal(syscall.SIGINT)
		}, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := begin(t, "pipe")
			p.say(`[:sente-lite/hello {:config {:shutdown-ms 100}}]`)
			p.say(`[[:sente-lite/spawn {:command %s :uid "f" :dialect :text :grace-ms 200}] "s"]`, family)
			// The reply may be behind what the program says.
			pids := map[string]int{}
			for range 3 {
				m := p.hearAny(`:(my/\w+|uid "f" :pid) (\d+)`)
				pids[m[1]], _ = strconv.Atoi(m[2])
			}
			if pids[`uid "f" :pid`] != pids["my/pid"] || pids["my/sleeper"] == 0 {
				t.Fatalf("the process ids are %v", pids)
			}
			began := time.Now()
			tt.end(p)
			if tt.killed {
				<-p.ended
			} else {
				p.exits(tt.code, 2*time.Second)
				if d := time.Since(began); name != "twice SIGINT" && d < 100*time.Millisecond {
					t.Errorf("it has ended after %v: nobody had time to end by itself", d)
				}
			}
			if !tt.killed && name != "twice SIGINT" { // nothing is left already
				for _, pid := range pids {
					if alive(pid) {
						t.Errorf("process %d runs on", pid)
					}
				}
			}
			for _, pid := range pids {
				eventually(t, fmt.Sprintf("process %d is gone", pid), func() bool { return !alive(pid) })
			}
		})
	}
}

// The data of a spawn is checked like the configuration, and only an owner's.
func TestSpawnIsChecked(t *testing.T) {
	p := begin(t, "pipe")
	p.say(`[:sente-lite/hello {}]`)
	p.hear("ready")
	for data, want := range map[string]string{
		`{}`:                                `:incorrect :code :sente-lite/bad-data :message "the data of :sente-lite/spawn: [:command]: is missing; allowed: a program`,
		`{:comand ["cat"]}`:                 `[:comand]: unknown key; did you mean :command?`,
		`{:command "cat"}`:                  `[:command]: found \"cat\"; allowed: a program and its arguments, a vector of strings`,
		`{:command ["cat"] :dialect :line}`: `[:dialect]: found :line; did you mean :lines? allowed: one of :auto :text :frames :lines`,
		`{:command ["cat"] :restart {:policy 1}}`:           `[:restart :policy]: found 1; allowed: one of :never :on-failure :always`,
		`{:command ["cat"] :uid "owner"}`:                   `[:uid]: found \"owner\"; allowed: a string of 1 to 256 bytes, but not`,
		`{:command ["cat"] :uid :cat}`:                      `[:uid]: found :cat; allowed: a string`,
		`{:command ["cat"] :grace-ms "2"}`:                  `[:grace-ms]: found \"2\"; allowed: an integer from 0 to 600000`,
		`{:command ["cat"] :env {"A" :secret}}`:             `[:env \"A\"]: found a keyword; allowed: a string`,
		`{:command ["cat"] :grace-ms 99999999999999999999}`: `:incorrect :code :sente-lite/bad-data :message "the data of :sente-lite/spawn: found 99999999999999999999, expected an integer of 64 bits"`,
		`{:command ["cat"] :uid "a" :uid "b"}`:              `:incorrect :code :sente-lite/bad-data :message "the data of :sente-lite/spawn: :uid comes twice"`,
		`{:command ["cat"] :env {"A" "1" :A "2"}}`:          `[:env]: found the name \"A\" twice`,
		`{:command ["cat"] :dialect "line"}`:                `[:dialect]: found \"line\"; did you mean :lines?`,
		`{:command ["no-such-program"]}`:                    `:not-found :code :sente-lite/no-such-program :message "the program \"no-such-program\" is not found`,
		`{:command ["/"]}`:                                  `:forbidden :code :sente-lite/not-executable`,
		`{:command ["cat"] :dir "/no/such"}`:                `:not-found :code :sente-lite/bad-dir`,
	} {
		p.say(`[[:sente-lite/spawn %s] "s"]`, data)
		if line := p.hear(`"s"`); !strings.Contains(line, want) {
			t.Errorf("%s:\n got %s\nwant %s", data, line, want)
		}
	}
	p.say(`[[:sente-lite/spawn ["cat"]] "s"]`)
	p.hear(`the data of :sente-lite/spawn must be a map with a :command`)
	// A program that is a client may not; one that is an owner may.
	for role, want := range map[string]string{":client": ":forbidden", ":owner": `:uid "cat`} {
		p.say(`[[:sente-lite/spawn {:command ["sh" "-c" "echo '[[:sente-lite/spawn {:command [\"cat\"]}] \"s\"]'; read ready; read reply; echo \"[:it/got $reply]\""] :role %s}] "s"]`, role)
		if line := p.hear(`:it/got`); !strings.Contains(line, want) {
			t.Errorf("%s: %s", role, line)
		}
	}
	// JSON knows no keywords but as keys.
	p.say(`[:sente-lite/spawn {:command ["sh" "-c" "echo $LANG"] :uid "json" :dialect "lines" :mode "shared" :role "client" :restart {:policy "never"} :env {:LANG "C.x"}}]`)
	p.hear(`[:line/out "C.x"]`)
	p.say(`[:sente-lite/spawn {:command ["cat"] :uid "twin" :dialect :lines}]`)
	p.say(`[[:sente-lite/spawn {:command ["cat"] :uid "twin" :dialect :lines}] "s"]`)
	p.hear(`[:chsk/reply "s" [:sente-lite/error {:category :conflict :code :sente-lite/uid-taken`)
	p.in.Close()
	p.exits(0, 5*time.Second)
}

// The programs of the configuration start once the sidecar listens, and end with
// it. They meet whoever connects.
func TestProcessesOfTheConfiguration(t *testing.T) {
	dir := shortDir(t)
	file := filepath.Join(dir, "c.edn")
	if err := os.WriteFile(file, []byte(`{:listen ["unix:`+dir+`/s.sock"]
 :relay [{:event :line/in :to "cat"}]
 :processes {"cat" {:command ["cat"] :dialect :lines}
             :env {:command ["sh" "-c" "[ -S s.sock ] && echo \"[:i/am $$]\"; cat"] :dialect :text :env {"SECRET" "hush"}}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	p, addrs := servesIn(t, dir, nil, "--config", file, "--log-level", "debug")
	c, _ := greet(t, addrs["unix"], "{:handler true}")
	c.hear(`[:sente-lite/open {:uid "cat"`)
	c.say(`[[:sente-lite/peers {}] "p"]`)
	c.hear(`:transport :exec`)
	c.say(`[:sente-lite/send {:to "cat" :event [:line/in "meow"]}]`)
	c.hear(`[:line/out "meow"]`)
	c.say(`[[:sente-lite/configure {:config {:processes {}}}] "c"]`)
	c.hear(`cannot change while running: [:processes]`)
	p.signal(syscall.SIGTERM)
	p.exits(0, 5*time.Second)
	if errs := p.errs.String(); strings.Contains(errs, "hush") || !strings.Contains(errs, `msg="a program has ended" child=env`) {
		t.Errorf("the log:\n%s", errs)
	}

	// One that is not there is a bad configuration: nothing has started.
	ran := filepath.Join(dir, "ran")
	cannot := `{:processes {"cat" {:command ["touch" "` + ran + `"]} "x" {:command ["no-such-program"]}}}`
	if err := os.WriteFile(file, []byte(cannot), 0o600); err != nil {
		t.Fatal(err)
	}
	p = beginIn(t, dir, nil, "serve", "--config", file, "--listen", "unix:"+dir+"/t.sock", "--log-level", "debug")
	p.exits(exitUsage, 5*time.Second)
	if errs := p.errs.String(); !strings.Contains(errs, `sente-lite: [:processes "x"]: the program "no-such-program" is not found`) || strings.Contains(errs, "t.sock") || p.rest() != "" {
		t.Errorf("stderr is %s", errs)
	}
	p = begin(t, "pipe")
	p.say(`[:sente-lite/hello {:config %s}]`, cannot)
	p.hear(`:code :sente-lite/bad-config :message "[:processes \"x\"]: the program \"no-such-program\" is not found`)
	p.exits(exitUsage, 5*time.Second)
	if !gone(ran) {
		t.Error("a program has run beside one that is not there")
	}
}

// A program of which every user has a process of its own, from outside: two users,
// and nobody who answers for them.
func TestProcessPerUser(t *testing.T) {
	dir := shortDir(t)
	file := filepath.Join(dir, "c.edn")
	if err := os.WriteFile(file, []byte(`{:listen ["tcp://127.0.0.1:0"]
 :auth {:tokens [{:token "ann's" :uid "ann"} {:token "bob's" :uid "bob"}]}
 :relay [{:event :line/in :to "sh"}]
 :processes {:sh {:command ["sh" "-c" "while read -r line; do echo $line from $$; done"] :dialect :lines :mode :per-user}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	p, addrs := servesIn(t, dir, nil, "--config", file)
	pids := map[string]int{}
	for _, user := range []string{"ann", "bob"} {
		c, _ := greet(t, addrs["tcp"], `{:auth "`+user+`'s"}`)
		c.say(`[:line/in "hello"]`)
		m := regexp.MustCompile(`^\[:line/out "hello from (\d+)"\]$`).FindStringSubmatch(c.hear("line/out"))
		if m == nil {
			t.Fatal("it hears something else")
		}
		pids[user], _ = strconv.Atoi(m[1])
		if user == "ann" {
			c.Close()
		}
	}
	eventually(t, "ann's process has gone with her", func() bool { return !alive(pids["ann"]) })
	if pids["ann"] == pids["bob"] || !alive(pids["bob"]) {
		t.Errorf("the process ids are %v", pids)
	}
	p.signal(syscall.SIGTERM)
	p.exits(0, 5*time.Second)
	if alive(pids["bob"]) {
		t.Error("bob's process runs on")
	}
}

func TestProcessesAreRead(t *testing.T) {
	cfg, err := loadFile(t, "../../testdata/config/good/processes.edn")
	if err != nil {
		t.Fatal(err)
	}
	want := []child.Spec{
		{UID: "a/b c", Command: []string{"cat"}, Dialect: "frames"},
		{UID: "worker", Command: []string{"bb", "worker.clj", ""}, Dir: "jobs", Env: map[string]string{"LANG": "C", "EMPTY": ""},
			Restart: child.OnFailure, Grace: -1, Role: pipe.RoleOwner},
		{UID: "shell", Command: []string{"sh"}, Dialect: "lines", PerUser: true, Max: 10},
	}
	if !reflect.DeepEqual(cfg.Processes, want) {
		t.Errorf("got\n%+v\nwant\n%+v", cfg.Processes, want)
	}
}
